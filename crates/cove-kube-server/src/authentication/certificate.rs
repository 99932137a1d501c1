//! Client certificates: the common name is the user, organizations are the groups.
//!
//! The TLS layer has already checked that the cluster's authority signed the certificate and that it is in time.

use cove_kube_api::door::UserInfo;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The user of a certificate; `None` without a common name.
pub fn user_of(der: &[u8]) -> Option<UserInfo> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    let groups: Vec<&str> = subject.iter_organization().filter_map(|group| group.as_str().ok()).collect();
    (!name.is_empty()).then(|| UserInfo::new(name, &groups))
}
