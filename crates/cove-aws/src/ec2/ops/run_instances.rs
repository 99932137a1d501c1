//! RunInstances: quota, addresses, ids and records of instances and interfaces in one transaction.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use aws_lc_rs::digest::{SHA256, digest};
use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_base::arn::ACCOUNT;
use cove_store::{Txn, TxnResult};
use serde_json::{Map, Value, json};

use super::launch_spec::{DiskInput, LaunchSpec, RunInput, resolve};
use crate::ec2::addresses::{Address, PUBLIC_BLOCK, PublicAddress, pick, used};
use crate::ec2::catalog::{InstanceType, instance_type};
use crate::ec2::default_vpc::internal_domain;
use crate::ec2::images::Image;
use crate::ec2::instances::{Disk, Instance, InstanceState, Interface, LaunchToken, reservation_view};
use crate::ec2::state::Tag;
use crate::ec2::tags::tags_for;
use crate::ids::Ids;
use crate::input::read;
use crate::limits;
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

/// The kinds of resource that RunInstances can tag.
const TAGGABLE: &[&str] = &["instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"];

/// `RunInstances`.
pub async fn run_instances(cx: Cx, input: Value) -> Result<Value, Fault> {
    let fingerprint = fingerprint(&input);
    let (mut merged, mut template_tags) = super::launch_templates::under(&cx, input).await?;
    let input: RunInput = read("RunInstances", Value::Object(std::mem::take(&mut merged)))?;
    if let Some(reply) = repeated(&cx, &input.client_token, &fingerprint).await? {
        return Ok(reply);
    }
    let spec = resolve(&cx, &input).await?;
    let mut tags = tags_for(&cx, &input.tag_specifications, "instance", TAGGABLE)?;
    tags.append(&mut template_tags);
    loop {
        let addresses = room(&cx, &input, &spec).await?;
        let batch = Batch::new(&cx, &input, &spec, &tags, &addresses).await?;
        if batch.commit(&cx, &input.client_token, &fingerprint).await? {
            return Ok(batch.reply());
        }
        if let Some(reply) = repeated(&cx, &input.client_token, &fingerprint).await? {
            return Ok(reply);
        }
    }
}

fn fingerprint(input: &Value) -> String {
    let bytes = digest(&SHA256, input.to_string().as_bytes());
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// The reply to a call that was made before with this token.
async fn repeated(cx: &Cx, token: &str, fingerprint: &str) -> Result<Option<Value>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let Some(found) = cx.records::<LaunchToken>().await?.get(token).await? else { return Ok(None) };
    if found.value.fingerprint != fingerprint {
        return Err(Fault::client(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ));
    }
    let records = cx.records::<Instance>().await?;
    let interfaces = cx.records::<Interface>().await?;
    let mut batch = Batch { instances: Vec::new(), interfaces: Vec::new() };
    for id in &found.value.instance_ids {
        if let Some(instance) = records.get(id).await?.map(|record| record.value) {
            let interface = interfaces.get(&instance.interface_id).await?.map(|record| record.value);
            batch.interfaces.extend(interface);
            batch.instances.push(instance);
        }
    }
    Ok(Some(batch.reply()))
}

/// How many instances there is room for, and their addresses: as many as asked for, or as few as suffice.
async fn room(cx: &Cx, input: &RunInput, spec: &LaunchSpec) -> Result<Vec<Ipv4Addr>, Fault> {
    let within_quota =
        quota_left(cx, spec.instance_type, spec_is_spot(input)).await? / spec.instance_type.vcpus().max(1) as usize;
    if within_quota < input.min_count {
        let (_, quota) = quota_of(spec.instance_type);
        return Err(Fault::client(
            "VcpuLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
            ),
        ));
    }
    let taken = used(cx, &spec.subnet.subnet_id).await?;
    let wanted = input.max_count.min(within_quota);
    let addresses = match spec.wanted_ip {
        Some(ip) if taken.contains(&ip) => {
            return Err(Fault::client("InvalidIPAddress.InUse", format!("Address {ip} is in use.")));
        }
        Some(ip) => vec![ip],
        None => {
            let usable = crate::ec2::addresses::usable(spec.block);
            let start = Ids::regional(cx, 1).await?.below("address", usable.max(1));
            pick(spec.block, start, wanted, &taken)
        }
    };
    match addresses.len() < input.min_count {
        true => Err(Fault::client(
            "InsufficientFreeAddressesInSubnet",
            format!(
                "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
                spec.subnet.subnet_id
            ),
        )),
        false => Ok(addresses),
    }
}

