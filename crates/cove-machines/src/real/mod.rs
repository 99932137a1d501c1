//! Real machines: an instance is a process tree of its own in namespaces of its own, made by re-executing this binary.
//!
//! Four processes in a row, each a hidden verb of the binary ([`verbs`]), so that no Rust code is ever forked out of the
//! region's threads: the region starts [`stage`] (unshares, waits), which starts [`init`] (pid 1: its death ends the
//! machine), which starts one [`container`] per container (pid 1 of that), which becomes the program it was asked for,
//! one of [`builtin`]'s. [`machines`] is the region's side of it, [`protocol`] what both sides say, [`image`] the root
//! filesystem that both kinds of process live in.
//!
//! Why an own launcher and not `libcontainer`, the project's choice for containers: without images, networks, exec and
//! limits it would be 67 crates for two `unshare` calls. It takes this launcher's place behind the same protocol in the
//! issue that brings those. Modules in suggested reading order:

pub mod builtin;
mod container;
mod image;
mod init;
pub mod machines;
mod namespaces;
pub mod protocol;
mod stage;
pub mod verbs;
