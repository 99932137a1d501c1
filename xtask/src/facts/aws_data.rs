//! Carries AWS's public facts (instance types, zones, images, managed policies) into `crates/cove-aws/data`.
//!
//! The input folder holds the CSV files and policy documents that the header line of each names; the output is the
//! columns that Cove reads, as gzip-compressed tab-separated text whose first line names the source.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

const OUT: &str = "crates/cove-aws/data";

/// One table: file, columns to keep, and the rows to keep as (column, value); empty means all.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    only: &'static [(&'static str, &'static str)],
}

const TABLES: &[Table] = &[
    Table { name: "regions", columns: &["region", "opt_in"], only: &[("partition", "aws")] },
    Table { name: "zones", columns: &["region", "zone_name", "zone_id"], only: &[("zone_type", "availability-zone")] },
    Table { name: "instance-offerings", columns: &["name", "regions"], only: &[] },
    Table {
        name: "ami-releases",
        columns: &["tag", "kubernetes", "release_version", "containerd", "ami_name_prefixes"],
        only: &[],
    },
    Table {
        name: "instance-types",
        columns: &[
            "name",
            "current_gen",
            "vcpu",
            "cores",
            "threads_per_core",
            "memory_mib",
            "arch",
            "cpu_vendor",
            "cpu_ghz",
            "gpus",
            "gpu_model",
            "gpu_vendor",
            "gpu_mem_mib_each",
            "accelerators",
            "accel_model",
            "local_nvme_gb",
            "local_disks",
            "net_perf",
            "net_baseline_gbps",
            "net_peak_gbps",
            "net_cards",
            "max_enis",
            "max_enis_default_card",
            "ipv4_per_eni",
            "ipv6_per_eni",
            "efa",
            "hypervisor",
            "bare_metal",
            "burstable",
            "max_ebs_volumes",
            "ebs_limit_type",
            "ebs_cards",
            "ebs_baseline_mbps",
            "ebs_max_mbps",
            "ebs_baseline_iops",
            "ebs_max_iops",
            "usage",
            "free_tier",
            "hibernation",
        ],
        only: &[],
    },
];

/// Writes all files.
pub fn write(from: &Path) -> anyhow::Result<()> {
    for table in TABLES {
        let text = fs::read_to_string(from.join(format!("{}.csv", table.name))).context(table.name)?;
        pack(&format!("{}.tsv.gz", table.name), &tsv(table, &text)?)?;
    }
    pack("managed-policies.jsonl.gz", &policies(from)?)
}

fn tsv(table: &Table, text: &str) -> anyhow::Result<String> {
    let source = text.lines().next().unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let index = |column: &str| header.iter().position(|h| h == column).with_context(|| format!("no column {column}"));
    let columns = table.columns.iter().map(|c| index(c)).collect::<anyhow::Result<Vec<_>>>()?;
    let only = table.only.iter().map(|(c, v)| Ok((index(c)?, *v))).collect::<anyhow::Result<Vec<_>>>()?;
    let mut out = format!("{source}\n{}\n", table.columns.join("\t"));
    for record in reader.records() {
        let record = record?;
        let cell = |i: usize| record.get(i).unwrap_or_default();
        if only.iter().all(|(i, value)| cell(*i) == *value) {
            out.push_str(&columns.iter().map(|i| cell(*i)).collect::<Vec<_>>().join("\t"));
            out.push('\n');
        }
    }
    Ok(out)
}

fn policies(from: &Path) -> anyhow::Result<String> {
    let folder = from.join("iam-managed-policies");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(folder.join("index.csv"))?;
    let mut out = String::new();
    for record in reader.records() {
        let record = record?;
        let cell = |i: usize| record.get(i).unwrap_or_default();
        let path = folder.join(format!("{}.json", cell(0)));
        let Ok(document) = fs::read_to_string(&path) else { continue };
        let document: Value = serde_json::from_str(&document)?;
        let row = json!({
            "name": cell(0),
            "path": cell(2),
            "version": cell(3),
            "created": seconds(cell(4))?,
            "updated": seconds(cell(5))?,
            "document": document.to_string(),
        });
        out.push_str(&row.to_string());
        out.push('\n');
    }
    Ok(out)
}

/// Seconds since the epoch of a date such as `2018-05-27` (proleptic Gregorian, days from civil).
fn seconds(date: &str) -> anyhow::Result<i64> {
    let parts: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>().context("a date")?;
    let [year, month, day] = parts[..] else { anyhow::bail!("not a date: {date}") };
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Ok((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) * 86_400)
}

fn pack(name: &str, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(OUT)?;
    let file = fs::File::create(Path::new(OUT).join(name))?;
    let mut gz = GzBuilder::new().mtime(0).write(file, Compression::best());
    gz.write_all(text.as_bytes())?;
    gz.finish()?;
    Ok(())
}