fn spec_is_spot(input: &RunInput) -> bool {
    input.instance_market_options.as_ref().is_some_and(|market| market.market_type.as_deref() == Some("spot"))
}

/// The quota that a type counts against: its families and its vCPUs.
fn quota_of(of: &InstanceType) -> (&'static [&'static str], usize) {
    let letters = family_letters(&of.name);
    let exact = limits::ON_DEMAND_VCPUS.iter().find(|(families, _)| families.contains(&letters));
    let standard = (limits::STANDARD_FAMILIES, limits::ON_DEMAND_VCPUS.last().map_or(0, |(_, quota)| *quota));
    exact.copied().unwrap_or(standard)
}

/// `g` of `g5.xlarge`, `inf` of `inf2.xlarge`, `x` of `x2gd.metal`, `m` of `m6gd.large`.
fn family_letters(name: &str) -> &str {
    let end = name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len());
    &name[..end]
}

async fn quota_left(cx: &Cx, wanted: &InstanceType, spot: bool) -> Result<usize, Fault> {
    let (families, quota) = quota_of(wanted);
    let lifecycle = spot.then(|| "spot".to_string());
    let running = cx.records::<Instance>().await?.list().await?;
    let counted = running.iter().filter(|i| i.state.alive() && i.lifecycle == lifecycle);
    let vcpus = counted.filter_map(|i| instance_type(&i.instance_type)).filter(|t| quota_of(t).0 == families);
    Ok(quota.saturating_sub(vcpus.map(|t| t.vcpus() as usize).sum()))
}

/// The records of one call.
struct Batch {
    instances: Vec<Instance>,
    interfaces: Vec<Interface>,
}

impl Batch {
    async fn new(
        cx: &Cx,
        input: &RunInput,
        spec: &LaunchSpec,
        tags: &[Tag],
        addresses: &[Ipv4Addr],
    ) -> Result<Self, Fault> {
        let count = addresses.len();
        let public = public_addresses(cx, spec, count).await?;
        let disks = spec_disks(input, &spec.image);
        // Per instance: instance, interface, attachment, MAC, spot request, volumes; and the reservation.
        let mut ids = Ids::regional(cx, (count * (5 + disks.len()) + 1) as u64).await?;
        let reservation_id = ids.ec2("r");
        let volume_tags = tags_for(cx, &input.tag_specifications, "network-interface", TAGGABLE)?;
        let mut batch = Self { instances: Vec::new(), interfaces: Vec::new() };
        for (index, address) in addresses.iter().enumerate() {
            let mut interface = interface(cx, spec, &mut ids, *address, public.get(index).copied());
            interface.tags.clone_from(&volume_tags);
            let disks = disks.iter().map(|disk| Disk { volume_id: ids.ec2("vol"), ..disk.clone() }).collect();
            let spot = spec_is_spot(input).then(|| ids.ec2("sir"));
            let instance = Instance {
                instance_id: interface.instance_id.clone(),
                reservation_id: reservation_id.clone(),
                launch_index: index,
                requester: requester(cx),
                client_token: input.client_token.clone(),
                state: InstanceState::Pending,
                state_reason: None,
                transition_reason: String::new(),
                launched: cx.rt.now(),
                terminated: None,
                image_id: spec.image.id.clone(),
                instance_type: spec.instance_type.name.clone(),
                architecture: spec.image.arch.into(),
                zone: spec.subnet.availability_zone.clone(),
                zone_id: spec.subnet.availability_zone_id.clone(),
                vpc_id: spec.vpc.vpc_id.clone(),
                subnet_id: spec.subnet.subnet_id.clone(),
                interface_id: interface.interface_id.clone(),
                private_ip: interface.private_ip,
                private_dns_name: interface.private_dns_name.clone(),
                public_ip: interface.public_ip,
                public_dns_name: interface.public_dns_name.clone(),
                groups: spec.groups.clone(),
                profile: spec.profile.clone(),
                user_data: input.user_data.clone(),
                tags: tags.to_vec(),
                monitoring: input.monitoring.enabled,
                ebs_optimized: input.ebs_optimized,
                disks,
                metadata: input.metadata_options.clone().resolve(),
                lifecycle: spot.is_some().then(|| "spot".into()),
                spot_request_id: spot,
                termination_protected: input.disable_api_termination,
            };
            batch.instances.push(instance);
            batch.interfaces.push(interface);
        }
        Ok(batch)
    }

