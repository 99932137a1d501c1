//! The region's side of real machines: starts them, talks to their init, cuts their power.
//!
//! A machine lives in its stage's process tree and ends with it. It also ends with the region: its init's socket
//! closes. (Instances that outlive the region and are adopted by the next one are a later issue's.)

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::{Runtime, TaskHandle, Timestamp};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use super::protocol::{ContainerRun, FromInit, InstanceSpec, Library, ORDERS, ToInit, is_file_name};
use super::{image, verbs};
use crate::machine::{Guest, MachineSpec, MachineState, Machines};
use crate::simulated::Console;

/// How long a machine may take from its start to its init's first word.
const BOOT: Duration = Duration::from_secs(20);

/// Whether this process may make real machines with the binary, by trying; if not, why.
pub fn available(binary: &Path) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("they need root, to make namespaces".into());
    }
    let tried = std::process::Command::new(binary).arg(verbs::TRIAL).env_clear().stdin(Stdio::null()).output();
    let tried = tried.map_err(|e| format!("{} cannot be run: {e}", binary.display()))?;
    let said = String::from_utf8_lossy(&tried.stderr);
    if tried.status.success() { Ok(()) } else { Err(format!("they cannot be made here: {}", said.trim())) }
}

/// The running kernel, which is every real machine's.
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// What became of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended with this code.
    Exited(i32),
    /// This machine knows of no such container: it was started anew since.
    Unknown,
    /// The machine has lost its power.
    PowerLost,
}

type Ends = Arc<Mutex<BTreeMap<String, watch::Sender<Option<i32>>>>>;

/// A machine that is up, as far as callers reach it.
struct Link {
    orders: mpsc::Sender<ToInit>,
    /// The end of each container, by id, until somebody has waited for it.
    ends: Ends,
    /// Init, so that a signal can never reach another process.
    init: OwnedFd,
    /// Turns true when all of the machine's processes are gone.
    gone: watch::Receiver<bool>,
}

struct Machine {
    spec: Arc<MachineSpec>,
    console: Console,
    state: MachineState,
    link: Option<Arc<Link>>,
    guest: Option<TaskHandle>,
}

type Map = BTreeMap<String, Machine>;

/// All real machines of a region. Cheap to clone.
#[derive(Clone)]
pub struct RealMachines {
    rt: Runtime,
    guest: Arc<dyn Guest>,
    binary: PathBuf,
    directory: PathBuf,
    libraries: Vec<Library>,
    /// Locked for map operations only: callers are the many tasks of EC2's reconciler and of the node agents.
    machines: Arc<Mutex<Map>>,
}

impl RealMachines {
    /// Machines that run `guest` once they are up, each with a directory below `directory`. What machines of an earlier
    /// process have left there is removed.
    pub fn new(rt: Runtime, guest: Arc<dyn Guest>, directory: PathBuf) -> io::Result<Self> {
        let binary = std::env::current_exe()?;
        let libraries = image::libraries(&binary)?;
        std::fs::create_dir_all(&directory)?;
        for entry in std::fs::read_dir(&directory)? {
            remove(&entry?.path())?;
        }
        Ok(Self { rt, guest, binary, directory, libraries, machines: Arc::default() })
    }

