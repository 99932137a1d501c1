//! Simulated machines: a boot that takes time, a guest as a task, and a power switch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::{Runtime, TaskHandle, Timestamp};

use crate::machine::{Guest, MachineSpec, MachineState, Machines};

/// Lines that a console keeps, as EC2 keeps the last 64 KiB.
const CONSOLE_LINES: usize = 500;

/// A machine's console: what it printed since it booted. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    rt: Runtime,
    booted: Timestamp,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Console {
    /// A console of a machine that boots now.
    pub fn new(rt: &Runtime) -> Self {
        Self { rt: rt.clone(), booted: rt.now(), lines: Arc::default() }
    }

    /// Prints a line with the time since boot, as a kernel does.
    pub fn print(&self, line: impl AsRef<str>) {
        let since = self.rt.now().since(self.booted);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == CONSOLE_LINES {
            lines.remove(0);
        }
        lines.push(format!("[{:5}.{:06}] {}\n", since.as_secs(), since.subsec_micros(), line.as_ref()));
    }

    /// Everything that is kept.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }
}

struct Machine {
    spec: Arc<MachineSpec>,
    console: Console,
    state: MachineState,
    guest: Option<TaskHandle>,
}

/// All simulated machines of a region. The truth about which should run is in EC2's records; this is process state.
pub struct SimulatedMachines {
    rt: Runtime,
    guest: Arc<dyn Guest>,
    boot: Duration,
    /// Locked for map operations only: callers are the many tasks of EC2's reconciler.
    machines: Mutex<BTreeMap<String, Machine>>,
}

impl SimulatedMachines {
    /// Machines that take `boot` to boot and then run `guest`.
    pub fn new(rt: Runtime, guest: Arc<dyn Guest>, boot: Duration) -> Self {
        Self { rt, guest, boot, machines: Mutex::default() }
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<String, Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Machines for SimulatedMachines {
    async fn start(&self, spec: MachineSpec) -> Result<(), String> {
        let id = spec.instance_id.clone();
        let spec = Arc::new(spec);
        let console = Console::new(&self.rt);
        {
            let mut machines = self.machines();
            if machines.contains_key(&id) {
                return Ok(());
            }
            let machine =
                Machine { spec: spec.clone(), console: console.clone(), state: MachineState::Pending, guest: None };
            machines.insert(id.clone(), machine);
        }
        console.print(format!("cove: simulated machine {id} of type {} in {}", spec.instance_type, spec.zone));
        self.rt.sleep(self.boot).await;
        let mut machines = self.machines();
        // Its power may have been cut while it booted.
        let Some(machine) = machines.get_mut(&id).filter(|m| m.guest.is_none()) else { return Ok(()) };
        machine.state = MachineState::Running;
        let guest = self.guest.clone();
        let task = self.rt.spawn(format!("machine {id}"), async move { guest.run(spec, console).await });
        machine.guest = Some(task);
        Ok(())
    }

    async fn terminate(&self, instance_id: &str) -> Result<(), String> {
        let Some(machine) = self.machines().remove(instance_id) else { return Ok(()) };
        if let Some(guest) = machine.guest {
            guest.abort();
        }
        self.guest.powered_off(machine.spec).await;
        Ok(())
    }

    fn state(&self, instance_id: &str) -> MachineState {
        self.machines().get(instance_id).map_or(MachineState::Gone, |m| m.state)
    }

    fn console(&self, instance_id: &str) -> String {
        self.machines().get(instance_id).map(|m| m.console.text()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cove_base::Seed;
    use cove_base::virtual_runtime::VirtualDriver;

    use super::*;

    #[derive(Default)]
    struct Counting {
        running: AtomicUsize,
        offs: AtomicUsize,
    }

    #[async_trait]
    impl Guest for Counting {
        async fn run(&self, _machine: Arc<MachineSpec>, console: Console) {
            console.print("guest: up");
            self.running.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
        async fn powered_off(&self, _machine: Arc<MachineSpec>) {
            self.offs.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn spec() -> MachineSpec {
        MachineSpec {
            instance_id: "i-1".into(),
            region: "us-west-2".into(),
            zone: "us-west-2a".into(),
            instance_type: "t3.medium".into(),
            image_id: "ami-1".into(),
            private_ip: "172.31.0.4".into(),
            private_dns_name: "ip-172-31-0-4.us-west-2.compute.internal".into(),
            role_name: None,
            user_data: vec![],
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn boots_once_and_dies_once() {
        let driver = VirtualDriver::new(Timestamp::from_secs(0));
        let rt = driver.runtime(Seed::new(1));
        let guest = Arc::new(Counting::default());
        let machines = Arc::new(SimulatedMachines::new(rt.clone(), guest.clone(), Duration::from_secs(20)));
        let m = machines.clone();
        driver.block_on(async move {
            m.start(spec()).await.expect("started");
            m.start(spec()).await.expect("started");
        });
        driver.run_for(Duration::from_secs(1));
        assert_eq!(guest.running.load(Ordering::Relaxed), 1);
        assert_eq!(machines.state("i-1"), MachineState::Running);
        assert!(machines.console("i-1").ends_with("[   20.000000] guest: up\n"));
        let m = machines.clone();
        driver.block_on(async move {
            m.terminate("i-1").await.expect("terminated");
            m.terminate("i-1").await.expect("terminated");
        });
        assert_eq!((machines.state("i-1"), guest.offs.load(Ordering::Relaxed)), (MachineState::Gone, 1));
    }
}
