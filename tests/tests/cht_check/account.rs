//! The connection, the user and what it may do.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_cht_that_cannot_be_asked_is_one_finding_with_what_to_do() {
    let (sandbox, dir) = world().await;
    let refused = check(&sandbox, &dir, &[("cht.password", "wrong")]).await;
    assert_eq!(wrong(&refused), [(Level::Error, "credentials")]);
    let nobody = check(&sandbox, &dir, &[("cht.url", "http://127.0.0.1:9")]).await;
    assert_eq!(wrong(&nobody), [(Level::Error, "connection")]);
    sandbox.cht.fail_next(1, Fault::Html);
    let proxy = check(&sandbox, &dir, &[]).await;
    assert_eq!(wrong(&proxy), [(Level::Error, "settings")]);
    sandbox.cht.fail_next(1, Fault::Status(503));
    let down = check(&sandbox, &dir, &[]).await;
    assert_eq!(wrong(&down), [(Level::Error, "settings")]);
    let told = format!("{refused:?}{nobody:?}{proxy:?}{down:?}");
    assert!(!told.contains("wrong\"") && !told.contains("sandbox-cht"), "a password is told: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_that_is_lacking_is_told_with_who_has_it() {
    for (permission, lacking) in [
        ("can_create_records", "permission.post-records"),
        ("can_create_people", "permission.create-people"),
        ("can_edit", "permission.create-people"),
        ("can_view_contacts", "permission.look-up-contacts"),
    ] {
        let (sandbox, dir) = world().await;
        sandbox.cht.set_settings(changed(&sandbox, &format!("/permissions/{permission}"), json!(["chw"])));
        let findings = check(&sandbox, &dir, &[]).await;
        assert_eq!(wrong(&findings), [(Level::Error, lacking)], "{permission}");
        let todo = of(&findings, lacking).todo.as_deref().expect("what to do");
        assert!(todo.contains(&format!("{permission} (now: chw)")), "{todo}");
    }
    // Who does not search needs no permission to.
    let (sandbox, dir) = world().await;
    sandbox.cht.set_settings(changed(&sandbox, "/permissions/can_view_contacts", Value::Null));
    assert_eq!(wrong(&check(&sandbox, &dir, &[("cht.match_by", "[]")]).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_too_little_or_too_much_is_told() {
    let (sandbox, dir) = world().await;
    sandbox.cht.set_roles(&["openimis_mediator"]);
    let findings = check(&sandbox, &dir, &[]).await;
    assert_eq!(of(&findings, "account.online").level, Level::Error);
    sandbox.cht.set_roles(&["chw"]);
    let findings = check(&sandbox, &dir, &[]).await;
    assert!(of(&findings, "account.online").text.contains("offline"), "{findings:#?}");
    sandbox.cht.set_roles(&["chw", "mm-online"]);
    let findings = check(&sandbox, &dir, &[]).await;
    assert_eq!(of(&findings, "account.online").level, Level::Ok, "CHT goes by mm-online");
    sandbox.cht.set_roles(&["_admin"]);
    assert_eq!(wrong(&check(&sandbox, &dir, &[]).await), [(Level::Warning, "account.roles")]);
}
