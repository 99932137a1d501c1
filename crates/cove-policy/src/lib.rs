//! The IAM policy language: documents parsed and refused in AWS's words, evaluated with the statement that decided.
//!
//! Pure: no clock, no store. The AWS door evaluates identity policies with it, STS trust policies, IAM checks documents
//! when they are written. Modules in suggested reading order:

pub mod condition;
pub mod context;
pub mod document;
pub mod evaluate;
pub mod pattern;
pub mod trust;

pub use context::Context;
pub use document::{Document, Kind, Malformed};
pub use evaluate::{Decision, Denial, Policies, PolicyType, Request, authorize};
