//! AWS calls of the commands: through the control socket of a running region, or into a region of this process.

use anyhow::Result;
use cove_region::region::Region;
use serde_json::{Value, json};

use crate::control::{Refused, Request, ask};
use crate::place::Place;

/// Where calls go.
pub enum Aws<'a> {
    /// A running region.
    Socket(&'a Place),
    /// A region of this process (`cove demo`).
    Here(&'a Region),
}

impl Aws<'_> {
    /// Calls an operation as the admin user. A fault comes back as [`Refused`].
    pub async fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value> {
        match self {
            Self::Socket(place) => {
                let (service, operation, region) = (service.into(), operation.into(), String::new());
                ask(&place.socket(), &Request::Call { service, operation, region, input }).await
            }
            Self::Here(region) => {
                let called = region.call("", service, operation, input).await;
                called.map_err(|fault| Refused { code: fault.code, message: fault.message }.into())
            }
        }
    }

    /// Calls an operation; `None` if what it is about does not exist.
    pub async fn find(&self, service: &str, operation: &str, input: Value) -> Result<Option<Value>> {
        match self.call(service, operation, input).await {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(r) if matches!(r.code.as_str(), "ResourceNotFoundException" | "NoSuchEntity") => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Kubernetes objects of a cluster (`nodes` or `pods`), all namespaces.
    pub async fn objects(&self, cluster: &str, resource: &str) -> Result<Vec<Value>> {
        let list = match self {
            Self::Socket(place) => {
                let (cluster, region, resource) = (cluster.into(), String::new(), resource.into());
                ask(&place.socket(), &Request::Objects { cluster, region, resource }).await?
            }
            Self::Here(region) => region.objects("", cluster, resource).await.map_err(|e| anyhow::anyhow!("{e}"))?,
        };
        Ok(list.as_array().cloned().unwrap_or_default())
    }

    /// A cluster as EKS describes it.
    pub async fn cluster(&self, name: &str) -> Result<Option<Value>> {
        let found = self.find("eks", "DescribeCluster", json!({"name": name})).await?;
        Ok(found.map(|mut v| v["cluster"].take()))
    }

    /// A node group as EKS describes it.
    pub async fn node_group(&self, cluster: &str, name: &str) -> Result<Option<Value>> {
        let input = json!({"clusterName": cluster, "nodegroupName": name});
        let found = self.find("eks", "DescribeNodegroup", input).await?;
        Ok(found.map(|mut v| v["nodegroup"].take()))
    }
}
