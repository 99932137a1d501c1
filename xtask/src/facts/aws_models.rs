//! `cargo xtask facts aws-models --from BOTOCORE_DATA`: prunes botocore's service models (no documentation, no endpoint
//! rules) into `crates/cove-aws-wire/models/*.json.gz`, which that room reads lazily at run time.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

/// The services whose models Cove carries. `crates/cove-aws-wire/src/model.rs` lists them too.
const SERVICES: &[&str] = &["sts", "iam", "ec2", "autoscaling", "eks"];
const TARGET: &str = "crates/cove-aws-wire/models";

/// What is kept of each level of a model.
const METADATA: &[&str] =
    &["apiVersion", "endpointPrefix", "protocol", "signingName", "xmlNamespace", "targetPrefix", "jsonVersion"];
const SHAPE: &[&str] = &[
    "type",
    "members",
    "member",
    "key",
    "value",
    "required",
    "enum",
    "min",
    "max",
    "pattern",
    "flattened",
    "exception",
    "error",
    "payload",
];
const REFERENCE: &[&str] =
    &["shape", "location", "locationName", "queryName", "flattened", "idempotencyToken", "timestampFormat"];

/// Patterns with look-around, which the run-time matcher does not have; their lengths are checked all the same.
const LEFT_OUT_PATTERNS: &[&str] = &["(?!", "(?="];

/// Writes all models.
pub fn run(botocore_data: &Path) -> Result<()> {
    for service in SERVICES {
        let directory = newest_version(&botocore_data.join(service))?;
        let model = prune(service, &read_json(&directory, "service-2")?, &read_json(&directory, "paginators-1")?)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&serde_json::to_vec(&model)?)?;
        let bytes = encoder.finish()?;
        println_size(service, bytes.len());
        fs::write(Path::new(TARGET).join(format!("{service}.json.gz")), bytes)?;
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // A tool's output.
fn println_size(service: &str, bytes: usize) {
    println!("{service}: {bytes} bytes");
}

fn newest_version(directory: &Path) -> Result<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("no model at {}", directory.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    versions.sort();
    versions.pop().with_context(|| format!("{} is empty", directory.display()))
}

fn read_json(directory: &Path, name: &str) -> Result<Value> {
    let packed = directory.join(format!("{name}.json.gz"));
    if packed.exists() {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(packed)?).read_to_string(&mut text)?;
        return Ok(serde_json::from_str(&text)?);
    }
    Ok(serde_json::from_str(&fs::read_to_string(directory.join(format!("{name}.json")))?)?)
}

fn prune(service: &str, model: &Value, paginators: &Value) -> Result<Value> {
    let operations = model["operations"].as_object().context("a model has operations")?;
    let shapes = model["shapes"].as_object().context("a model has shapes")?;
    let mut metadata = keep(&model["metadata"], METADATA);
    metadata.insert("namespace".into(), metadata.get("xmlNamespace").cloned().unwrap_or_default());
    metadata.remove("xmlNamespace");
    Ok(json!({
        "source": format!("botocore service model of {service}, pruned by cargo xtask facts aws-models"),
        "name": service,
        "metadata": metadata,
        "operations": operations
            .iter()
            .map(|(name, operation)| (name.clone(), operation_of(operation, &paginators["pagination"][name])))
            .collect::<Map<_, _>>(),
        "shapes": shapes.iter().map(|(name, shape)| (name.clone(), shape_of(shape))).collect::<Map<_, _>>(),
    }))
}

fn operation_of(operation: &Value, pagination: &Value) -> Value {
    let http = &operation["http"];
    let mut kept = Map::new();
    kept.insert("method".into(), http["method"].clone());
    kept.insert("uri".into(), http["requestUri"].clone());
    let optional = [
        ("status", http["responseCode"].clone()),
        ("input", operation["input"]["shape"].clone()),
        ("output", operation["output"]["shape"].clone()),
        ("result_wrapper", operation["output"]["resultWrapper"].clone()),
        (
            "errors",
            operation["errors"].as_array().map(|e| e.iter().map(|e| e["shape"].clone()).collect::<Value>()).into(),
        ),
        ("unsigned", (operation["authtype"] == "none").then_some(true).into()),
        ("pagination", pagination_of(pagination)),
    ];
    kept.extend(optional.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_string(), v)));
    kept.into()
}

fn pagination_of(pagination: &Value) -> Value {
    if !pagination.is_object() {
        return Value::Null;
    }
    let first = |v: &Value| v.as_array().map_or_else(|| v.clone(), |a| a[0].clone());
    json!({
        "input_token": first(&pagination["input_token"]),
        "output_token": first(&pagination["output_token"]),
        "limit": first(&pagination["limit_key"]),
        "more": pagination["more_results"],
        "result": first(&pagination["result_key"]),
    })
}

fn shape_of(shape: &Value) -> Value {
    let mut kept = keep(shape, SHAPE);
    if let Some(members) = shape["members"].as_object() {
        let pruned = members.iter().map(|(name, m)| (name.clone(), keep(m, REFERENCE).into())).collect();
        kept.insert("members".into(), Value::Object(pruned));
    }
    for part in ["member", "key", "value"] {
        if shape.get(part).is_some_and(Value::is_object) {
            kept.insert(part.into(), keep(&shape[part], REFERENCE).into());
        }
    }
    let pattern = shape["pattern"].as_str().unwrap_or_default();
    if LEFT_OUT_PATTERNS.iter().any(|p| pattern.contains(p)) {
        kept.remove("pattern");
    }
    kept.into()
}

fn keep(object: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|k| object.get(k).map(|v| (k.to_string(), v.clone()))).collect()
}