    fn machines(&self) -> MutexGuard<'_, Map> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, instance_id: &str) -> Option<Arc<Link>> {
        self.machines().get(instance_id).and_then(|m| m.link.clone())
    }

    /// Starts a container. [`RealMachines::wait`] answers when it has ended, also if it could not be started.
    pub async fn run(&self, instance_id: &str, run: ContainerRun) -> Result<(), String> {
        let link = self.link(instance_id).ok_or("the machine has lost its power")?;
        lock(&link.ends).insert(run.id.clone(), watch::channel(None).0);
        link.orders.send(ToInit::Start(run)).await.map_err(|_| "the machine has lost its power".into())
    }

    /// Waits for a container's end, which is told once.
    pub async fn wait(&self, instance_id: &str, id: &str) -> Ended {
        let Some(link) = self.link(instance_id) else { return Ended::PowerLost };
        let Some(mut end) = lock(&link.ends).get(id).map(watch::Sender::subscribe) else { return Ended::Unknown };
        let code = end.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        lock(&link.ends).remove(id);
        code.map_or(Ended::PowerLost, Ended::Exited)
    }

    /// Ends a container: SIGTERM, and SIGKILL after the grace.
    pub async fn stop(&self, instance_id: &str, id: &str, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.order(instance_id, ToInit::Stop { id: id.into(), grace_ms }).await;
    }

    /// Kills all containers whose id begins so.
    pub async fn kill(&self, instance_id: &str, prefix: &str) {
        self.order(instance_id, ToInit::Kill { prefix: prefix.into() }).await;
    }

    /// Removes the logs of all containers whose id begins so.
    pub fn remove_logs(&self, instance_id: &str, prefix: &str) {
        let logs = self.directory.join(instance_id).join("logs");
        let Ok(entries) = std::fs::read_dir(logs) else { return };
        for entry in entries.filter_map(Result::ok).filter(|e| e.file_name().to_string_lossy().starts_with(prefix)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }

    async fn order(&self, instance_id: &str, order: ToInit) {
        if let Some(link) = self.link(instance_id) {
            let _ = link.orders.send(order).await;
        }
    }

    fn log_file(&self, instance_id: &str, id: &str) -> Option<PathBuf> {
        let named = is_file_name(instance_id) && is_file_name(id);
        named.then(|| self.directory.join(instance_id).join("logs").join(format!("{id}.log")))
    }

    /// What a container has written, with the time of each line. `None` if it never ran, or its log was removed.
    pub fn log(&self, instance_id: &str, id: &str) -> Result<Option<Vec<(Timestamp, String)>>, String> {
        let Some(path) = self.log_file(instance_id, id) else { return Ok(None) };
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(parse_log(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("reading the log: {error}")),
        }
    }

    /// Removes a container's log.
    pub fn remove_log(&self, instance_id: &str, id: &str) {
        if let Some(path) = self.log_file(instance_id, id) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Starts the processes of a machine and waits for its init.
    async fn launch(&self, spec: &MachineSpec, console: &Console) -> io::Result<Link> {
        let directory = self.directory.join(&spec.instance_id);
        remove(&directory)?;
        std::fs::create_dir_all(directory.join("root"))?;
        std::fs::create_dir_all(directory.join("logs"))?;
        let instance = InstanceSpec {
            instance_id: spec.instance_id.clone(),
            hostname: spec.private_dns_name.clone(),
            directory,
            libraries: self.libraries.clone(),
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut stage = Command::new(&self.binary)
            .args([verbs::STAGE, &serde_json::to_string(&instance)?])
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (read, write) = UnixStream::from_std(ours)?.into_split();
        let mut said = BufReader::new(read).lines();
        let init = match self.rt.timeout(BOOT, first_words(&mut said, &stage)).await {
            Some(Ok(init)) => init,
            Some(Err(error)) => return Err(with_console(&mut stage, error).await),
            None => return Err(io::Error::other("its init said nothing in time")),
        };
        let (orders, queue) = mpsc::channel(ORDERS);
        let (left, gone) = watch::channel(false);
        let ends = Ends::default();
        let keeper =
            Keeper { machines: self.clone(), spec: spec.clone(), console: console.clone(), ends: ends.clone() };
        self.rt.spawn(format!("init of {}", spec.instance_id), keeper.keep(stage, said, write, queue, left));
        Ok(Link { orders, ends, init, gone })
    }

    /// The machine's processes are gone, whoever ended them: if it was not terminated, it is dead now.
    async fn died(&self, instance_id: &str) {
        let Some((spec, guest)) = self.machines().get_mut(instance_id).map(|machine| {
            machine.state = MachineState::Gone;
            machine.link = None;
            (machine.spec.clone(), machine.guest.take())
        }) else {
            return;
        };
        if let Some(guest) = guest {
            guest.abort();
        }
        self.guest.powered_off(spec).await;
    }
}

#[async_trait]
impl Machines for RealMachines {
    async fn start(&self, spec: MachineSpec) -> Result<(), String> {
        let id = spec.instance_id.clone();
        if !is_file_name(&id) {
            return Err(format!("{id:?} cannot be the id of a real machine"));
        }
        let (spec, console) = (Arc::new(spec), Console::new(&self.rt));
        {
            let mut machines = self.machines();
            if machines.get(&id).is_some_and(|m| m.state != MachineState::Gone) {
                return Ok(());
            }
            let state = MachineState::Pending;
            let machine = Machine { spec: spec.clone(), console: console.clone(), state, link: None, guest: None };
            machines.insert(id.clone(), machine);
        }
        console.print(format!("cove: machine {id} of type {} in {}", spec.instance_type, spec.zone));
        let link = match self.launch(&spec, &console).await {
            Ok(link) => link,
            Err(error) => {
                self.machines().remove(&id);
                return Err(format!("the machine cannot start: {error}"));
            }
        };
        console.print("init: up, in namespaces of its own");
        let mut machines = self.machines();
        // Its power may have been cut while it booted: the link falls, and everything behind it.
        let Some(machine) = machines.get_mut(&id).filter(|m| m.link.is_none()) else {
            let _ = pidfd_send_signal(&link.init, Signal::KILL);
            return Ok(());
        };
        machine.state = MachineState::Running;
        machine.link = Some(Arc::new(link));
        let guest = self.guest.clone();
        machine.guest = Some(self.rt.spawn(format!("machine {id}"), async move { guest.run(spec, console).await }));
        Ok(())
    }

    async fn terminate(&self, instance_id: &str) -> Result<(), String> {
        let Some(machine) = self.machines().remove(instance_id) else { return Ok(()) };
        if let Some(guest) = machine.guest {
            guest.abort();
        }
        if let Some(link) = machine.link {
            // An error means that it is dead already.
            let _ = pidfd_send_signal(&link.init, Signal::KILL);
            let _ = link.gone.clone().wait_for(|gone| *gone).await;
        }
        self.guest.powered_off(machine.spec).await;
        remove(&self.directory.join(instance_id)).map_err(|e| format!("removing the machine's directory: {e}"))
    }

    fn state(&self, instance_id: &str) -> MachineState {
        self.machines().get(instance_id).map_or(MachineState::Gone, |m| m.state)
    }

    fn console(&self, instance_id: &str) -> String {
        self.machines().get(instance_id).map(|m| m.console.text()).unwrap_or_default()
    }
}

/// The one task that talks to an init and waits for its end.
struct Keeper {
    machines: RealMachines,
    spec: MachineSpec,
    console: Console,
    ends: Ends,
}

impl Keeper {
    async fn keep(
        self,
        mut stage: Child,
        mut said: Lines<BufReader<OwnedReadHalf>>,
        mut init: OwnedWriteHalf,
        mut orders: mpsc::Receiver<ToInit>,
        gone: watch::Sender<bool>,
    ) {
        let console = stage.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        let printing = print(console, self.console.clone());
        let talking = async {
            loop {
                tokio::select! {
                    biased;
                    line = said.next_line() => match line {
                        Ok(Some(line)) => self.take(&line),
                        _ => return,
                    },
                    order = orders.recv() => match order {
                        Some(order) => if tell(&mut init, &order).await.is_err() { return },
                        None => return,
                    },
                }
            }
        };
        tokio::select! {
            biased;
            () = talking => {}
            () = printing => {}
        }
        // The socket's end is init's, but the kernel may still be killing the rest: the stage ends after that.
        drop(init);
        let _ = stage.wait().await;
        self.console.print("init: the machine has lost its power");
        lock(&self.ends).clear();
        let _ = gone.send(true);
        self.machines.died(&self.spec.instance_id).await;
    }

    fn take(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(FromInit::Exited { id, code }) => {
                if let Some(end) = lock(&self.ends).get(&id) {
                    end.send_replace(Some(code));
                }
            }
            Ok(FromInit::Up | FromInit::Stage { .. }) => {}
            Err(error) => self.console.print(format!("init said something strange: {error}")),
        }
    }
}

async fn tell(init: &mut OwnedWriteHalf, order: &ToInit) -> io::Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    init.write_all(&line).await
}

