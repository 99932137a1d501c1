//! What the region and an instance's init say to each other: one JSON value per line over one socket.
//!
//! The socket is also the instance's life line: when the region's end closes, init ends, and everything with it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What an instance is started from, as an argument of the hidden verbs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// `i-...`.
    pub instance_id: String,
    /// The host name.
    pub hostname: String,
    /// The instance's own directory on the host: `root` is where its filesystem is mounted, `logs` its containers' logs.
    pub directory: PathBuf,
    /// The built-in image's libraries.
    pub libraries: Vec<Library>,
}

/// A shared library of the built-in image: where programs look for it. It lies at the same path on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Library(pub PathBuf);

/// A container to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// Unique in the instance; the name of its log.
    pub id: String,
    /// The host name in it.
    pub hostname: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub working_dir: String,
}

/// From the region.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// Start a container. Answered by `Exited`, once it has ended.
    Start(ContainerRun),
    /// End a container: SIGTERM, and SIGKILL after the grace.
    Stop {
        /// Which.
        id: String,
        /// The grace in milliseconds.
        grace_ms: u64,
    },
    /// Kill every container whose id begins so.
    Kill {
        /// The beginning.
        prefix: String,
    },
}

/// From the instance.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// From the stage, before init says anything: init's process id as the host sees it.
    Stage {
        /// The process id.
        pid: i32,
    },
    /// Init takes orders from now on.
    Up,
    /// A container has ended, or could not be started; all that it wrote is in its log.
    Exited {
        /// Which.
        id: String,
        /// Its exit code; 128 + signal if a signal ended it.
        code: i32,
    },
}

/// Bytes of log that are kept of one run of a container (the kubelet rotates at the same size).
pub const LOG_BYTES: u64 = 10 * 1024 * 1024;
/// Bytes of one log line; a longer one is cut into parts, as container runtimes do it.
pub const LOG_LINE_BYTES: usize = 16 * 1024;
/// Orders that may wait for an instance's init.
pub const ORDERS: usize = 256;

/// Whether an id can be the name of a file, whoever made it.
pub fn is_file_name(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !id.is_empty() && id.len() <= 250 && !id.starts_with('.') && id.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_directory() {
        assert!(is_file_name("6f1c-1_main_0"));
        for bad in ["", ".", "..", "../x", "a/b", "a b", "a\0", &"x".repeat(251)] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }
}
