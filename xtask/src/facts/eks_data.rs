//! The tables that the EKS service carries: versions and AMI types.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// One table: source file, output file, header, and the columns with what stands in for an empty cell.
struct Table {
    source: &'static str,
    output: &'static str,
    header: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const TABLES: &[Table] = &[
    Table {
        source: "eks-versions.csv",
        output: "eks-versions.tsv",
        header: "EKS Kubernetes versions: version, EKS release, end of standard support, end of extended support, platform \
                 version, patch. From the EKS user guide; made by `cargo xtask facts eks`.",
        columns: &[
            ("version", ""),
            ("eks_release", ""),
            ("end_standard", ""),
            ("end_extended", ""),
            ("platform_version", ""),
            ("platform_patch", "distro_kubernetes"),
        ],
    },
    Table {
        source: "ami.csv",
        output: "eks-ami-types.tsv",
        header: "AMI types of managed node groups: type, architecture, family, newest Kubernetes \
                 version. From eksctl, Karpenter and the EKS model; made by `cargo xtask facts eks`.",
        columns: &[("ami_type", ""), ("arch", ""), ("family", ""), ("max_k8s", "")],
    },
];

/// Writes the tables from the facts in `folder`.
pub fn write(folder: &Path) -> Result<()> {
    for table in TABLES {
        let output = Path::new("crates/cove-aws/data").join(table.output);
        fs::write(&output, table_text(table, folder)?).with_context(|| format!("writing {}", output.display()))?;
    }
    Ok(())
}

fn table_text(table: &Table, folder: &Path) -> Result<String> {
    let source = folder.join(table.source);
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path(&source)
        .with_context(|| format!("reading {}", source.display()))?;
    let headers = reader.headers()?.clone();
    let place = |name: &str| headers.iter().position(|h| h == name);
    let mut text = format!("# {}\n", table.header);
    for record in reader.records() {
        let record = record?;
        let cell = |name: &str| place(name).and_then(|at| record.get(at)).unwrap_or_default();
        let cells: Vec<&str> = table
            .columns
            .iter()
            .map(|(name, other)| if cell(name).is_empty() { cell(other).trim_start_matches('v') } else { cell(name) })
            .collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    Ok(text)
}
