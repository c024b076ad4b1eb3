//! Why a message is where it is.

use super::Stage::{Dead, Skipped, Waiting};
use super::{Entry, Sign::Reason};

pub(super) const REASONS: &[Entry] = &[
    Entry {
        id: "claim-cannot-be-mapped",
        sign: Reason(Dead, &["the claim cannot be mapped: "]),
        meaning: "The claim lacks something, or a setting does not fit. The issues on the message say what.",
        action: "See the issue (below). Correct the claim in openIMIS or the setting; retry.",
    },
    Entry {
        id: "patient-cannot-be-mapped",
        sign: Reason(Dead, &["the patient cannot be mapped: "]),
        meaning: "No CHT person can be made of the claim's patient; most often its place is not known.",
        action: "See the issue (below), often `no-place`; retry.",
    },
    Entry {
        id: "feedback-cannot-be-mapped",
        sign: Reason(Dead, &["the feedback cannot be mapped: "]),
        meaning: "The answers lack something. The issues on the message say what.",
        action: "Correct the report in CHT: it is pushed again and taken anew. Or discard the message.",
    },
    Entry {
        id: "cannot-be-mapped",
        sign: Reason(Dead, &["cannot be mapped: "]),
        meaning: "The document could not be mapped when it came in; it is kept as it was.",
        action: "See the issue (below). What the sender corrects and sends again replaces it; after a change of settings retry.",
    },
    Entry {
        id: "patient-unknown",
        sign: Reason(Dead, &["openIMIS does not know the claim's patient"]),
        meaning: "openIMIS answers that there is no insuree with the uuid that its claim names.",
        action: "Look the insuree up in openIMIS: it may have been deleted or merged, or the mediator's user may not read it; retry.",
    },
    Entry {
        id: "openimis-refused",
        sign: Reason(Dead, &["openIMIS refused with "]),
        meaning: "openIMIS does not want this document, now or later. Its own words follow.",
        action: "`Claim does not exist`: the feedback is for a claim of another openIMIS, or the claim was deleted. Others: repair what it names, retry.",
    },
    Entry {
        id: "cht-refused",
        sign: Reason(Dead, &["CHT refused with "]),
        meaning: "CHT does not want this record, now or later. Its own words follow.",
        action: "Most often the form (`mapping.claim_response.form`) is not installed, or a place (`mapping.patient`) does not exist: docs/cht.md. Repair, retry.",
    },
    Entry {
        id: "given-up",
        sign: Reason(Dead, &["given up after "]),
        meaning: "It could not be delivered for `retry.give_up_after` (14 days). The last failure follows.",
        action: "When the peer is back: `openimis-mediator messages retry --all`.",
    },
    Entry {
        id: "mapping-failed",
        sign: Reason(Dead, &["mapping ", ": repair or replace the component, then retry"]),
        meaning: "The mapping component itself failed on this document: it stopped, ran too long or wanted too much memory.",
        action: "Replace the component (`openimis-mediator mapping test` tries one), or raise `components.time_limit` or `memory_limit_bytes`; retry.",
    },
    Entry {
        id: "waits-for-a-person",
        sign: Reason(Dead, &["waits for a person: "]),
        meaning: "CHT has a contact that may be the claim's patient, or several that are: the mediator does not guess.",
        action: "Look at the proposal (`openimis-mediator patients list`, or the console), confirm or refuse it. The claim then goes on by itself.",
    },
    Entry {
        id: "document-gone",
        sign: Reason(Dead, &["its document is no longer kept"]),
        meaning: "The message was put back after its document had been pruned (`retention.documents`).",
        action: "Let the sender send it again: select the claim in openIMIS, or save the report in CHT once more. Then discard the message.",
    },
    Entry {
        id: "document-unreadable",
        sign: Reason(Dead, &["its document "]),
        meaning: "The document is sealed with a key that `store.key_file` does not hold, or it is damaged.",
        action: "Put the old key on a further line of the key file; start again, retry. Without the key the document is lost.",
    },
    Entry {
        id: "rejected",
        sign: Reason(Skipped, &["openIMIS rejected the claim"]),
        meaning: "Rejected claims become no task unless `tasks.include_rejected` is set.",
        action: "Nothing, if that is what you want. Else set it, start again, retry.",
    },
    Entry {
        id: "not-selected",
        sign: Reason(Skipped, &["not selected for feedback"]),
        meaning: "With `tasks.policy = \"selected\"` a claim becomes a task when an officer selects it for feedback.",
        action: "Nothing. It comes back by itself when it is selected.",
    },
    Entry {
        id: "never-submitted",
        sign: Reason(Skipped, &["entered and not submitted for half a year"]),
        meaning: "With `tasks.policy = \"submitted\"` the claim was looked at for 180 days and was never submitted.",
        action: "Nothing; `messages retry <id>` looks once more.",
    },
    Entry {
        id: "claim-gone",
        sign: Reason(Skipped, &["openIMIS no longer has the claim"]),
        meaning: "The claim was deleted in openIMIS before it was delivered.",
        action: "Nothing.",
    },
    Entry {
        id: "credentials-refused",
        sign: Reason(Waiting, &["", " is left alone", "it refused "]),
        meaning: "openIMIS or CHT does not take the mediator's user and password, or the user lacks a permission. Nothing is lost: all messages for it wait.",
        action: "Correct `openimis.username` and password, or `cht.username` and password, and start again; or give the user the permission (docs/openimis.md, docs/cht.md). An account that CHT locked is free again after some minutes.",
    },
    Entry {
        id: "redirected",
        sign: Reason(Waiting, &["", " is left alone", "it redirected us elsewhere"]),
        meaning: "The server answered with the address of another page, most often of its login. The mediator follows no redirect.",
        action: "Set `openimis.url` or `cht.url` to the address that answers itself, with https if it is that; check the credentials.",
    },
    Entry {
        id: "slower",
        sign: Reason(Waiting, &["", " is left alone", "it asked for a slower pace"]),
        meaning: "The server or a proxy before it answered 429, too many requests.",
        action: "Nothing; if it goes on lower `worker.requests_per_peer` or raise the proxy's limit.",
    },
    Entry {
        id: "left-alone",
        sign: Reason(Waiting, &["", " is left alone"]),
        meaning: "The last requests all failed, so the server is left alone for a while; single requests probe whether it is back.",
        action: "Nothing, if it is down for a known reason. Else see what the last failure says: its address, the network, its own log.",
    },
    Entry {
        id: "not-submitted-yet",
        sign: Reason(Waiting, &["entered, not submitted yet"]),
        meaning: "With `tasks.policy = \"submitted\"` the claim is looked at again until it is submitted.",
        action: "Nothing.",
    },
    Entry {
        id: "no-communication",
        sign: Reason(Waiting, &["openIMIS answered ", " without a Communication"]),
        meaning: "openIMIS took the feedback and answered something unexpected. It is sent again; openIMIS refuses a second one, which is then taken as delivered.",
        action: "Nothing; if it goes on look at what stands between the mediator and openIMIS.",
    },
    Entry {
        id: "not-its-own-answer",
        sign: Reason(Waiting, &["", " answered ", " with something that is not "]),
        meaning: "The answer is not one of openIMIS or CHT: a proxy's page, or another server under that address.",
        action: "Look at `openimis.url` and `cht.url` and at the proxies; it goes on by itself.",
    },
    Entry {
        id: "peer-failed",
        sign: Reason(Waiting, &["", " answered "]),
        meaning: "openIMIS or CHT answered with a failure that may pass.",
        action: "Nothing at first: it is tried again. If it stays, the text and the server's own log say more.",
    },
    Entry {
        id: "no-free-instance",
        sign: Reason(Waiting, &["mapping ", " has no free instance"]),
        meaning: "All instances of the mappings were at work.",
        action: "Nothing; if it happens often raise `components.instances`.",
    },
    Entry {
        id: "decided-meanwhile",
        sign: Reason(Waiting, &["who the patient is was decided meanwhile"]),
        meaning: "While the patient was looked for in CHT, a person said who it is.",
        action: "Nothing: the next try goes by that word.",
    },
    Entry {
        id: "store-failed",
        sign: Reason(Waiting, &["store: "]),
        meaning: "The mediator's own database failed during the delivery. The message is tried again, after a look at the peer.",
        action: "See the log and `/health/ready`: a full disk, or a database that is away.",
    },
    Entry {
        id: "peer-unreachable",
        sign: Reason(Waiting, &["openIMIS: "]),
        meaning: "No connection, or no answer in time.",
        action: "Look at `openimis.url`, the network, TLS (`tls.ca_file`) and `HTTPS_PROXY`/`NO_PROXY`. It is tried again by itself.",
    },
    Entry {
        id: "cht-unreachable",
        sign: Reason(Waiting, &["CHT: "]),
        meaning: "No connection, or no answer in time.",
        action: "Look at `cht.url`, the network, TLS (`tls.ca_file`) and `HTTPS_PROXY`/`NO_PROXY`. It is tried again by itself.",
    },
];
