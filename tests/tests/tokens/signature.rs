//! Detached signatures over what is posted.

use std::io::Write;

use auth::credential::hash_password;
use flate2::Compression;
use flate2::write::GzEncoder;
use mediator_tests::running::sample_claim;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::keys::{Signer, encoded, jwks};
use super::{CLAIM, World, but, claims, in_file, issue};

const PASSWORD: &str = "a long password";

/// A world with clients that sign: "patan" comes with tokens and must sign, "bir" with a password and may; "plain" has no keys.
struct Signed {
    world: World,
    patan: Signer,
    bir: Signer,
}

impl Signed {
    async fn start() -> Self {
        let (patan, bir) = (Signer::ec("key"), Signer::rsa("key"));
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, signer: &Signer| in_file(&dir, name, &jwks(&[signer]));
        let (own, others) = (file("patan.json", &patan), file("bir.json", &bir));
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        let scopes = r#"scopes = ["claim-response"]"#;
        let clients = format!(
            r#"[{{name = "patan", issuer = "id", subject = "hospital", signature_jwks_file = "{own}", {scopes}}},
                {{name = "bir", username = "bir", password_hash = "{hash}", signature_jwks_file = "{others}", signature_optional = true, {scopes}}},
                {{name = "plain", username = "plain", password_hash = "{hash}", {scopes}}}]"#
        );
        let keys = format!(r#"jwks_file = "{own}""#);
        let world = World::start(&keys, &clients, &[("server.max_body_bytes", "20000")], dir).await;
        Self { world, patan, bir }
    }

    /// As patan, with its token.
    async fn post(&self, signature: Option<&str>, body: &str) -> Response {
        let mediator = &self.world.mediator;
        let request = mediator.client.post(format!("{}{CLAIM}", mediator.url)).bearer_auth(self.patan.token(&claims()));
        sent(request, signature, body).await
    }

    /// With a password.
    async fn post_as(&self, user: &str, signature: Option<&str>, body: &str) -> Response {
        let mediator = &self.world.mediator;
        let request = mediator.client.post(format!("{}{CLAIM}", mediator.url)).basic_auth(user, Some(PASSWORD));
        sent(request, signature, body).await
    }
}

async fn sent(request: reqwest::RequestBuilder, signature: Option<&str>, body: &str) -> Response {
    let request = request.header("content-type", "application/fhir+json").body(body.to_owned());
    let request = match signature {
        Some(signature) => request.header("X-JWS-Signature", signature),
        None => request,
    };
    request.send().await.expect("an answer")
}

fn header(signer: &Signer) -> Value {
    json!({"alg": signer.alg(), "kid": signer.kid})
}

fn unencoded(signer: &Signer) -> Value {
    but(header(signer), json!({"b64": false, "crit": ["b64"]}))
}

