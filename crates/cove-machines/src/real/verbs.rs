//! The hidden verbs: what the binary does when it is re-executed. Called by `main` before it starts anything else, since
//! namespaces want a single thread.

use std::process::ExitCode;

use super::{builtin, container, init, stage};

/// Makes an instance's namespaces.
pub const STAGE: &str = "__instance-stage";
/// Tries whether instances can be made here.
pub const TRIAL: &str = "__instance-trial";
/// Is an instance's pid 1.
pub const INIT: &str = "__instance-init";
/// Becomes a container.
pub const CONTAINER_START: &str = "__container-start";
/// Is the program of the built-in image.
pub const CONTAINER: &str = "__container";

/// Runs a hidden verb. `None`: the arguments name none.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let (verb, rest) = arguments.split_first()?;
    let spec = rest.first().map(String::as_str).unwrap_or_default();
    let ended = match verb.as_str() {
        STAGE => stage::run(spec),
        TRIAL => stage::trial(),
        INIT => init::run(spec),
        CONTAINER_START => container::run(),
        CONTAINER => builtin::run(rest),
        _ => return None,
    };
    Some(ended.unwrap_or_else(|error| {
        complain(&format!("{verb}: {error}"));
        ExitCode::from(128)
    }))
}

/// To standard error: an instance's is its console, a container's is its log.
#[allow(clippy::print_stderr)]
pub(super) fn complain(line: &str) {
    eprintln!("{line}");
}
