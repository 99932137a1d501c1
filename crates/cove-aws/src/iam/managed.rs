//! AWS's own managed policies, from data, and the look-up of a managed policy of either kind by its ARN.
//!
//! The data is made by `cargo xtask facts aws`; its sources are named there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cove_aws_wire::fault::Fault;
use cove_base::Seed;
use serde::Deserialize;

use super::state::{Policy, PolicyVersion, key_of};
use crate::data::unpack;
use crate::operation::Cx;
use crate::records::Records;

#[derive(Deserialize)]
struct Row {
    path: String,
    name: String,
    version: String,
    created: i64,
    updated: i64,
    document: String,
}

static POLICIES: LazyLock<BTreeMap<String, Policy>> = LazyLock::new(|| {
    let text = unpack(include_bytes!("../../data/managed-policies.jsonl.gz"));
    let rows = text.lines().filter_map(|line| serde_json::from_str::<Row>(line).ok());
    rows.map(|row| (arn_of(&row), policy_of(row))).collect()
});

fn arn_of(row: &Row) -> String {
    format!("arn:aws:iam::aws:policy{}{}", row.path, row.name)
}

fn policy_of(row: Row) -> Policy {
    let version = PolicyVersion { id: row.version.clone(), document: row.document.clone(), created: row.updated };
    Policy {
        arn: arn_of(&row),
        // AWS's policies have the same id in every account; ours have it in every region.
        id: format!("ANPA{}", Seed::new(0).pick(&row.name, 0, 17, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        path: row.path,
        name: row.name,
        description: None,
        created: row.created,
        updated: row.updated,
        tags: Vec::new(),
        versions: vec![version],
        default_version: row.version,
        next_version: 0,
    }
}

/// AWS's policies by ARN.
pub fn aws_policies() -> &'static BTreeMap<String, Policy> {
    &POLICIES
}

/// A managed policy by its ARN.
pub async fn find_policy(cx: &Cx, arn: &str) -> Result<Option<Policy>, Fault> {
    find_among(&cx.global_records().await?, arn).await
}

/// A managed policy by its ARN, of AWS or among the account's own.
pub async fn find_among(own: &Records<Policy>, arn: &str) -> Result<Option<Policy>, Fault> {
    if let Some(policy) = POLICIES.get(arn) {
        return Ok(Some(policy.clone()));
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found = own.get(&key_of(name)).await?;
    Ok(found.map(|record| record.value).filter(|policy| policy.arn == arn))
}