/// Copies what the machine prints to its console; never ends before the machine does.
async fn print(lines: Option<Lines<BufReader<tokio::process::ChildStderr>>>, console: Console) {
    let Some(mut lines) = lines else { return std::future::pending().await };
    while let Ok(Some(line)) = lines.next_line().await {
        console.print(line);
    }
    std::future::pending().await
}

/// Waits until init is up, and takes hold of its process.
async fn first_words(said: &mut Lines<BufReader<OwnedReadHalf>>, stage: &Child) -> io::Result<OwnedFd> {
    let mut init = None;
    while let Some(line) = said.next_line().await? {
        match (serde_json::from_str(&line)?, init.take()) {
            (FromInit::Stage { pid }, _) => init = Some(hold(pid, stage)?),
            (FromInit::Up, Some(init)) => return Ok(init),
            (other, _) => return Err(io::Error::other(format!("out of order: {other:?}"))),
        }
    }
    Err(io::Error::other("its init ended"))
}

/// A handle on init's process, which is the stage's child: another would mean that init has died already.
fn hold(pid: i32, stage: &Child) -> io::Result<OwnedFd> {
    let raw = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process id"))?;
    let init = pidfd_open(raw, PidfdFlags::empty())?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let parent = status.lines().find_map(|l| l.strip_prefix("PPid:")).and_then(|p| p.trim().parse().ok());
    if parent.is_some() && parent == stage.id() { Ok(init) } else { Err(io::Error::other("its init ended")) }
}

