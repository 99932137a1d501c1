//! The AWS part of COVERAGE.md, made from the tables and the models.
//!
//! Which parameters an operation refuses is found by asking it: each call holds one parameter of the model and one
//! that nobody knows, and the refusal names the first that the operation does not honour. So no call gets to work.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cove_aws_wire::model::{Model, OperationModel, model};
use serde_json::{Value, json};

use crate::operation::{Cx, Operation, Permission, Service};
use crate::services;
use crate::testing::Bench;

#[path = "../../../tests/coverage/section.rs"]
mod section;

/// A parameter that no model has.
const UNKNOWN: &str = "CoveCoverageProbe";

/// Whether a refusal is that of `parameter`.
fn names(message: &str, parameter: &str) -> bool {
    message.contains(&format!("does not support the parameter {parameter} of"))
}

/// The parameters of the model that an operation refuses by name.
async fn refused(cx: &Cx, operation: &'static Operation, model: &OperationModel, of: &Model) -> Vec<String> {
    let members = model.input.map(|input| of.members(input)).unwrap_or_default();
    let mut refused = Vec::new();
    let own = members.iter().map(|m| m.name.clone()).chain([String::new()]);
    for name in own {
        let mut input = serde_json::Map::new();
        if !name.is_empty() {
            input.insert(name.clone(), Value::Null);
        }
        input.insert(UNKNOWN.into(), Value::Null);
        let reply = (operation.run)(cx.clone(), input.into()).await;
        let message = reply.err().map(|fault| fault.message).unwrap_or_default();
        assert!(
            !name.is_empty() || names(&message, UNKNOWN),
            "{} ignores what it does not know: {message}",
            operation.name
        );
        if !name.is_empty() && names(&message, &name) {
            refused.push(name);
        }
    }
    refused
}

fn needs(permissions: &[Permission]) -> String {
    // Several rows may ask for one action on different resources.
    let mut actions: BTreeMap<&str, &str> = BTreeMap::new();
    for permission in permissions {
        let only_if = actions.entry(permission.action).or_insert(permission.only_if);
        if permission.only_if.is_empty() {
            *only_if = "";
        }
    }
    let text = |(action, only_if): (&&str, &&str)| match *only_if {
        "" => (*action).to_string(),
        member => format!("{action} (with {member})"),
    };
    let all: Vec<String> = actions.iter().map(text).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

async fn part(cx: Cx, service: &'static Service) -> String {
    let model = model(service.name).expect("a model");
    let row = |name: &str| service.operations.iter().find(|o| o.name == name);
    let all = model.operations().count();
    let mut text = String::new();
    let _ = writeln!(text, "\n### {}: {} of {all} operations work\n", service.name, service.operations.len());
    let _ = writeln!(text, "| operation | IAM actions that it takes | parameters refused by name |\n|---|---|---|");
    for operation in model.operations() {
        let Some(row) = row(&operation.name) else { continue };
        let refused = refused(&cx, row, operation, model).await;
        let _ = writeln!(text, "| {} | {} | {} |", operation.name, needs(row.permissions), refused.join(", "));
    }
    let others: Vec<&str> = model.operations().map(|o| o.name.as_str()).filter(|name| row(name).is_none()).collect();
    let _ = writeln!(text, "\n<details><summary>Refused by name: {}</summary>\n", others.len());
    let _ = writeln!(text, "{}\n\n</details>", wrapped(others));
    text
}

/// Words with commas between, in lines of at most 118 characters.
fn wrapped<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in words {
        if width > 0 {
            text.push(',');
            let fits = width + word.len() + 3 <= 118;
            text.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 2 } else { 0 };
        }
        text.push_str(word);
        width += word.len();
    }
    text
}

#[test]
fn coverage() {
    let bench = Bench::new();
    let mut text = String::new();
    for service in services() {
        let cx = bench.cx.clone();
        text.push_str(&bench.run(async move { part(cx, service).await }));
    }
    section::check("aws", &text);
}

#[test]
fn probes_tell_refused_from_honoured() {
    let bench = Bench::new();
    let fault = bench.err("ec2", "RunInstances", json!({"KernelId": null}));
    assert!(names(&fault, "KernelId"), "{fault}");
    assert!(!names(&fault, "Kernel"), "{fault}");
}
