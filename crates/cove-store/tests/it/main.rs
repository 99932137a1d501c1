//! Tests of the store through its public door, for both back ends.
#![allow(clippy::unwrap_used)] // clippy knows test functions only, not the helpers between them.

mod basics;
mod durable;
mod kill;
mod model;
mod watches;

use std::future::Future;
use std::sync::Arc;

use cove_store::{Limits, Space, Store};

/// Runs a test on a single-threaded executor.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(test)
}

/// Runs a test against each back end.
fn on_both<F: Future<Output = ()>>(limits: Limits, test: impl Fn(Arc<dyn Store>) -> F) {
    run(test(cove_store::memory_with(limits)));
    let directory = tempfile::tempdir().expect("directory");
    run(test(cove_store::open_with(directory.path(), limits).expect("open")));
}

/// Keys and values of everything in a space.
async fn contents(space: &dyn Space) -> Vec<(String, Vec<u8>)> {
    let all = space.range(cove_store::Range::default()).await.expect("range");
    all.entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_vec())).collect()
}