    /// Writes all records, unless an address or the token was taken meanwhile.
    async fn commit(&self, cx: &Cx, token: &str, fingerprint: &str) -> Result<bool, Fault> {
        let mut txn = Txn::new();
        for interface in &self.interfaces {
            let address = Address {
                subnet_id: interface.subnet_id.clone(),
                ip: interface.private_ip,
                interface_id: interface.interface_id.clone(),
            };
            txn = create(txn, &address)?;
            if let Some(ip) = interface.public_ip {
                txn = create(txn, &PublicAddress { ip, interface_id: interface.interface_id.clone() })?;
            }
            txn = create(txn, interface)?;
        }
        for instance in &self.instances {
            txn = create(txn, instance)?;
        }
        if !token.is_empty() {
            let memory = LaunchToken {
                token: token.into(),
                fingerprint: fingerprint.into(),
                reservation_id: self.instances.first().map_or_else(String::new, |i| i.reservation_id.clone()),
                instance_ids: self.instances.iter().map(|i| i.instance_id.clone()).collect(),
            };
            txn = create(txn, &memory)?;
        }
        let space = cx.records::<Instance>().await?;
        let result = space.space().txn(txn).await.map_err(store_fault)?;
        Ok(matches!(result, TxnResult::Committed { .. }))
    }

    /// The `Reservation` shape.
    fn reply(&self) -> Value {
        let mut reply = self.instances.first().map_or_else(|| json!({}), reservation_view);
        let views = self.instances.iter().map(|instance| {
            let interface = self.interfaces.iter().find(|i| i.interface_id == instance.interface_id);
            instance.view(interface)
        });
        reply["Instances"] = views.collect();
        reply
    }
}

fn create<T: Resource>(txn: Txn, value: &T) -> Result<Txn, Fault> {
    let key = Records::<T>::key(&value.id());
    Ok(txn.expect(&key, 0).put(&key, encode(value)?))
}

/// The service that calls in its own name, as reservations show it.
fn requester(cx: &Cx) -> Option<String> {
    match &cx.caller.principal {
        Principal::Service(name) => Some(name.clone()),
        _ => None,
    }
}

