//! Rooms import only rooms of lower layers (design section 2), read from the manifests.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::Breach;

/// The layer of each room. Rooms of one layer never import each other.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["cove-base"]),
    (1, &["cove-store", "cove-kube-api", "cove-aws-wire", "cove-policy"]),
    (2, &["cove-kube-server", "cove-kube-client"]),
    (3, &["cove-controllers", "cove-scheduler", "cove-nodes", "cove-machines", "cove-aws"]),
    (4, &["cove-cloud"]),
    (5, &["cove-region"]),
    (7, &["cove"]),
];

/// What a room must not import although it lies lower: everything else speaks through the doors.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("cove-kube-client", &["cove-store"]),
    ("cove-controllers", &["cove-store", "cove-kube-server", "cove-aws-wire"]),
    ("cove-scheduler", &["cove-store", "cove-kube-server", "cove-aws-wire"]),
    ("cove-nodes", &["cove-store", "cove-kube-server", "cove-aws-wire"]),
    ("cove-machines", &["cove-store", "cove-kube-api", "cove-kube-server", "cove-kube-client", "cove-aws-wire"]),
    ("cove-aws", &["cove-kube-api", "cove-kube-server", "cove-kube-client"]),
    ("cove-cloud", &["cove-store", "cove-kube-server", "cove-aws"]),
];

/// Checks every manifest.
pub fn check(root: &Path) -> Result<Vec<Breach>> {
    let layers: BTreeMap<&str, u8> =
        LAYERS.iter().flat_map(|(layer, rooms)| rooms.iter().map(move |room| (*room, *layer))).collect();
    let mut breaches = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let room = folder.file_name().and_then(|n| n.to_str()).context("a room's name")?.to_string();
        let file = format!("crates/{room}/Cargo.toml");
        let text = std::fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
        let Some(layer) = layers.get(room.as_str()) else {
            let what = "is in no layer: give it one in xtask/src/tidy/rooms.rs and in ARCHITECTURE.md".into();
            breaches.push(Breach { file, what });
            continue;
        };
        for import in imports(&text) {
            let forbidden = FORBIDDEN.iter().any(|(r, list)| *r == room && list.contains(&import.as_str()));
            if forbidden || layers.get(import.as_str()).is_none_or(|other| other >= layer) {
                let what = format!("must not import {import}: define a port and let cove-region fill it");
                breaches.push(Breach { file: file.clone(), what });
            }
        }
    }
    Ok(breaches)
}

/// Our own rooms among a manifest's dependencies; those of tests may be anything.
fn imports(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|l| l.split(['.', ' ', '=']).next());
    names.filter(|n| n.starts_with("cove-")).map(str::to_string).collect()
}
