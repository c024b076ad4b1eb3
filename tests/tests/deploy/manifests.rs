//! The manifests fit together, and to the program: names, ports, paths, labels.

use std::collections::BTreeSet;

use flow::http_api::Route;
use serde_json::Value;

use super::{deploy, list, settings, word, yaml};
use mediator_tests::running::workspace;

#[test]
fn the_probes_ask_what_the_program_answers() {
    let config = settings::kubernetes();
    let deployment = &yaml("kubernetes/deployment.yaml")[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let port = |name: &str| {
        let port = list(&container["ports"]).find(|port| port["name"] == name).expect("a port");
        port["containerPort"].as_u64().expect("a number")
    };
    assert_eq!(port("http"), u64::from(config.listen.port()));
    assert_eq!(port("admin"), u64::from(config.admin.listen.port()));
    for (probe, route) in
        [("startupProbe", Route::Live), ("livenessProbe", Route::Live), ("readinessProbe", Route::Ready)]
    {
        let asked = &container[probe]["httpGet"];
        assert_eq!((word(&asked["path"]), word(&asked["port"])), (route.path(), "http"), "{probe}");
    }
    let grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().expect("seconds");
    assert!(grace > config.worker.drain.as_secs(), "it would be killed in the middle of its work");
    let edge = &yaml("spinkube/spinapp.yaml")[0]["spec"]["checks"];
    assert_eq!(edge["liveness"]["httpGet"]["path"], Route::Live.path());
    assert_eq!(edge["readiness"]["httpGet"]["path"], Route::Ready.path());
}

#[test]
fn what_selects_the_pods_finds_them() {
    let deployment = &yaml("kubernetes/deployment.yaml")[0];
    let labels = deployment["spec"]["template"]["metadata"]["labels"].as_object().expect("labels");
    let name = &deployment["metadata"]["name"];
    let finds = |selector: &Value, who: &str| {
        let selector = selector.as_object().unwrap_or_else(|| panic!("{who} selects nothing"));
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{who} finds no pod: {selector:?}");
    };
    finds(&deployment["spec"]["selector"]["matchLabels"], "the Deployment");
    finds(&yaml("kubernetes/pdb.yaml")[0]["spec"]["selector"]["matchLabels"], "the PodDisruptionBudget");
    finds(&yaml("kubernetes/networkpolicy.yaml")[0]["spec"]["podSelector"]["matchLabels"], "the NetworkPolicy");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let ports: BTreeSet<&str> = list(&container["ports"]).map(|port| word(&port["name"])).collect();
    for service in yaml("kubernetes/service.yaml") {
        finds(&service["spec"]["selector"], "a Service");
        for port in list(&service["spec"]["ports"]) {
            assert!(ports.contains(word(&port["targetPort"])), "{port}");
        }
    }
    let scaled = &yaml("kubernetes/hpa.yaml")[0]["spec"];
    assert_eq!(
        (&scaled["scaleTargetRef"]["name"], scaled["scaleTargetRef"]["kind"].as_str()),
        (name, Some("Deployment"))
    );
    assert!(scaled["minReplicas"].as_u64().is_some_and(|least| least >= 2), "one mediator alone is no redundancy");
    assert!(deployment["spec"].get("replicas").is_none(), "the Deployment and the autoscaler would set it in turns");
}

#[test]
fn the_mediator_reaches_its_peers_and_nothing_else() {
    let policy = &yaml("kubernetes/networkpolicy.yaml")[0]["spec"];
    assert_eq!(list(&policy["policyTypes"]).map(word).collect::<Vec<_>>(), ["Ingress", "Egress"]);
    let mut open = BTreeSet::new();
    for rule in list(&policy["egress"]) {
        // Without `to` or `ports` a rule is about all of them.
        assert!(list(&rule["to"]).count() > 0 && list(&rule["ports"]).count() > 0, "{rule}");
        for peer in list(&rule["to"]) {
            let named = ["namespaceSelector", "podSelector"].iter().any(|by| peer[by]["matchLabels"].is_object());
            let one =
                peer["ipBlock"]["cidr"].as_str().is_some_and(|cidr| cidr.ends_with("/32") || cidr.ends_with("/128"));
            assert!(named || one, "{peer}: who is that?");
        }
        open.extend(list(&rule["ports"]).filter_map(|port| port["port"].as_u64()));
    }
    let config = settings::kubernetes();
    let mut needed = BTreeSet::from([53, 5432]);
    for url in [&config.openimis.url, &config.cht.url].into_iter().flatten() {
        needed.extend(url.port_or_known_default().map(u64::from));
    }
    assert_eq!(open, needed, "what mediator.toml names is reached, and no other port is open");
}

#[test]
fn every_lock_file_is_looked_at_by_cargo_deny() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    let excluded = manifest.lines().find_map(|line| line.strip_prefix("exclude = [")).unwrap_or_default();
    let excluded: Vec<&str> = excluded.split('"').skip(1).step_by(2).collect();
    let deny = std::fs::read_to_string(workspace().join("xtask/src/deny.rs")).expect("the command");
    assert!(!excluded.is_empty(), "{manifest}");
    for folder in excluded {
        assert!(workspace().join(folder).join("Cargo.lock").is_file(), "{folder} has no lock file");
        assert!(deny.contains(&format!("\"{folder}/Cargo.toml\"")), "cargo xtask deny leaves {folder} out");
    }
}

