//! A store that cannot be used: what is told, and that nothing is made or given away.


#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_told_and_not_made() {
    let dir = folder();
    for args in [&["messages", "list"][..], &["messages", "show", "1"], &["messages", "retry", "1"]] {
        let ran = run(args, "", &Env::new(), &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty(), "{args:?} {ran}");
        assert!(
            ran.err.contains("mediator.db") && ran.err.contains("store.path"),
            "what is missing and which key names it: {ran}"
        );
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}
