//! Tokens: who is let in, and who is not.

use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Process, environment, eventually, sample_claim, sandbox,
};
use reqwest::StatusCode;
use ring::hmac;
use serde_json::{Value, json};

use super::keys::{Signer, encoded, jwks, message};
use super::{AUDIENCE, CLAIM, FEEDBACK, ISSUER, World, but, claims, from_now, in_file, issue, world_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_right_token_stands_for_its_client_and_the_client_has_its_scopes() {
    let (ec, rsa) = (Signer::ec("ec"), Signer::rsa("rsa"));
    let dir = tempfile::tempdir().expect("a folder");
    let keys = format!(r#"jwks_file = "{}""#, in_file(&dir, "keys.json", &jwks(&[&ec, &rsa])));
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]},
                      {name = "other", issuer = "id", subject = "other", scopes = ["feedback"]}]"#;
    let world = World::start(&keys, clients, &[], dir).await;
    for signer in [&ec, &rsa] {
        let token = signer.token(&claims());
        assert_eq!(world.status(&token).await, StatusCode::ACCEPTED, "{}", signer.alg());

        let refused = world.post_to(FEEDBACK, &token).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let challenge = refused.headers()["www-authenticate"].to_str().expect("text").to_owned();
        assert!(challenge.starts_with("Bearer ") && challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(r#"scope="feedback""#), "{challenge}");
        assert_eq!(issue(refused).await.0, "forbidden");
    }
    let other = ec.token(&but(claims(), json!({"sub": "other"})));
    assert_eq!(world.post(&other).await.status(), StatusCode::FORBIDDEN);

    // Nobody is asked for more than there is.
    for good in [
        json!({"aud": ["somebody", AUDIENCE]}),
        json!({"nbf": from_now(-10), "iat": from_now(-10), "jti": "1", "scope": "anything"}),
        json!({"exp": from_now(-10)}), // clocks differ by less than the leeway
        json!({"nbf": from_now(10)}),
        json!({"exp": from_now(100) as f64 + 0.5}),
    ] {
        assert_eq!(world.status(&ec.token(&but(claims(), good.clone()))).await, StatusCode::ACCEPTED, "{good}");
    }
    for header in
        [json!({"typ": null}), json!({"typ": "at+jwt"}), json!({"typ": "application/at+JWT"}), json!({"kid": null})]
    {
        let token = ec.token_with(&but(ec.header(), header.clone()), &claims());
        assert_eq!(world.status(&token).await, StatusCode::ACCEPTED, "{header}");
    }
    // Passwords stay what they were.
    let posted = world.mediator.client.post(format!("{}{CLAIM}", world.mediator.url)).body(sample_claim());
    let posted = posted.basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD)).header("content-type", "application/json");
    assert_eq!(posted.send().await.expect("an answer").status(), StatusCode::ACCEPTED);
}

