//! Kubernetes protobuf for every type of the schema table, without generated code.
//!
//! The server calls it for bodies and replies of `application/vnd.kubernetes.protobuf`. Values are canonical (see
//! [`crate::decode`]): what is decoded is, and what is encoded should be. Encoding never fails: a member that does not have
//! the table's form is written as if it were not set. Decoding never panics and bounds depth and size.

mod decode;
mod encode;
mod envelope;
mod wire;

pub use decode::decode_message;
pub use encode::encode_message;
pub(crate) use wire::Writer;

pub use envelope::{Unknown, decode, encode_list, encode_object, encode_watch_frame, open};
