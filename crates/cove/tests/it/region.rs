//! A region of a test's own: `cove up` on free ports in a directory of its own, killed and removed at the end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The binary under test.
pub const COVE: &str = env!("CARGO_BIN_EXE_cove");

/// Each region of this test process looks for cluster ports in a range of its own.
static NEXT_PORTS: AtomicU16 = AtomicU16::new(20_000);

/// A running `cove up`.
pub struct Region {
    pub dir: tempfile::TempDir,
    cluster_port: u16,
    child: Child,
}

impl Region {
    /// Starts one with further flags and waits until it answers.
    pub fn up(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let cluster_port =
            NEXT_PORTS.fetch_add(200, Ordering::Relaxed) + u16::try_from(std::process::id() % 10).unwrap_or(0) * 2_000;
        let child = start(dir.path(), cluster_port, flags);
        Self { dir, cluster_port, child }
    }

    /// Kills it as a power cut would, and starts it again on the same state.
    pub fn kill_and_restart(&mut self, flags: &[&str]) {
        self.kill();
        self.restart(flags);
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Starts it again on the same state, after [`Region::kill`].
    pub fn restart(&mut self, flags: &[&str]) {
        self.child = start(self.dir.path(), self.cluster_port, flags);
    }

    /// The data directory.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a `cove` command against it.
    pub fn cove(&self, arguments: &[&str]) -> Output {
        Command::new(COVE).args(arguments).env("COVE_DATA_DIR", self.path()).output().expect("cove runs")
    }

    /// The variables that `cove env` exports.
    pub fn environment(&self) -> Vec<(String, String)> {
        let printed = String::from_utf8(self.cove(&["env"]).stdout).expect("text");
        let pair = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_string(), value.trim_matches('\'').to_string()))
        };
        printed.lines().filter_map(pair).collect()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often something is looked at before it counts as stuck; four times a second.
const LOOKS: usize = 240;

/// Looks at something until it is as wanted.
#[allow(clippy::disallowed_methods)] // Nothing outside the process tells when it is ready.
pub fn until<T: std::fmt::Debug>(look: impl Fn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    for _ in 0..LOOKS {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    panic!("it does not come: {:#?}", look());
}

fn start(dir: &Path, cluster_port: u16, flags: &[&str]) -> Child {
    let mut child = Command::new(COVE)
        .args(["up", "--port", "0", "--cluster-port", &cluster_port.to_string()])
        .args(flags)
        .env("COVE_DATA_DIR", dir.join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cove starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let up = lines.by_ref().any(|line| line.is_ok_and(|l| l.contains("aws sts get-caller-identity")));
    assert!(up, "cove up ended early");
    // What it prints later must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    child
}
