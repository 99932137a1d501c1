//! The acceptance script of the spine (`tests/spine/spine.sh`) with each supported kubectl.

use std::path::Path;
use std::process::Command;

use crate::clients;
use crate::region::{COVE, Region};

/// Runs the whole script against a region of its own.
fn run(test: &str, kubectl: &str, settings: &[(&str, &str)]) {
    let Some(found) = clients::require(test, &[kubectl, "helm-3", "aws"]) else { return };
    let region = Region::up(&["--nodes", "simulated", "--drain-timeout", "5s"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/spine/spine.sh");
    let output = Command::new("bash")
        .arg(script)
        .env("COVE", COVE)
        .env("COVE_DATA_DIR", region.path())
        .env("KUBECTL", &found[0])
        .env("HELM", &found[1])
        .env("HOME", region.dir.path())
        .envs(settings.iter().copied())
        .output()
        .expect("the script runs");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("spine: passed\n"), "{said}\n-- stderr --\n{complained}");
}

#[test]
fn the_spine_with_kubectl_1_31() {
    run("the_spine_with_kubectl_1_31", "kubectl-1.31", &[]);
}

#[test]
fn the_spine_with_kubectl_1_33() {
    run("the_spine_with_kubectl_1_33", "kubectl-1.33", &[("VERSION", "1.32"), ("AMI_TYPE", "AL2_x86_64")]);
}

#[test]
fn the_spine_with_kubectl_1_35() {
    run("the_spine_with_kubectl_1_35", "kubectl-1.35", &[]);
}
