//! `messages retry`, `discard` and `prune`: what is changed, and who did it.


#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_taken_by_a_running_mediator_within_seconds() {
    let (sandbox, dir) = (sandbox().await, folder());
    let wrong_form = environment(&sandbox, &dir, &[("mapping.claim_response.form", "XX")]);
    let process = Process::serve(&wrong_form, &dir).await;
    post(&reqwest::Client::new(), &format!("{}{CLAIM}", process.url), sample_claim()).await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["dead"]);
    process.terminate().await;

    let env = environment(&sandbox, &dir, &[]);
    let _process = Process::serve(&env, &dir).await;
    let ran = run(&["messages", "retry", "1"], "", &env, &dir).await;
    assert!(ran.code == Some(0) && ran.out.contains("message 1"), "{ran}");
    eventually("it was delivered", || async { (states(&messages(&store).await) == ["delivered"]).then_some(()) }).await;
    assert_eq!(sandbox.cht.records().len(), 1);
    for (id, told) in [("1", "delivered"), ("4711", "no message 4711")] {
        let ran = run(&["messages", "retry", id], "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.err.contains(told), "{ran}");
    }
}
