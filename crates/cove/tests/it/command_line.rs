//! The command line by itself: what people see, and what they do wrong.

use std::process::Command;

use crate::clients;
use crate::region::{COVE, Region};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_region_commands_say_how_to_start_one() {
    let dir = tempfile::tempdir().expect("a directory");
    for command in [&["status"][..], &["env"], &["get", "cluster"], &["down"]] {
        let output = Command::new(COVE).args(command).env("COVE_DATA_DIR", dir.path()).output().expect("cove runs");
        assert!(!output.status.success(), "{command:?}");
        assert!(text(&output.stderr).contains("cove up --detach"), "{command:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_second_region_on_the_same_data_is_refused() {
    let region = Region::up(&[]);
    let second = region.cove(&["up", "--port", "0"]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("is running"), "{}", text(&second.stderr));
    assert!(region.cove(&["status"]).status.success(), "the first region goes on");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(COVE).args(["up", "--port", &port]).env("COVE_DATA_DIR", dir.path()).output();
    let complaint = text(&output.expect("cove runs").stderr);
    assert!(complaint.contains(&port) && complaint.contains("--port"), "{complaint}");
}

#[test]
fn a_killed_region_comes_back_as_it_was() {
    let Some(found) = clients::require("a_killed_region_comes_back_as_it_was", &["kubectl-1.33"]) else { return };
    let flags = &["--drain-timeout", "1s"];
    let mut region = Region::up(flags);
    assert!(region.cove(&["create", "cluster", "--name", "c", "--nodes", "2"]).status.success());
    let kubectl = |region: &Region, arguments: &[&str]| {
        let output = Command::new(&found[0]).args(arguments).envs(region.environment()).output().expect("kubectl runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    kubectl(&region, &["create", "deployment", "web", "--image=nginx", "--replicas=3"]);
    kubectl(&region, &["rollout", "status", "deployment/web", "--timeout=60s"]);
    let pods = |region: &Region| {
        kubectl(region, &["get", "pods", "-o", "jsonpath={.items[*].metadata.uid} {.items[*].status.podIP}"])
    };
    let nodes = |region: &Region| kubectl(region, &["get", "nodes", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let before = (nodes(&region), pods(&region));
    region.kill_and_restart(flags);
    kubectl(&region, &["wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s"]);
    assert_eq!((nodes(&region), pods(&region)), before);
    kubectl(&region, &["scale", "deployment/web", "--replicas=4"]);
    kubectl(&region, &["rollout", "status", "deployment/web", "--timeout=60s"]);
}

#[test]
fn the_demo_shows_a_region_and_leaves_nothing() {
    let output = Command::new(COVE).arg("demo").output().expect("cove runs");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    for zone in ["us-west-2a", "us-west-2b", "us-west-2c"] {
        assert!(said.contains(&format!("─ {zone} ")), "{said}");
    }
    assert!(said.contains("web") && said.contains("▸ app") && said.contains("▸ batch"), "{said}");
    assert!(said.contains("nothing of it is left"), "{said}");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = std::process::Command::new(crate::region::COVE).arg("version").stdout(writer).output().expect("runs");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", text(&ended.stderr));
}
