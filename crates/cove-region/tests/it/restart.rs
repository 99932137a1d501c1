//! What a region holds comes back when it is started again over the same directory: in real time, since the embedded
//! store has a thread of its own.

use cove_base::Seed;
use cove_base::tokio_runtime::TokioDriver;
use cove_kube_client::Resource;
use serde_json::json;

use crate::bench::Bench;

const CONFIG_MAPS: Resource = Resource::core("configmaps");

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let open = || tokio::task::block_in_place(|| cove_store::open(directory.path())).unwrap();
    let bench = Bench::start(TokioDriver::runtime(Seed::new(1)), open()).await;
    bench.create_cluster("API").await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}});
    let made = bench.kube().await.create(CONFIG_MAPS, "default", object).await.unwrap();
    bench.region.stop().await;

    let bench = Bench::start(TokioDriver::runtime(Seed::new(1)), open()).await;
    let runs = || async { bench.region.client("", crate::bench::CLUSTER).await.is_ok() };
    bench.until("the cluster runs again", 60, runs).await;
    let found = bench.kube().await.get(CONFIG_MAPS, "default", "kept").await.unwrap();
    assert_eq!(found.value(), made.value());
    bench.region.stop().await;
}
