//! The wire protocols: HTTP bytes to input values, output values and faults to HTTP bytes, by the service's model.
//!
//! Values carry the model's member names, timestamps as seconds, blobs as base64 text. Modules in suggested reading
//! order:

pub mod ec2;
pub mod form;
pub mod http;
pub mod json;
pub mod query;
pub mod rest_json;
pub mod scalar;
pub mod wire;
pub mod xml;

pub use http::{HttpReply, HttpRequest};
pub use wire::{parse, reply, reply_fault};
