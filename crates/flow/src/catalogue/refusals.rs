//! What the mediator answers when it does not do what it was asked for.

use http::StatusCode;

use super::{Entry, Sign::Refusal};

pub(super) const REFUSALS: &[Entry] = &[
    Entry {
        id: "http-broken-off",
        sign: Refusal(StatusCode::BAD_REQUEST, "structure", "broke off"),
        meaning: "The connection ended in the middle of the body. Nothing is stored.",
        action: "The sender sends it again.",
    },
    Entry {
        id: "http-coding-broken",
        sign: Refusal(StatusCode::BAD_REQUEST, "structure", "Content-Encoding"),
        meaning: "`Content-Encoding` says gzip, and the body is no gzip or not all of it. Nothing is stored.",
        action: "Correct the sender, or what stands between and changes bodies without their headers.",
    },
    Entry {
        id: "http-host",
        sign: Refusal(StatusCode::BAD_REQUEST, "structure", "the header Host"),
        meaning: "A request without the header `Host`, with two of them, or with one that names no host.",
        action: "Correct the sender, or the proxy that it comes through: HTTP/1.1 requires the header once.",
    },
    Entry {
        id: "http-head-too-long",
        sign: Refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-long", ""),
        meaning: "The request's line and headers are longer than 64 KiB. The same status without a text: longer still, or more than 100 headers.",
        action: "Correct the sender, or the proxy that adds them.",
    },
    Entry {
        id: "http-not-json",
        sign: Refusal(StatusCode::BAD_REQUEST, "structure", ""),
        meaning: "The body is no JSON in UTF-8. Nothing is stored. The text says what is there: nothing, UTF-16, something compressed without `Content-Encoding`, a second document, a comment; line and column say where.",
        action: "Correct the sender: one document in UTF-8 a request. A byte order mark does no harm.",
    },
    Entry {
        id: "http-bad-parameter",
        sign: Refusal(StatusCode::BAD_REQUEST, "value", ""),
        meaning: "A parameter or the body of a request to the admin API is unknown or not of the expected kind.",
        action: "Correct the request; the text names the parameter.",
    },
    Entry {
        id: "http-token",
        sign: Refusal(StatusCode::UNAUTHORIZED, "login", "the token cannot be used"),
        meaning: "A token (JWT) does not count: the text says why. Nothing is stored.",
        action: "Expired: the sender gets a new one. Issuer, audience or key: compare the token with `[[tokens.issuers]]`. Not valid yet: a clock is wrong, see `tokens.leeway`.",
    },
    Entry {
        id: "http-login",
        sign: Refusal(StatusCode::UNAUTHORIZED, "login", ""),
        meaning: "No credentials, or wrong ones.",
        action: "The sender has to show `inbound.username` and its password, those of one of `[[clients]]`, or a certificate that is listed there. Behind OpenHIM the route needs user and password of its own: OpenHIM does not pass on the client's.",
    },
    Entry {
        id: "http-scope",
        sign: Refusal(StatusCode::FORBIDDEN, "forbidden", "has not the scope"),
        meaning: "The credentials are right, and the client may not do this.",
        action: "Add the scope to the client (`clients.scopes`) and start again.",
    },
    Entry {
        id: "http-token-client",
        sign: Refusal(StatusCode::FORBIDDEN, "forbidden", "no client of the mediator"),
        meaning: "The token is right, and its subject is not a client of the mediator.",
        action: "Add one to `[[clients]]` with `issuer` and `subject`, as the token says it in the issuer's `client_claim`, and start again.",
    },
    Entry {
        id: "http-signature",
        sign: Refusal(StatusCode::FORBIDDEN, "security", ""),
        meaning: "This client signs what it posts, and the signature in `X-JWS-Signature` is missing or wrong, or no keys of the client are known. Nothing is stored.",
        action: "The sender signs the very bytes that it sends, with a key that `clients.signature_jwks_file` or `signature_jwks_url` holds.",
    },
    Entry {
        id: "http-other-site",
        sign: Refusal(StatusCode::FORBIDDEN, "forbidden", "another site"),
        meaning: "A page of another site made the browser send this request.",
        action: "Nothing: it was kept out. Programs that are no browsers are not concerned.",
    },
    Entry {
        id: "http-no-route",
        sign: Refusal(StatusCode::NOT_FOUND, "not-found", "no such route"),
        meaning: "There is nothing at this address.",
        action: "Look at the path: `/mediator/claim-response`, `/mediator/claims-feedback`. Admin routes are on the admin listener.",
    },
    Entry {
        id: "http-not-found",
        sign: Refusal(StatusCode::NOT_FOUND, "not-found", ""),
        meaning: "There is no such message, or no such file of the playground.",
        action: "A message may have been pruned (`retention.messages`).",
    },
    Entry {
        id: "http-method",
        sign: Refusal(StatusCode::METHOD_NOT_ALLOWED, "not-supported", ""),
        meaning: "The route takes another method; the header `Allow` says which.",
        action: "Correct the request: documents are sent with POST.",
    },
    Entry {
        id: "http-timeout",
        sign: Refusal(StatusCode::REQUEST_TIMEOUT, "timeout", ""),
        meaning: "The request took longer than `server.answer_timeout`. Nothing was acknowledged.",
        action: "The sender sends it again. If it happens often: a slow line, or a slow disk below the store.",
    },
    Entry {
        id: "http-claim-of-another",
        sign: Refusal(StatusCode::CONFLICT, "duplicate", ""),
        meaning: "openIMIS has a claim with the code that this one gets, of another insuree, facility or day. Its answer is not told.",
        action: "Send the claim without a code of its own, or with another one; the admin sees both on the message.",
    },
    Entry {
        id: "http-claim-not-taken",
        sign: Refusal(StatusCode::BAD_GATEWAY, "processing", "did not take the claim"),
        meaning: "openIMIS refused a hospital's claim for good, for another reason than the document itself. It is kept as a dead letter.",
        action: "An admin looks at the message: it says why. After the repair the claim is put back, or sent again.",
    },
    Entry {
        id: "http-answer-gone",
        sign: Refusal(StatusCode::GONE, "deleted", ""),
        meaning: "openIMIS has the hospital's claim, and what it said of it is no longer kept (`retention.documents`).",
        action: "Ask the insurer; or keep documents for longer.",
    },
    Entry {
        id: "http-conflict",
        sign: Refusal(StatusCode::CONFLICT, "conflict", ""),
        meaning: "The message's state does not allow it, for example a retry of a delivered one.",
        action: "Look at the message; the text names its state.",
    },
    Entry {
        id: "http-too-long",
        sign: Refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-long", ""),
        meaning: "The body is longer than `server.max_body_bytes` (1 MiB), as it came or unpacked.",
        action: "Claims and feedback are a few kB: look at what is sent. Else raise the limit.",
    },
    Entry {
        id: "http-coding",
        sign: Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "Content-Encoding"),
        meaning: "The body is compressed in a way that is not read: `Accept-Encoding` of the answer says which is (gzip; none at the edge). Nothing is stored.",
        action: "Send it with gzip or as it is.",
    },
    Entry {
        id: "http-charset",
        sign: Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "charset"),
        meaning: "The header `Content-Type` names a charset that is not UTF-8. JSON is sent in UTF-8 (RFC 8259). Nothing is stored.",
        action: "Convert the document at the sender, then leave the charset away.",
    },
    Entry {
        id: "http-media-type",
        sign: Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", ""),
        meaning: "The header `Content-Type` is neither `application/json` nor `application/fhir+json`.",
        action: "Correct the sender.",
    },
    Entry {
        id: "http-throttled-passwords",
        sign: Refusal(StatusCode::TOO_MANY_REQUESTS, "throttled", "wrong passwords"),
        meaning: "Too many wrong passwords came from this address; none is tried for a while, right ones neither. IPv6 addresses count by /48.",
        action: "Correct the credentials, then wait as `Retry-After` says. Behind a proxy all senders are one address.",
    },
    Entry {
        id: "http-throttled",
        sign: Refusal(StatusCode::TOO_MANY_REQUESTS, "throttled", ""),
        meaning: "More requests a second than `server.requests_per_second` came from this address.",
        action: "The sender comes again as `Retry-After` says; raise the limit if that is normal at your site.",
    },
    Entry {
        id: "http-mapping",
        sign: Refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", "mapping failed"),
        meaning: "A mapping ran too long, wanted too much memory, stopped, or is not there.",
        action: "See the log; repair or replace the component. A claim is kept: retry its message afterwards.",
    },
    Entry {
        id: "http-exception",
        sign: Refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", ""),
        meaning: "Work of the admin API ended unexpectedly.",
        action: "See the log; report it.",
    },
    Entry {
        id: "http-keys",
        sign: Refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", "the keys"),
        meaning: "The public keys that verify a token or a signature could not be fetched, and none are kept.",
        action: "The sender sends it again. See the log for the reason: `jwks_url` of `[[tokens.issuers]]` or of the client, its certificate, the network.",
    },
    Entry {
        id: "http-openimis-away",
        sign: Refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", "openIMIS does not answer now"),
        meaning: "A question about eligibility had no answer of openIMIS within `eclaim.answer_within`, or openIMIS is left alone. Nothing is kept of a question.",
        action: "The hospital asks again, as `Retry-After` says. See the log; a right that is missing at openIMIS is told there, too.",
    },
    Entry {
        id: "http-questions",
        sign: Refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", "too many questions"),
        meaning: "All instances of the mapping are at work.",
        action: "The hospital asks again. If it happens often, raise `components.instances`.",
    },
    Entry {
        id: "http-question-refused",
        sign: Refusal(StatusCode::BAD_GATEWAY, "processing", "did not take the question"),
        meaning: "openIMIS refused a question about eligibility for good: its version does not know what is asked for.",
        action: "See the log. docs/openimis.md names the version that the mediator knows.",
    },
    Entry {
        id: "http-store",
        sign: Refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", ""),
        meaning: "The message could not be stored, or the store did not answer. It was not acknowledged.",
        action: "The sender sends it again. See `/health/ready` and the log: a full disk, or a database that is away.",
    },
];
