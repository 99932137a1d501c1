//! What AWS requests are: service models, wire protocols, signatures, session tokens, faults, the AWS door.
//!
//! No service logic and no storage. Modules in suggested reading order:

pub mod credentials;
pub mod door;
pub mod eks_token;
pub mod fault;
pub mod model;
pub mod protocol;
pub mod route;
pub mod session_token;
pub mod sigv4;
pub mod validate;