/// RFC 7515, appendix F; RFC 7797 if the header says so.
fn signature(signer: &Signer, header: &Value, body: impl AsRef<[u8]>) -> String {
    let (protected, body) = (encoded(header.to_string().as_bytes()), body.as_ref());
    let payload = if header["b64"] == false { body.to_vec() } else { encoded(body).into_bytes() };
    let signed = [format!("{protected}.").as_bytes(), &payload].concat();
    format!("{protected}..{}", encoded(&signer.sign(&signed)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_signed_is_taken_both_encoded_and_as_it_is() {
    let signed = Signed::start().await;
    let body = sample_claim();
    for header in [
        header(&signed.patan),
        unencoded(&signed.patan),
        but(header(&signed.patan), json!({"kid": null, "typ": "JOSE"})),
    ] {
        let answer = signed.post(Some(&signature(&signed.patan, &header, &body)), &body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{header}");
    }
    for header in [header(&signed.bir), unencoded(&signed.bir)] {
        let answer = signed.post_as("bir", Some(&signature(&signed.bir, &header, &body)), &body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{header}");
    }
    assert_eq!(signed.post_as("bir", None, &body).await.status(), StatusCode::ACCEPTED, "it may leave it out");
    assert_eq!(signed.post_as("plain", None, &body).await.status(), StatusCode::ACCEPTED);
    let stored = &signed.world.mediator.messages().await[0];
    assert_eq!(stored.summary.kind, "claim-response");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_this_very_client_is_refused() {
    let signed = Signed::start().await;
    let (patan, body) = (&signed.patan, sample_claim());
    let good = signature(patan, &header(patan), &body);
    let (protected, own) = good.split_once("..").expect("a detached signature");
    let with = |changes: Value| signature(patan, &but(header(patan), changes), &body);
    let by_secret = {
        let protected = encoded(json!({"alg": "HS256", "kid": "key"}).to_string().as_bytes());
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, jwks(&[patan]).to_string().as_bytes());
        let tag = ring::hmac::sign(&secret, format!("{protected}.{}", encoded(body.as_bytes())).as_bytes());
        format!("{protected}..{}", encoded(tag.as_ref()))
    };
    // Says that it is not encoded, but is signed as if it were.
    let mixed = format!("{}..{own}", encoded(unencoded(patan).to_string().as_bytes()));
    for (what, signature, says) in [
        ("nothing", None, "there is none"),
        ("no JWS", Some("signature".to_owned()), "no detached JWS"),
        ("with the body in it", Some(format!("{protected}.{}.{own}", encoded(body.as_bytes()))), "no detached JWS"),
        ("without a signature", Some(format!("{protected}..")), "does not fit"),
        ("unsigned", Some(format!("{}..", encoded(br#"{"alg":"none"}"#))), "no detached JWS"),
        ("by a secret", Some(by_secret), "no detached JWS"),
        ("by another client", Some(signature(&signed.bir, &header(&signed.bir), &body)), "no such key"),
        (
            "by another client's key of that kind",
            Some(signature(&Signer::ec("key"), &header(patan), &body)),
            "does not fit",
        ),
        ("by a key that it has not", Some(with(json!({"kid": "other"}))), "no such key"),
        ("over another body", Some(signature(patan, &header(patan), "{}")), "does not fit"),
        ("over another body, as it is", Some(signature(patan, &unencoded(patan), "{}")), "does not fit"),
        ("half as it is", Some(mixed), "does not fit"),
        ("as it is, but not critical", Some(with(json!({"b64": false}))), "critical"),
        ("critical, but not there", Some(with(json!({"crit": ["b64"]}))), "critical"),
        ("nothing critical", Some(with(json!({"crit": []}))), "critical"),
        ("something unknown critical", Some(with(json!({"crit": ["b64", "exp"], "b64": true, "exp": 1}))), "critical"),
        ("b64 is a text", Some(with(json!({"crit": ["b64"], "b64": "false"}))), "no boolean"),
        (
            "its own key along",
            Some(signature(&Signer::ec("key"), &but(header(patan), json!({"jwk": signed.bir.jwk()})), &body)),
            "does not fit",
        ),
        ("too long", Some(with(json!({"more": "x".repeat(8 << 10)}))), "too long"),
    ] {
        let refused = signed.post(signature.as_deref(), &body).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{what}");
        let (code, text) = issue(refused).await;
        assert!(code == "security" && text.contains(says), "{what}: {code}: {text}");
    }
    let changed = body.replacen(':', ": ", 1);
    assert_ne!(changed, body);
    for header in [header(patan), unencoded(patan)] {
        let refused = signed.post(Some(&signature(patan, &header, &body)), &changed).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "a space more, {header}");
    }
    // One that need not be there must be right all the same.
    assert_eq!(signed.post_as("bir", Some(&good), &body).await.status(), StatusCode::FORBIDDEN);
    let refused = signed.post_as("plain", Some(&good), &body).await;
    assert!(refused.status() == StatusCode::FORBIDDEN && issue(refused).await.1.contains("no keys of this client"));
    assert!(signed.world.mediator.messages().await.is_empty(), "whoever was refused left nothing behind");
}

/// The content coding is a part of what is signed, as it is of the content (RFC 9110, 8.4): nothing is unpacked that nobody has vouched for.
#[tokio::test(flavor = "multi_thread")]
async fn a_packed_body_is_signed_as_it_is_sent() {
    let signed = Signed::start().await;
    let (patan, body) = (&signed.patan, sample_claim());
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(body.as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    for header in [header(patan), unencoded(patan)] {
        for (signature, status) in [
            (signature(patan, &header, &body), StatusCode::FORBIDDEN),
            (signature(patan, &header, &packed), StatusCode::ACCEPTED),
        ] {
            let mediator = &signed.world.mediator;
            let request = mediator.client.post(format!("{}{CLAIM}", mediator.url)).bearer_auth(patan.token(&claims()));
            let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
            let answer = request.header("x-jws-signature", signature).body(packed.clone()).send().await;
            assert_eq!(answer.expect("an answer").status(), status, "{header}");
        }
    }
    assert_eq!(signed.world.mediator.messages().await[0].body.as_deref(), Some(body.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_signatures_huge_ones_and_long_bodies_are_refused() {
    let signed = Signed::start().await;
    let (patan, body) = (&signed.patan, sample_claim());
    let good = signature(patan, &header(patan), &body);
    let mediator = &signed.world.mediator;
    let request = mediator.client.post(format!("{}{CLAIM}", mediator.url)).bearer_auth(patan.token(&claims()));
    let twice = request.header("x-jws-signature", &good).header("x-jws-signature", &good);
    let refused = twice.header("content-type", "application/json").body(body.clone()).send().await.expect("an answer");
    assert!(refused.status() == StatusCode::FORBIDDEN && issue(refused).await.1.contains("several"));

    let huge = signed.post(Some(&"x".repeat(200 << 10)), &body).await;
    assert_eq!(huge.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let long = json!({"x": "x".repeat(30_000)}).to_string();
    let refused = signed.post(Some(&signature(patan, &header(patan), &long)), &long).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(issue(refused).await.0, "too-long");
}
