//! Writers of the compact tables that rooms carry, one module per topic. Run by hand when the facts change.

use std::path::Path;

mod aws_data;
mod aws_models;
mod eks_data;
mod kubernetes;

/// Writes the tables of `topic` from the facts in `folder`.
pub fn write(topic: &str, folder: &Path) -> anyhow::Result<()> {
    match topic {
        "aws" => aws_data::write(folder),
        "aws-models" => aws_models::run(folder),
        "eks" => eks_data::write(folder),
        "kubernetes" => kubernetes::write(folder),
        other => anyhow::bail!("no facts named {other:?}; known: aws, aws-models, eks, kubernetes"),
    }
}