/// The ways of RFC 8725 and of the libraries' histories.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_whatever_is_wrong_with_it() {
    let (ec, rsa, stranger) = (Signer::ec("ec"), Signer::rsa("rsa"), Signer::ec("ec"));
    let dir = tempfile::tempdir().expect("a folder");
    let of = |name: &str, signers: &[&Signer]| in_file(&dir, name, &jwks(signers));
    let (own, others) = (of("own.json", &[&ec, &rsa]), of("others.json", &[&stranger]));
    let issuers = format!(
        r#"[{{name = "id", issuer = "{ISSUER}", audience = "{AUDIENCE}", jwks_file = "{own}"}},
            {{name = "else", issuer = "https://else.example.org", audience = "{AUDIENCE}", jwks_file = "{others}"}}]"#
    );
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]},
                      {name = "else", issuer = "else", subject = "hospital", scopes = ["feedback"]}]"#;
    let world = World::start(r#"jwks_file = "unused""#, clients, &[("tokens.issuers", &issuers)], dir).await;
    assert_eq!(world.status(&ec.token(&claims())).await, StatusCode::ACCEPTED, "else nothing would be shown here");
    let before = world.mediator.messages().await.len();

    let with = |header: Value| ec.token_with(&but(ec.header(), header), &claims());
    let saying = |changes: Value| ec.token(&but(claims(), changes));
    let unsigned = |alg: &str| format!("{}.", message(&json!({"alg": alg, "typ": "JWT", "kid": "ec"}), &claims()));
    let by_secret = |secret: &[u8], kid: &str| {
        let message = message(&json!({"alg": "HS256", "typ": "JWT", "kid": kid}), &claims());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", encoded(tag.as_ref()))
    };
    let good = ec.token(&claims());
    let (signed, signature) = good.rsplit_once('.').expect("a token");
    let richer = message(&ec.header(), &but(claims(), json!({"sub": "other"})));
    let in_asn1 = encoded(&ec.sign_in_asn1(signed.as_bytes()));
    let public = jwks(&[&rsa]).to_string();
    for (what, token, says) in [
        ("no token", "token".to_owned(), "no JSON Web Token"),
        ("unsigned", unsigned("none"), "no JSON Web Token"),
        ("unsigned, otherwise spelled", unsigned("None"), "no JSON Web Token"),
        ("without its signature", format!("{signed}."), "signature is wrong"),
        ("public key as a secret", by_secret(public.as_bytes(), "rsa"), "no JSON Web Token"),
        ("no secret", by_secret(b"", "ec"), "no JSON Web Token"),
        ("RSA's name on an elliptic key", with(json!({"alg": "RS256"})), "a key that its issuer has not"),
        ("RSA's name and key, elliptic signature", with(json!({"alg": "RS256", "kid": "rsa"})), "signature is wrong"),
        ("another hash", with(json!({"alg": "RS512"})), "no JSON Web Token"),
        ("signature as in certificates", format!("{signed}.{in_asn1}"), "signature is wrong"),
        ("signature of nought", format!("{signed}.{}", encoded(&[0; 64])), "signature is wrong"),
        ("another's claims", format!("{richer}.{signature}"), "signature is wrong"),
        ("cut", good[..good.len() - 2].to_owned(), "signature is wrong"),
        ("four parts", format!("{good}.{signature}"), "no JSON Web Token"),
        ("a key that nobody has", with(json!({"kid": "unknown"})), "a key that its issuer has not"),
        ("a key that is a path", with(json!({"kid": "../../etc/passwd"})), "a key that its issuer has not"),
        ("a stranger's key of the same name", stranger.token(&claims()), "signature is wrong"),
        (
            "its own key along",
            stranger.token_with(&but(ec.header(), json!({"jwk": stranger.jwk()})), &claims()),
            "signature is wrong",
        ),
        (
            "its own keys' address along",
            stranger.token_with(&but(ec.header(), json!({"jku": "https://evil.example.org/"})), &claims()),
            "signature is wrong",
        ),
        (
            "an issuer's key for another's claims",
            stranger.token(&but(claims(), json!({"iss": ISSUER}))),
            "signature is wrong",
        ),
        (
            "an issuer that nobody knows",
            saying(json!({"iss": "https://evil.example.org"})),
            "not one that the mediator trusts",
        ),
        ("nearly the issuer", saying(json!({"iss": format!("{ISSUER}/")})), "not one that the mediator trusts"),
        (
            "two issuers",
            saying(json!({"iss": [ISSUER, "https://else.example.org"]})),
            "not one that the mediator trusts",
        ),
        ("no issuer", saying(json!({"iss": null})), "not one that the mediator trusts"),
        ("for somebody else", saying(json!({"aud": "another-mediator"})), "for somebody else"),
        ("for nobody", saying(json!({"aud": null})), "lacks exp, iss or aud"),
        ("for an empty list", saying(json!({"aud": []})), "for somebody else"),
        ("expired", saying(json!({"exp": from_now(-31)})), "has expired"),
        ("expired long ago", saying(json!({"exp": 1})), "has expired"),
        ("for ever", saying(json!({"exp": null})), "lacks exp, iss or aud"),
        ("until a text", saying(json!({"exp": "4102444800"})), "lacks exp, iss or aud"),
        ("until before 1970", saying(json!({"exp": -1})), "lacks exp, iss or aud"),
        ("not yet", saying(json!({"nbf": from_now(60)})), "not valid yet"),
        ("not before a text", saying(json!({"nbf": "now"})), "no time"),
        ("no client", saying(json!({"sub": null})), "does not say which client"),
        ("a client that is a number", saying(json!({"sub": 7})), "does not say which client"),
        ("something critical", with(json!({"crit": ["exp"], "exp": 1})), "extension"),
        ("nothing critical", with(json!({"crit": []})), "extension"),
        ("not encoded", with(json!({"b64": false, "crit": ["b64"]})), "extension"),
        ("the end of a session", with(json!({"typ": "logout+jwt"})), "type is not JWT"),
        ("too long", saying(json!({"more": "x".repeat(16 << 10)})), "too long"),
    ] {
        let refused = world.post(&token).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{what}");
        let challenge = refused.headers()["www-authenticate"].to_str().expect("text").to_owned();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains(r#"error="invalid_token""#),
            "{what}: {challenge}"
        );
        let (code, text) = issue(refused).await;
        assert!(code == "login" && text.contains(says), "{what}: {code}: {text}");
    }
    // The name of a key says nothing if there are two for the algorithm.
    let second = Signer::ec("second");
    let several = tempfile::tempdir().expect("a folder");
    let keys = format!(r#"jwks_file = "{}""#, in_file(&several, "keys.json", &jwks(&[&ec, &second])));
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]}]"#;
    let of_several = World::start(&keys, clients, &[], several).await;
    let refused = of_several.post(&with(json!({"kid": null}))).await;
    assert!(refused.status() == StatusCode::UNAUTHORIZED && issue(refused).await.1.contains("names no key"));
    assert_eq!(of_several.status(&good).await, StatusCode::ACCEPTED);

    assert_eq!(world.mediator.messages().await.len(), before, "whoever was refused left nothing behind");
    // The same subject of the other issuer is another client.
    let of_other = stranger.token(&but(claims(), json!({"iss": "https://else.example.org"})));
    assert_eq!(world.status(&of_other).await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_token_of_nobody_is_forbidden_and_a_claim_of_ones_own_can_name_the_client() {
    let ec = Signer::ec("ec");
    let world = world_of(&ec).await;
    let refused = world.post(&ec.token(&but(claims(), json!({"sub": "another hospital"})))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let (code, text) = issue(refused).await;
    assert!(code == "forbidden" && !text.contains("hospital"), "{text}");
    // Who shows nothing is told both ways.
    let nothing = world.mediator.client.post(format!("{}{CLAIM}", world.mediator.url)).send().await.expect("an answer");
    let ways: Vec<_> =
        nothing.headers().get_all("www-authenticate").iter().map(|way| way.to_str().expect("text")).collect();
    assert!(
        ways.len() == 2 && ways[0].starts_with("Basic ") && ways[1] == r#"Bearer realm="openimis-mediator""#,
        "{ways:?}"
    );

    let dir = tempfile::tempdir().expect("a folder");
    let file = in_file(&dir, "keys.json", &jwks(&[&ec]));
    let keys = format!(r#"client_claim = "azp", jwks_file = "{file}""#);
    let clients = r#"[{name = "patan", issuer = "id", subject = "bahmni", scopes = ["claim-response"]}]"#;
    let world = World::start(&keys, clients, &[], dir).await;
    let token = ec.token(&but(claims(), json!({"azp": "bahmni"})));
    assert_eq!(world.status(&token).await, StatusCode::ACCEPTED);
    assert_eq!(world.status(&ec.token(&claims())).await, StatusCode::UNAUTHORIZED, "its sub is not asked for");
}

/// Signed in the year 2026 with a key of 1024 bits, good until 2100.
const OF_A_SMALL_KEY: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IndlYWsifQ.",
    "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjoib3BlbmltaXMtbWVkaWF0b3IiLCJzdWIiOiJob3NwaXRhbCIsImV4cCI6NDEwMjQ0NDgwMH0.",
    "qrxeVFxBAs0miKjAEKp1TfLOdwHNGMYGfUZnMoqkB22sRKwwUvH8iOAQFVB9a9P6aosArHxDFIYNIA0F9hPAzj20oQdJ92lqO1Zh9cQjGCzoHdV28PBpJ",
    "mimCYi8LtmRYagEbPhEwkWW4bf48Zs6Y6d-6yUsPUcB30Gs4Ib8R7s"
);
const SMALL_MODULUS: &str = concat!(
    "0W7KEl1_NFUJ3w8nrDX0peqh24YqDlcCLqlB6477YYNij7Won4jWdGd6cN9yM0q10guAH4lTyvqmyZtCzpkO0mHe5jrwh-xZlG39C8mlYuynGBg6HqKY2",
    "WAzuRUpFLV-x73VRmTp_KrHaNwr4kW1Lma1skhaSxd1-1kk39iZsT8"
);

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_too_weak_or_for_something_else_verify_nothing() {
    let ec = Signer::ec("ec");
    let weak = json!({"kty": "RSA", "n": SMALL_MODULUS, "e": "AQAB", "kid": "weak"});
    let (for_secrets, of_another_kind) =
        (but(ec.jwk(), json!({"use": "enc", "kid": "enc"})), but(ec.jwk(), json!({"alg": "ES384", "kid": "es384"})));
    let to_sign = but(ec.jwk(), json!({"key_ops": ["sign"], "use": null, "kid": "ops"}));
    let short = but(ec.jwk(), json!({"x": "AAAA", "kid": "short"}));
    let padded = but(ec.jwk(), json!({"kid": "unknown-kind", "kty": "new"}));
    let strange = json!({"kty": "RSA", "n": 7, "x5c": "no list", "kid": 1});
    let set =
        json!({"keys": [strange, "no key", weak, for_secrets, of_another_kind, to_sign, short, padded, ec.jwk()]});
    let dir = tempfile::tempdir().expect("a folder");
    let keys = format!(r#"jwks_file = "{}""#, in_file(&dir, "keys.json", &set));
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]}]"#;
    let world = World::start(&keys, clients, &[], dir).await;
    assert_eq!(world.status(&ec.token(&claims())).await, StatusCode::ACCEPTED);
    let by = |kid: &str| ec.token_with(&but(ec.header(), json!({"kid": kid})), &claims());
    let tokens = [OF_A_SMALL_KEY.to_owned(), by("enc"), by("es384"), by("ops"), by("short"), by("unknown-kind")];
    for token in tokens {
        let refused = world.post(&token).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{token}");
        assert!(issue(refused).await.1.contains("a key that its issuer has not"), "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_refused_tokens_and_holds_nothing_of_them() {
    let (ec, dir) = (Signer::ec("key-called-secretly"), tempfile::tempdir().expect("a folder"));
    let file = in_file(&dir, "keys.json", &jwks(&[&ec]));
    let issuers = format!(r#"[{{name = "id", issuer = "{ISSUER}", audience = "{AUDIENCE}", jwks_file = "{file}"}}]"#);
    let clients = r#"[{name = "patan", issuer = "id", subject = "hospital", scopes = ["claim-response"]}]"#;
    let sandbox = sandbox().await;
    let changes = [("tokens.issuers", issuers.as_str()), ("clients", clients), ("log.level", "debug")];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    let good = ec.token(&but(claims(), json!({"email": "doctor@example.org"})));
    let nobodys = ec.token(&but(claims(), json!({"sub": "subject-that-is-nobody"})));
    let expired = ec.token(&but(claims(), json!({"exp": 1, "sub": "subject-that-is-late"})));
    for token in [&good, &nobodys, &expired] {
        let client = reqwest::Client::new();
        let request = client.post(format!("{}{CLAIM}", process.url)).bearer_auth(token).body(sample_claim());
        request.header("content-type", "application/json").send().await.expect("an answer");
    }
    let told = |log: &str| log.matches("a token that does not count").count();
    eventually("both refusals are told", || async { (told(&process.log()) == 2).then_some(()) }).await;
    let (_, log) = process.terminate().await;
    let parts: Vec<&str> = [&good, &nobodys, &expired].iter().flat_map(|token| token.split('.')).collect();
    for never in ["subject-that", "doctor@", "key-called-secretly", "Bearer "].iter().chain(&parts) {
        assert!(!log.contains(never), "{never}:\n{log}");
    }
}
