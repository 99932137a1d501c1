//! Printers: the columns and cells that `kubectl get` shows. The server asks for them when a client wants a Table.
//! Facts: k8s.io/kubernetes v1.35 pkg/printers/internalversion. In reading order:

mod api;
mod cell;
mod duration;
mod event;
mod metrics;
mod network;
mod node;
mod pod;
mod rows;
mod storage;
mod text;
mod workload;

pub use api::{Column, cells, cells_of, columns, columns_of, row_conditions};
pub use duration::human_duration;
