//! How a machine becomes a node: user data, role credentials, a token, registration (design section 6).

mod guest;
mod user_data;

pub use guest::{ApiServers, MachineFacts, NodeBootstrap, NodeFacts, NodePower, RoleCredentials};
pub use user_data::{NodeConfig, OsFamily, Taint, UserDataError, parse};
