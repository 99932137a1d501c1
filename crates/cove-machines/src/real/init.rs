//! An instance's init: pid 1 of its namespaces. Takes orders from the region, starts containers, keeps their logs.
//!
//! One thread and one task: a second thread would make `unshare` of the pid namespace impossible. It ends when the
//! region's end of the socket closes; whatever ends it, the kernel kills everything in the instance.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use cove_base::tokio_runtime::TokioDriver;
use cove_base::{Runtime, Seed};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use rustix::mount::mount_bind;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::UnshareFlags;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, Command};

use super::container::Start;
use super::protocol::{ContainerRun, FromInit, InstanceSpec, LOG_BYTES, LOG_LINE_BYTES, ToInit, is_file_name};
use super::{image, namespaces, verbs};

/// Where the containers' logs are, inside.
const LOGS: &str = "/var/log/pods";
/// The exit code of a container that could not be started, as containerd gives it.
const NOT_STARTED: i32 = 128;

/// Runs the verb. Standard input is the socket to the region.
pub(super) fn run(spec: &str) -> io::Result<ExitCode> {
    // The stage lives exactly as long as we do; without it nobody would wait for us.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let spec: InstanceSpec = serde_json::from_str(spec)?;
    let root = spec.directory.join("root");
    namespaces::make_mounts_private()?;
    image::mount_root(&root, &std::env::current_exe()?, &spec.libraries)?;
    let logs = root.join(LOGS.trim_start_matches('/'));
    std::fs::create_dir_all(&logs)?;
    mount_bind(spec.directory.join("logs"), &logs)?;
    namespaces::enter_root(&root)?;
    rustix::system::sethostname(spec.hostname.as_bytes())?;
    let socket = std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (read, region) = UnixStream::from_std(socket)?.into_split();
        Init::new(spec, region)?.serve(BufReader::new(read)).await
    })?;
    Ok(ExitCode::SUCCESS)
}

struct Init {
    spec: InstanceSpec,
    rt: Runtime,
    region: OwnedWriteHalf,
    own_pids: File,
    /// The pid of each running container, by id.
    pids: BTreeMap<String, Pid>,
    /// Each resolves to the end of a container.
    running: FuturesUnordered<LocalBoxFuture<'static, (String, i32)>>,
    /// Each resolves when a container's grace is over.
    graces: FuturesUnordered<LocalBoxFuture<'static, String>>,
}

impl Init {
    fn new(spec: InstanceSpec, region: OwnedWriteHalf) -> io::Result<Self> {
        Ok(Self {
            spec,
            rt: TokioDriver::runtime(Seed::new(0)),
            region,
            own_pids: namespaces::own_pid_namespace()?,
            pids: BTreeMap::new(),
            running: FuturesUnordered::new(),
            graces: FuturesUnordered::new(),
        })
    }

    async fn serve(mut self, orders: impl tokio::io::AsyncBufRead + Unpin) -> io::Result<()> {
        self.say(&FromInit::Up).await?;
        let mut orders = orders.lines();
        loop {
            tokio::select! {
                biased;
                line = orders.next_line() => match line? {
                    Some(line) => self.obey(serde_json::from_str(&line)?),
                    None => return Ok(()),
                },
                Some((id, code)) = self.running.next(), if !self.running.is_empty() => {
                    self.pids.remove(&id);
                    self.say(&FromInit::Exited { id, code }).await?;
                }
                Some(id) = self.graces.next(), if !self.graces.is_empty() => self.signal(&id, Signal::KILL),
            }
        }
    }

