//! The table of services: one line per folder. The door, the coverage page and the denial test read it.

use crate::operation::Service;

/// All services, sorted by name.
pub fn services() -> &'static [&'static Service] {
    SERVICES
}

static SERVICES: &[&Service] = &[
    &crate::autoscaling::SERVICE,
    &crate::ec2::SERVICE,
    &crate::eks::SERVICE,
    &crate::iam::SERVICE,
    &crate::sts::SERVICE,
];

/// A service by botocore's name.
pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().copied().find(|s| s.name == name)
}