/// An error together with what the machine printed before it died.
async fn with_console(stage: &mut Child, error: io::Error) -> io::Error {
    let _ = stage.start_kill();
    let mut printed = String::new();
    if let Some(stderr) = stage.stderr.take() {
        let mut stderr = tokio::io::AsyncReadExt::take(stderr, 4_096);
        let _ = tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut printed).await;
    }
    io::Error::other(format!("{error}: {}", printed.trim()))
}

fn lock(ends: &Ends) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Option<i32>>>> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a machine's directory, knowing what is in it: never anything below a mount.
fn remove(directory: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let logs = directory.join("logs");
    if let Ok(entries) = std::fs::read_dir(&logs) {
        for entry in entries {
            gone(std::fs::remove_file(entry?.path()))?;
        }
    }
    for dir in [&logs, &directory.join("root"), directory] {
        gone(std::fs::remove_dir(dir))?;
    }
    Ok(())
}

/// Reads a log in the format of the container runtime interface; parts of a line are put together.
fn parse_log(text: &str) -> Vec<(Timestamp, String)> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    // A line that is being written has no end yet.
    for line in text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
        let mut fields = line.splitn(4, ' ');
        let (Some(time), Some(stream), Some(tag)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let Some(time) = Timestamp::parse_rfc3339(time) else { continue };
        let text = fields.next().unwrap_or_default();
        let index = match open.remove(stream) {
            Some(index) => {
                lines[index].1.push_str(text);
                index
            }
            None => {
                lines.push((time, text.into()));
                lines.len() - 1
            }
        };
        if tag == "P" {
            open.insert(stream, index);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_line_come_together() {
        let log = "2026-11-25T10:00:00.000001Z stdout F one\n2026-11-25T10:00:01.000000Z stdout P two t\n\
                   2026-11-25T10:00:02.000000Z stderr F other\n2026-11-25T10:00:02.000000Z stdout F wo\nbroken\n\
                   2026-11-25T10:00:03.000000Z stdout F \n2026-11-25T10:00:04.000000Z stdout F unfinis";
        let texts: Vec<String> = parse_log(log).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["one", "two two", "other", ""]);
    }

    #[test]
    fn a_directory_with_something_unknown_in_it_is_left() {
        let scratch = std::env::temp_dir().join(format!("cove-machines-{}", std::process::id()));
        std::fs::create_dir_all(scratch.join("root/kept")).expect("made");
        assert!(remove(&scratch).is_err());
        std::fs::remove_dir(scratch.join("root/kept")).expect("still there");
        remove(&scratch).expect("removed");
        assert!(!scratch.exists());
    }
}
