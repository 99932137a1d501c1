//! Controllers that are clients of both doors: how a node joins, who a token is, what the cloud knows of a node, and
//! what a new EKS cluster holds. The stock program may replace each.
//!
//! Modules in suggested reading order:

pub mod authenticator;
pub mod bootstrap;
pub mod eks_objects;
pub mod nodes;
pub mod versions;
