//! Addresses of subnets: one record per address in use, so that two writers can never give one address twice.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cove_aws_wire::fault::Fault;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::state::Subnet;
use crate::operation::Cx;
use crate::records::Resource;

/// A private address in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Address {
    /// Its subnet.
    pub subnet_id: String,
    /// The address.
    pub ip: Ipv4Addr,
    /// The interface that has it.
    pub interface_id: String,
}

impl Resource for Address {
    const KIND: &'static str = "ec2/address";
    fn id(&self) -> String {
        format!("{}/{}", self.subnet_id, self.ip)
    }
}

/// A public address in use. Cove's are from the range for benchmarks (198.18.0.0/15), which nobody routes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// The interface that has it.
    pub interface_id: String,
}

/// The block that public addresses come from.
pub const PUBLIC_BLOCK: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);

impl Resource for PublicAddress {
    const KIND: &'static str = "ec2/public-address";
    fn id(&self) -> String {
        self.ip.to_string()
    }
}

/// AWS keeps the first four addresses of a subnet and the last.
const RESERVED: u64 = 5;

/// How many addresses a block has for its users.
pub fn usable(block: Ipv4Net) -> u64 {
    (1_u64 << (32 - block.prefix_len())).saturating_sub(RESERVED)
}

/// How many addresses are free in each subnet.
pub async fn free_counts(cx: &Cx, subnets: &[Subnet]) -> Result<Vec<u64>, Fault> {
    let mut counts = Vec::new();
    for subnet in subnets {
        let used = used(cx, &subnet.subnet_id).await?.len() as u64;
        counts.push(usable(block(&subnet.cidr_block)?).saturating_sub(used));
    }
    Ok(counts)
}

/// The addresses in use in a subnet.
pub async fn used(cx: &Cx, subnet_id: &str) -> Result<BTreeSet<Ipv4Addr>, Fault> {
    let records = cx.records::<Address>().await?.list_under(&format!("{subnet_id}/")).await?;
    Ok(records.into_iter().map(|address| address.ip).collect())
}

/// Reads a block that was checked when it was stored.
pub fn block(text: &str) -> Result<Ipv4Net, Fault> {
    text.parse().map_err(|_| Fault::internal(format!("{text} is no block of addresses")))
}

/// Whether users may have this address of a block.
pub fn assignable(block: Ipv4Net, ip: Ipv4Addr) -> bool {
    let offset = u64::from(u32::from(ip)).wrapping_sub(u64::from(u32::from(block.network())));
    block.contains(&ip) && (4..usable(block) + 4).contains(&offset)
}

/// The first `count` free addresses at or after the `start`-th of a block, in its order, going round.
pub fn pick(block: Ipv4Net, start: u64, count: usize, taken: &BTreeSet<Ipv4Addr>) -> Vec<Ipv4Addr> {
    let usable = usable(block);
    let network = u64::from(u32::from(block.network()));
    let at = |index: u64| Ipv4Addr::from((network + 4 + index % usable.max(1)) as u32);
    (start..start + usable).map(at).filter(|ip| !taken.contains(ip)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_addresses_stay_with_aws() {
        let block: Ipv4Net = "10.0.0.16/28".parse().expect("a block");
        assert_eq!(usable(block), 11);
        let all = pick(block, 7, 100, &BTreeSet::new());
        assert_eq!(all.len(), 11);
        assert_eq!(all[0], Ipv4Addr::new(10, 0, 0, 27));
        assert_eq!(*all.iter().min().expect("some"), Ipv4Addr::new(10, 0, 0, 20));
        assert_eq!(*all.iter().max().expect("some"), Ipv4Addr::new(10, 0, 0, 30));
        assert!(all.iter().all(|ip| assignable(block, *ip)));
        assert!(![16, 19, 31].iter().any(|last| assignable(block, Ipv4Addr::new(10, 0, 0, *last))));
        let taken: BTreeSet<_> = all[1..].iter().copied().collect();
        assert_eq!(pick(block, 3, 5, &taken), [Ipv4Addr::new(10, 0, 0, 27)]);
    }
}
