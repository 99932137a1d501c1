//! Classes of pods that look alike to other pods.
//!
//! Spreading and affinity between pods ask, for every pod of every node, whether a selector matches. Replicas look
//! alike, so the question is asked once per class, and nodes carry counts of classes.

use std::sync::Arc;

use cove_base::collections::HashMap;

use super::affinity::PodAffinity;
use super::labels::Labels;

/// What other pods see of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// It is being deleted.
    pub terminating: bool,
    /// What it demands of its neighbours.
    pub affinity: PodAffinity,
}

/// The place of a class in [`Classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassId(u32);

impl ClassId {
    /// As an index of a table with one row per class.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All classes that placed pods have, with the number of those pods.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    slots: Vec<Option<(Arc<Class>, usize)>>,
    ids: HashMap<Arc<Class>, ClassId>,
    free: Vec<ClassId>,
}

impl Classes {
    /// One more pod of a class.
    pub fn acquire(&mut self, class: &Arc<Class>) -> ClassId {
        if let Some(&id) = self.ids.get(class) {
            if let Some((_, count)) = &mut self.slots[id.index()] {
                *count += 1;
            }
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            ClassId(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        self.slots[id.index()] = Some((class.clone(), 1));
        self.ids.insert(class.clone(), id);
        id
    }

    /// One pod of a class less.
    pub fn release(&mut self, id: ClassId) {
        let Some((class, count)) = &mut self.slots[id.index()] else { return };
        *count -= 1;
        if *count == 0 {
            self.ids.remove(class);
            self.slots[id.index()] = None;
            self.free.push(id);
        }
    }

    /// Asks something of every class; the rows of unused places hold the default.
    pub fn table<T: Default>(&self, ask: impl Fn(&Class) -> T) -> Vec<T> {
        self.slots.iter().map(|slot| slot.as_ref().map(|(class, _)| ask(class)).unwrap_or_default()).collect()
    }
}
