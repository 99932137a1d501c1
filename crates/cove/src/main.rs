//! Cove: a managed-Kubernetes cloud in one binary.
fn main() {}
