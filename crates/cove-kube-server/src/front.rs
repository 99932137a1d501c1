//! The HTTPS front: TLS, authentication, routing, content negotiation, and what is not a resource.

pub mod listen;

pub mod handler;

pub mod discovery;
pub mod encode;
pub mod negotiate;
pub mod paths;
pub mod query;
pub mod route;
pub mod shape;
pub mod streams;
pub mod watching;