#[test]
fn the_kustomization_holds_every_manifest_and_the_names_that_are_referred_to() {
    let kustomization = &yaml("kubernetes/kustomization.yaml")[0];
    let listed: BTreeSet<String> = list(&kustomization["resources"]).map(|name| word(name).to_owned()).collect();
    let there: BTreeSet<String> = std::fs::read_dir(deploy("kubernetes"))
        .expect("manifests")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml" && name != "secret.example.yaml")
        .collect();
    assert_eq!(listed, there);
    let made = &kustomization["configMapGenerator"][0];
    assert!(list(&made["files"]).all(|file| deploy("kubernetes").join(word(file)).is_file()));
    let pod = &yaml("kubernetes/deployment.yaml")[0]["spec"]["template"]["spec"];
    let volume = |name: &str| list(&pod["volumes"]).find(|volume| volume["name"] == name).expect("a volume").clone();
    assert_eq!(volume("config")["configMap"]["name"], made["name"]);
    let secret = &yaml("kubernetes/secret.example.yaml")[0];
    assert_eq!(volume("secrets")["secret"]["secretName"], secret["metadata"]["name"]);
    assert_eq!(secret["metadata"]["namespace"], kustomization["namespace"]);
    assert_eq!(yaml("kubernetes/namespace.yaml")[0]["metadata"]["name"], kustomization["namespace"]);
    let image = word(&pod["containers"][0]["image"]).split_once(':').expect("a version").0.to_owned();
    assert_eq!(kustomization["images"][0]["name"], image);
}

#[test]
fn the_pods_have_the_strictest_profile() {
    let pod = &yaml("kubernetes/deployment.yaml")[0]["spec"]["template"]["spec"];
    let job = &yaml("spinkube/drain.yaml")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    for pod in [pod, job] {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        for container in list(&pod["containers"]) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
            assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
        }
    }
    let volume = list(&pod["volumes"]).find(|volume| volume["name"] == "secrets").expect("secrets");
    let mode = volume["secret"]["defaultMode"].as_u64().expect("a mode");
    assert_eq!(mode & 0o007, 0, "others could read the passwords");
}

#[test]
fn the_drain_calls_the_route_of_the_edge_with_a_password_that_no_list_of_processes_shows() {
    let job = yaml("spinkube/drain.yaml");
    let container = &job[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> = list(&container["args"]).map(word).collect();
    let app = &yaml("spinkube/spinapp.yaml")[0]["metadata"]["name"];
    assert_eq!(arguments.last(), Some(&format!("http://{}/mediator/drain", word(app)).as_str()));
    assert!(arguments.iter().all(|argument| !argument.contains("user")), "{arguments:?}");
    let source = std::fs::read_to_string(deploy("../components/edge/src/app.rs")).expect("the edge");
    assert!(source.contains("\"/mediator/drain\""));
}