fn interface(cx: &Cx, spec: &LaunchSpec, ids: &mut Ids, ip: Ipv4Addr, public: Option<Ipv4Addr>) -> Interface {
    let octets = ids.hex("mac", 10);
    let mac = (0..5).fold("02".to_string(), |mac, i| format!("{mac}:{}", &octets[2 * i..2 * i + 2]));
    Interface {
        interface_id: ids.ec2("eni"),
        attachment_id: ids.ec2("eni-attach"),
        instance_id: ids.ec2("i"),
        attached: cx.rt.now(),
        delete_on_termination: spec.interface.delete_on_termination.unwrap_or(true),
        description: spec.interface.description.clone().unwrap_or_default(),
        subnet_id: spec.subnet.subnet_id.clone(),
        vpc_id: spec.vpc.vpc_id.clone(),
        zone: spec.subnet.availability_zone.clone(),
        zone_id: spec.subnet.availability_zone_id.clone(),
        private_ip: ip,
        private_dns_name: format!("ip-{}.{}", dashed(ip), internal_domain(&cx.region)),
        public_ip: public,
        public_dns_name: match public {
            Some(ip) if spec.vpc.enable_dns_hostnames => format!("ec2-{}.{}", dashed(ip), public_domain(&cx.region)),
            _ => String::new(),
        },
        mac,
        groups: spec.groups.clone(),
        requester: requester(cx).unwrap_or_else(|| ACCOUNT.into()),
        tags: Vec::new(),
    }
}

fn dashed(ip: Ipv4Addr) -> String {
    ip.to_string().replace('.', "-")
}

fn public_domain(region: &str) -> String {
    match region {
        "us-east-1" => "compute-1.amazonaws.com".into(),
        other => format!("{other}.compute.amazonaws.com"),
    }
}

/// Public addresses, if the interface gets them.
async fn public_addresses(cx: &Cx, spec: &LaunchSpec, count: usize) -> Result<Vec<Ipv4Addr>, Fault> {
    if !spec.interface.associate_public_ip_address.unwrap_or(spec.subnet.map_public_ip_on_launch) {
        return Ok(Vec::new());
    }
    let block = ipnet::Ipv4Net::new(PUBLIC_BLOCK.0, PUBLIC_BLOCK.1).map_err(Fault::internal)?;
    let taken: BTreeSet<Ipv4Addr> =
        cx.records::<PublicAddress>().await?.list().await?.into_iter().map(|address| address.ip).collect();
    let start = Ids::regional(cx, 1).await?.below("public-address", crate::ec2::addresses::usable(block));
    Ok(pick(block, start, count, &taken))
}

/// The disks: the image's root with what the request changes, and further ones.
fn spec_disks(input: &RunInput, image: &Image) -> Vec<Disk> {
    let disk = |device: &str, gib: u64| Disk {
        device: device.into(),
        volume_id: String::new(),
        delete_on_termination: true,
        gib,
        volume_type: "gp3".into(),
    };
    let mut disks = vec![disk(image.root_device(), image.root_gib())];
    for DiskInput { device_name, ebs } in &input.block_device_mappings {
        let device = device_name.as_deref().unwrap_or(image.root_device());
        let index = disks.iter().position(|d| d.device == device).unwrap_or_else(|| {
            disks.push(disk(device, 8));
            disks.len() - 1
        });
        let disk = &mut disks[index];
        disk.delete_on_termination = ebs.delete_on_termination.unwrap_or(disk.delete_on_termination);
        disk.gib = ebs.volume_size.unwrap_or(disk.gib);
        disk.volume_type = ebs.volume_type.clone().unwrap_or_else(|| disk.volume_type.clone());
    }
    disks
}

/// Takes an input apart; it is a structure, since the model says so.
pub fn members(input: Value) -> Result<Map<String, Value>, Fault> {
    match input {
        Value::Object(members) => Ok(members),
        _ => Err(Fault::internal("the input is no structure")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_go_by_family() {
        assert_eq!(
            ["g5.xlarge", "inf2.xlarge", "m6gd.large", "u-6tb1.metal"].map(family_letters),
            ["g", "inf", "m", "u"]
        );
        let standard = instance_type("t3.medium").map(quota_of).expect("t3.medium");
        assert_eq!(standard.0, limits::STANDARD_FAMILIES);
        assert_eq!(instance_type("g5.xlarge").map(quota_of).expect("g5.xlarge").0, ["g", "vt"]);
    }
}
