//! Headers: those of a browser that comes for another site's page, and those of every answer.

use mediator_tests::running::sample_claim;

use crate::answers::read;
use crate::server::{CLAIM, CREDENTIALS, FEEDBACK, On, World};

pub async fn a_page_of_another_site_is_refused(on: On) {
    let world = World::start(on, &[]).await;
    for (site, expected) in [("cross-site", 403), ("same-site", 403), ("same-origin", 202), ("none", 202)] {
        let request = world.client.post(format!("{}{CLAIM}", world.url)).header("sec-fetch-site", site);
        let request = request.basic_auth(CREDENTIALS.0, Some(CREDENTIALS.1)).header("content-type", "application/json");
        let answer = request.body(sample_claim()).send().await.expect("an answer");
        assert_eq!(read(answer).await.0.as_u16(), expected, "{site}");
    }
}

pub async fn every_answer_carries_the_same_headers(on: On) {
    let world = World::start(on, &[]).await;
    let answers = [
        world.get("/health/live").await,
        world.get("/health/ready").await,
        world.get("/nowhere").await,
        world.post(CLAIM, sample_claim()).await,
        world.post(FEEDBACK, "{").await,
        world.client.head(format!("{}/health/live", world.url)).send().await.expect("an answer"),
    ];
    for answer in answers {
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ] {
            let found = answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(found, Some(value), "{name} of {}", answer.url());
        }
    }
}