    async fn say(&mut self, message: &FromInit) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.region.write_all(&line).await
    }

    fn obey(&mut self, order: ToInit) {
        match order {
            ToInit::Start(run) => {
                let id = run.id.clone();
                if let Err(error) = self.start(run) {
                    verbs::complain(&format!("init: container {id}: {error}"));
                    self.running.push(Box::pin(async move { (id, NOT_STARTED) }));
                }
            }
            ToInit::Stop { id, grace_ms } => {
                self.signal(&id, Signal::TERM);
                let rt = self.rt.clone();
                self.graces.push(Box::pin(async move {
                    rt.sleep(Duration::from_millis(grace_ms)).await;
                    id
                }));
            }
            ToInit::Kill { prefix } => {
                let wanted: Vec<String> = self.pids.keys().filter(|id| id.starts_with(&prefix)).cloned().collect();
                wanted.iter().for_each(|id| self.signal(id, Signal::KILL));
            }
        }
    }

    /// Signals a container, if it still runs: until its end is known here, nobody else has its pid.
    fn signal(&self, id: &str, signal: Signal) {
        if let Some(pid) = self.pids.get(id) {
            let _ = kill_process(*pid, signal);
        }
    }

    fn start(&mut self, run: ContainerRun) -> io::Result<()> {
        if !is_file_name(&run.id) || self.pids.contains_key(&run.id) {
            return Err(io::Error::other("its id cannot be used"));
        }
        let log = Log::create(&Path::new(LOGS).join(format!("{}.log", run.id)), &self.rt)?;
        let id = run.id.clone();
        let start = serde_json::to_vec(&Start { run, libraries: self.spec.libraries.clone() })?;
        let child = self.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        self.pids.insert(id.clone(), pid.ok_or_else(|| io::Error::other("it has no process id"))?);
        self.running.push(Box::pin(async move { (id, attend(child, start, log).await) }));
        Ok(())
    }

    /// Starts a process as pid 1 of a new pid namespace.
    fn spawn(&self) -> io::Result<Child> {
        namespaces::unshare(UnshareFlags::NEWPID)?;
        let child = Command::new(image::BINARY)
            .arg(verbs::CONTAINER_START)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        namespaces::children_in(&self.own_pids)?;
        child
    }
}

/// Tells a container what it is, keeps what it writes, and returns its exit code once all of that is kept.
async fn attend(mut child: Child, start: Vec<u8>, log: Log) -> i32 {
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended already; its exit code says so.
        let _ = stdin.write_all(&start).await;
    }
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let log = RefCell::new(log);
    let (ended, (), ()) = tokio::join!(child.wait(), keep(out, "stdout", &log), keep(err, "stderr", &log));
    ended.map_or(NOT_STARTED, code_of)
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(NOT_STARTED)
}

/// Copies a stream into the log, line by line.
async fn keep(stream: Option<impl AsyncRead + Unpin>, name: &str, log: &RefCell<Log>) {
    let Some(mut stream) = stream else { return };
    let (mut buffer, mut line) = ([0; 8 * 1024], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                log.borrow_mut().write(name, 'F', &line);
                line.clear();
            } else {
                line.push(*byte);
                if line.len() == LOG_LINE_BYTES {
                    log.borrow_mut().write(name, 'P', &line);
                    line.clear();
                }
            }
        }
    }
    if !line.is_empty() {
        log.borrow_mut().write(name, 'F', &line);
    }
}

/// The log of one run in the format of the container runtime interface: `TIME STREAM F|P TEXT`.
struct Log {
    file: File,
    path: PathBuf,
    rt: Runtime,
    left: u64,
}

impl Log {
    fn create(path: &Path, rt: &Runtime) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { file, path: path.to_path_buf(), rt: rt.clone(), left: LOG_BYTES })
    }

    /// Writes one line, or says once that there is no room for more.
    fn write(&mut self, stream: &str, tag: char, text: &[u8]) {
        if self.left == 0 {
            return;
        }
        let mut line = format!("{} {stream} {tag} ", self.rt.now().rfc3339_micros()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        self.left = self.left.saturating_sub(line.len() as u64);
        if self.left == 0 {
            let time = self.rt.now().rfc3339_micros();
            line =
                format!("{time} {stream} F cove: the log has reached {LOG_BYTES} bytes; the rest is dropped\n").into();
        }
        if let Err(error) = self.file.write_all(&line) {
            verbs::complain(&format!("init: {}: {error}", self.path.display()));
            self.left = 0;
        }
    }
}
