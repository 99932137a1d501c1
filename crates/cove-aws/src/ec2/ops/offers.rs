//! What AWS offers: regions, zones, instance types, images.

use cove_aws_wire::fault::Fault;
use serde_json::{Map, Value, json};

use super::run_instances::members;
use crate::ec2::catalog::{InstanceType, Region, instance_type, instance_types, offered_in, regions, zones};
use crate::ec2::describe::{Filter, Request, refuse_rest, take_as};
use crate::ec2::faults::invalid_parameter;
use crate::ec2::images::{Image, images};
use crate::operation::Cx;

/// `DescribeRegions`.
pub async fn describe_regions(_: Cx, input: Value) -> Result<Value, Fault> {
    const FILTERS: &[Filter] =
        &[("endpoint", "Endpoint"), ("opt-in-status", "OptInStatus"), ("region-name", "RegionName")];
    let mut input = members(input)?;
    // Every region answers, so none is left out for want of opting in.
    take_as::<bool>(&mut input, "AllRegions")?;
    let request = Request::take(&mut input, "RegionNames")?;
    refuse_rest(&input)?;
    request.check_filters(FILTERS, false)?;
    if let Some(unknown) = request.ids.iter().find(|name| !regions().iter().any(|region| region.name == **name)) {
        let message = format!("Invalid region provided: {unknown}");
        return Err(invalid_parameter(message));
    }
    let view = |region: &Region| {
        json!({
            "OptInStatus": if region.opt_in == "opt-in" { "opted-in" } else { "opt-in-not-required" },
            "RegionName": region.name,
            "Endpoint": format!("ec2.{}.amazonaws.com", region.name),
        })
    };
    let wanted = regions().iter().filter(|region| request.ids.is_empty() || request.ids.contains(&region.name));
    let mut items: Vec<(String, Value)> = wanted.map(|region| (region.name.clone(), view(region))).collect();
    items.retain(|(_, view)| request.matches(view, FILTERS));
    Ok(request.reply("Regions", items))
}

/// `DescribeAvailabilityZones` of the region.
pub async fn describe_zones(cx: Cx, input: Value) -> Result<Value, Fault> {
    const FILTERS: &[Filter] = &[
        ("group-name", "GroupName"),
        ("message", "Messages.Message"),
        ("opt-in-status", "OptInStatus"),
        ("region-name", "RegionName"),
        ("state", "State"),
        ("zone-id", "ZoneId"),
        ("zone-name", "ZoneName"),
        ("zone-type", "ZoneType"),
    ];
    let mut input = members(input)?;
    // There are no zones but availability zones.
    take_as::<bool>(&mut input, "AllAvailabilityZones")?;
    let names: Vec<String> = take_as(&mut input, "ZoneNames")?.unwrap_or_default();
    let ids: Vec<String> = take_as(&mut input, "ZoneIds")?.unwrap_or_default();
    let request = Request::take(&mut input, "")?;
    refuse_rest(&input)?;
    request.check_filters(FILTERS, false)?;
    let all = zones(&cx.region);
    let unknown = names.iter().find(|name| !all.iter().any(|zone| zone.name == **name));
    if let Some(unknown) = unknown.or_else(|| ids.iter().find(|id| !all.iter().any(|zone| zone.id == **id))) {
        return Err(invalid_parameter(format!("Invalid availability zone: [{unknown}]")));
    }
    let wanted = all.iter().filter(|zone| names.is_empty() || names.contains(&zone.name));
    let wanted = wanted.filter(|zone| ids.is_empty() || ids.contains(&zone.id));
    let mut items: Vec<(String, Value)> = wanted
        .map(|zone| {
            let view = json!({
                "OptInStatus": "opt-in-not-required",
                "Messages": [],
                "RegionName": cx.region,
                "ZoneName": zone.name,
                "ZoneId": zone.id,
                "GroupName": format!("{}-zg-1", cx.region),
                "NetworkBorderGroup": cx.region,
                "ZoneType": "availability-zone",
                "State": "available",
            });
            (zone.name.clone(), view)
        })
        .collect();
    items.retain(|(_, view)| request.matches(view, FILTERS));
    Ok(request.reply("AvailabilityZones", items))
}

/// `DescribeInstanceTypeOfferings`, by region, zone or zone id.
pub async fn describe_offerings(cx: Cx, input: Value) -> Result<Value, Fault> {
    const FILTERS: &[Filter] = &[("instance-type", "InstanceType"), ("location", "Location")];
    let mut input = members(input)?;
    let kind: String = take_as(&mut input, "LocationType")?.unwrap_or_else(|| "region".into());
    let request = Request::take(&mut input, "")?;
    refuse_rest(&input)?;
    request.check_filters(FILTERS, false)?;
    let mut items = Vec::new();
    for offered in instance_types() {
        let zones = offered_in(&offered.name, &cx.region);
        let places: Vec<&str> = match kind.as_str() {
            "region" if zones.is_empty() => Vec::new(),
            "region" => vec![cx.region.as_str()],
            "availability-zone" => zones.iter().map(|zone| zone.name.as_str()).collect(),
            "availability-zone-id" => zones.iter().map(|zone| zone.id.as_str()).collect(),
            _ => Vec::new(),
        };
        for place in places {
            let view = json!({ "InstanceType": offered.name, "LocationType": kind, "Location": place });
            if request.matches(&view, FILTERS) {
                items.push((format!("{}/{place}", offered.name), view));
            }
        }
    }
    Ok(request.reply("InstanceTypeOfferings", items))
}

const TYPE_FILTERS: &[Filter] = &[
    ("auto-recovery-supported", "AutoRecoverySupported"),
    ("bare-metal", "BareMetal"),
    ("burstable-performance-supported", "BurstablePerformanceSupported"),
    ("current-generation", "CurrentGeneration"),
    ("dedicated-hosts-supported", "DedicatedHostsSupported"),
    ("ebs-info.ebs-optimized-support", "EbsInfo.EbsOptimizedSupport"),
    ("ebs-info.encryption-support", "EbsInfo.EncryptionSupport"),
    ("ebs-info.nvme-support", "EbsInfo.NvmeSupport"),
    ("free-tier-eligible", "FreeTierEligible"),
    ("hibernation-supported", "HibernationSupported"),
    ("hypervisor", "Hypervisor"),
    ("instance-storage-info.disk.count", "InstanceStorageInfo.Disks.Count"),
    ("instance-storage-info.disk.size-in-gb", "InstanceStorageInfo.Disks.SizeInGB"),
    ("instance-storage-info.disk.type", "InstanceStorageInfo.Disks.Type"),
    ("instance-storage-info.nvme-support", "InstanceStorageInfo.NvmeSupport"),
    ("instance-storage-info.total-size-in-gb", "InstanceStorageInfo.TotalSizeInGB"),
    ("instance-storage-supported", "InstanceStorageSupported"),
    ("instance-type", "InstanceType"),
    ("memory-info.size-in-mib", "MemoryInfo.SizeInMiB"),
    ("network-info.efa-supported", "NetworkInfo.EfaSupported"),
    ("network-info.ena-support", "NetworkInfo.EnaSupport"),
    ("network-info.ipv4-addresses-per-interface", "NetworkInfo.Ipv4AddressesPerInterface"),
    ("network-info.ipv6-addresses-per-interface", "NetworkInfo.Ipv6AddressesPerInterface"),
    ("network-info.ipv6-supported", "NetworkInfo.Ipv6Supported"),
    ("network-info.maximum-network-cards", "NetworkInfo.MaximumNetworkCards"),
    ("network-info.maximum-network-interfaces", "NetworkInfo.MaximumNetworkInterfaces"),
    ("network-info.network-performance", "NetworkInfo.NetworkPerformance"),
    ("processor-info.supported-architecture", "ProcessorInfo.SupportedArchitectures"),
    ("processor-info.sustained-clock-speed-in-ghz", "ProcessorInfo.SustainedClockSpeedInGhz"),
    ("supported-boot-mode", "SupportedBootModes"),
    ("supported-root-device-type", "SupportedRootDeviceTypes"),
    ("supported-usage-class", "SupportedUsageClasses"),
    ("supported-virtualization-type", "SupportedVirtualizationTypes"),
    ("vcpu-info.default-cores", "VCpuInfo.DefaultCores"),
    ("vcpu-info.default-threads-per-core", "VCpuInfo.DefaultThreadsPerCore"),
    ("vcpu-info.default-vcpus", "VCpuInfo.DefaultVCpus"),
];

/// `DescribeInstanceTypes` of what the region offers.
pub async fn describe_types(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let request = Request::take(&mut input, "InstanceTypes")?;
    refuse_rest(&input)?;
    request.check_filters(TYPE_FILTERS, false)?;
    let offered = |t: &InstanceType| !offered_in(&t.name, &cx.region).is_empty();
    let unknown: Vec<&str> =
        request.ids.iter().filter(|id| !instance_type(id).is_some_and(offered)).map(String::as_str).collect();
    if !unknown.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(Fault::client("InvalidInstanceType", message));
    }
    let wanted = instance_types().filter(|t| request.ids.is_empty() || request.ids.contains(&t.name));
    let mut items: Vec<(String, Value)> =
        wanted.filter(|t| offered(t)).map(|t| (t.name.clone(), type_view(t))).collect();
    items.retain(|(_, view)| request.matches(view, TYPE_FILTERS));
    Ok(request.reply("InstanceTypes", items))
}

fn type_view(t: &InstanceType) -> Value {
    let nitro = t.text("hypervisor") != "xen";
    let mut view = json!({
        "InstanceType": t.name,
        "CurrentGeneration": t.flag("current_gen"),
        "FreeTierEligible": t.flag("free_tier"),
        "SupportedUsageClasses": t.text("usage").split('+').collect::<Vec<_>>(),
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": t.flag("bare_metal"),
        "ProcessorInfo": {
            "SupportedArchitectures": [t.arch()],
            "SustainedClockSpeedInGhz": t.decimal("cpu_ghz"),
            "Manufacturer": t.text("cpu_vendor"),
        },
        "VCpuInfo": {
            "DefaultVCpus": t.vcpus(),
            "DefaultCores": t.number("cores"),
            "DefaultThreadsPerCore": t.number("threads_per_core"),
        },
        "MemoryInfo": { "SizeInMiB": t.memory_mib() },
        "InstanceStorageSupported": t.number("local_nvme_gb") > 0,
        "EbsInfo": ebs_view(t, nitro),
        "NetworkInfo": network_view(t, nitro),
        "PlacementGroupInfo": { "SupportedStrategies": ["cluster", "partition", "spread"] },
        "HibernationSupported": t.flag("hibernation"),
        "BurstablePerformanceSupported": t.flag("burstable"),
        "DedicatedHostsSupported": !t.flag("burstable"),
        "AutoRecoverySupported": !t.flag("bare_metal"),
        "SupportedBootModes": if t.arch() == "arm64" { json!(["uefi"]) } else { json!(["legacy-bios", "uefi"]) },
        "NitroEnclavesSupport": "unsupported",
        "NitroTpmSupport": "unsupported",
    });
    if !t.text("hypervisor").is_empty() {
        view["Hypervisor"] = json!(t.text("hypervisor"));
    }
    if t.number("local_nvme_gb") > 0 {
        view["InstanceStorageInfo"] = storage_view(t, nitro);
    }
    if t.number("gpus") > 0 {
        view["GpuInfo"] = gpu_view(t);
    }
    view
}

fn storage_view(t: &InstanceType, nitro: bool) -> Value {
    // Such as `1x118ssd`; several kinds are joined with `+`.
    let disks = t.text("local_disks").split('+').filter_map(|part| {
        let (count, rest) = part.split_once('x')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let size: u64 = rest[..digits].parse().ok()?;
        Some(json!({ "SizeInGB": size, "Count": count.parse::<u64>().ok()?, "Type": &rest[digits..] }))
    });
    json!({
        "TotalSizeInGB": t.number("local_nvme_gb"),
        "Disks": disks.collect::<Vec<_>>(),
        "NvmeSupport": if nitro { "required" } else { "unsupported" },
        "EncryptionSupport": if nitro { "required" } else { "unsupported" },
    })
}

fn gpu_view(t: &InstanceType) -> Value {
    let (count, each) = (t.number("gpus"), t.number("gpu_mem_mib_each"));
    json!({
        "Gpus": [{
            "Name": t.text("gpu_model"),
            "Manufacturer": t.text("gpu_vendor"),
            "Count": count,
            "MemoryInfo": { "SizeInMiB": each },
        }],
        "TotalGpuMemoryInMiB": count * each,
    })
}

fn ebs_view(t: &InstanceType, nitro: bool) -> Value {
    let mut view = json!({
        "EbsOptimizedSupport": if t.number("ebs_max_mbps") > 0 { "default" } else { "unsupported" },
        "EncryptionSupport": "supported",
        "NvmeSupport": if nitro { "required" } else { "unsupported" },
        "MaximumEbsAttachments": t.number("max_ebs_volumes"),
        "AttachmentLimitType": t.text("ebs_limit_type"),
    });
    if t.number("ebs_max_mbps") > 0 {
        view["EbsOptimizedInfo"] = json!({
            "BaselineBandwidthInMbps": t.number("ebs_baseline_mbps"),
            "BaselineThroughputInMBps": t.decimal("ebs_baseline_mbps") / 8.0,
            "BaselineIops": t.number("ebs_baseline_iops"),
            "MaximumBandwidthInMbps": t.number("ebs_max_mbps"),
            "MaximumThroughputInMBps": t.decimal("ebs_max_mbps") / 8.0,
            "MaximumIops": t.number("ebs_max_iops"),
        });
    }
    view
}

fn network_view(t: &InstanceType, nitro: bool) -> Value {
    let performance = performance(t.text("net_perf"));
    json!({
        "NetworkPerformance": performance,
        "MaximumNetworkInterfaces": t.number("max_enis"),
        "MaximumNetworkCards": t.number("net_cards").max(1),
        "DefaultNetworkCardIndex": 0,
        "NetworkCards": [{
            "NetworkCardIndex": 0,
            "NetworkPerformance": performance,
            "MaximumNetworkInterfaces": t.number("max_enis_default_card"),
            "BaselineBandwidthInGbps": t.decimal("net_baseline_gbps"),
            "PeakBandwidthInGbps": t.decimal("net_peak_gbps"),
        }],
        "Ipv4AddressesPerInterface": t.number("ipv4_per_eni"),
        "Ipv6AddressesPerInterface": t.number("ipv6_per_eni"),
        "Ipv6Supported": t.number("ipv6_per_eni") > 0,
        "EnaSupport": if nitro { "required" } else { "supported" },
        "EfaSupported": t.flag("efa"),
        "EncryptionInTransitSupported": false,
        "EnaSrdSupported": false,
    })
}

/// `<=10G` is `Up to 10 Gigabit`.
fn performance(text: &str) -> String {
    let (up_to, rest) = text.strip_prefix("<=").map_or(("", text), |rest| ("Up to ", rest));
    match rest.strip_suffix('G') {
        Some(number) => format!("{up_to}{number} Gigabit"),
        None => format!("{up_to}{rest}"),
    }
}

const IMAGE_FILTERS: &[Filter] = &[
    ("architecture", "Architecture"),
    ("block-device-mapping.device-name", "BlockDeviceMappings.DeviceName"),
    ("block-device-mapping.volume-type", "BlockDeviceMappings.Ebs.VolumeType"),
    ("creation-date", "CreationDate"),
    ("description", "Description"),
    ("ena-support", "EnaSupport"),
    ("hypervisor", "Hypervisor"),
    ("image-id", "ImageId"),
    ("image-type", "ImageType"),
    ("is-public", "Public"),
    ("name", "Name"),
    ("owner-alias", "ImageOwnerAlias"),
    ("owner-id", "OwnerId"),
    ("platform", "Platform"),
    ("root-device-name", "RootDeviceName"),
    ("root-device-type", "RootDeviceType"),
    ("state", "State"),
    ("virtualization-type", "VirtualizationType"),
];

/// `DescribeImages`: the EKS-optimized images; the account has none of its own.
pub async fn describe_images(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let owners: Vec<String> = take_as(&mut input, "Owners")?.unwrap_or_default();
    for member in ["IncludeDeprecated", "IncludeDisabled"] {
        // None is either.
        take_as::<bool>(&mut input, member)?;
    }
    let users: Vec<String> = take_as(&mut input, "ExecutableUsers")?.unwrap_or_default();
    let request = Request::take(&mut input, "ImageIds")?;
    refuse_rest(&input)?;
    request.check_filters(IMAGE_FILTERS, true)?;
    let all = images(&cx.region);
    for id in &request.ids {
        if !id.starts_with("ami-") {
            return Err(Fault::client(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"ami-...\")"),
            ));
        }
        if !all.iter().any(|image| image.id == *id) {
            return Err(Fault::client("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
        }
    }
    let owned = |image: &Image| owners.is_empty() || owners.iter().any(|o| o == "amazon" || o == image.owner());
    let usable = users.is_empty() || users.iter().any(|user| user == "all");
    let wanted = all.iter().filter(|image| request.ids.is_empty() || request.ids.contains(&image.id));
    let mut items: Vec<(String, Value)> =
        wanted.filter(|image| owned(image) && usable).map(|image| (image.id.clone(), image_view(image))).collect();
    items.retain(|(_, view)| request.matches(view, IMAGE_FILTERS));
    Ok(request.reply("Images", items))
}

fn image_view(image: &Image) -> Value {
    let (year, rest) = image.day.split_at_checked(4).unwrap_or(("1970", "0101"));
    let (month, day) = rest.split_at_checked(2).unwrap_or(("01", "01"));
    let owner_alias = "amazon";
    let mut view = Map::new();
    view.extend([
        ("PlatformDetails".into(), json!("Linux/UNIX")),
        ("UsageOperation".into(), json!("RunInstances")),
        (
            "BlockDeviceMappings".into(),
            json!([{
                "DeviceName": image.root_device(),
                "Ebs": {
                    "DeleteOnTermination": true,
                    "SnapshotId": image.id.replacen("ami-", "snap-", 1),
                    "VolumeSize": image.root_gib(),
                    "VolumeType": if image.root_gib() == 2 { "gp2" } else { "gp3" },
                    "Encrypted": false,
                },
            }]),
        ),
        ("Description".into(), json!(format!("EKS-optimized Kubernetes node (k8s: {})", image.release_version))),
        ("EnaSupport".into(), json!(true)),
        ("Hypervisor".into(), json!("xen")),
        ("ImageOwnerAlias".into(), json!(owner_alias)),
        ("Name".into(), json!(image.name)),
        ("RootDeviceName".into(), json!(image.root_device())),
        ("RootDeviceType".into(), json!("ebs")),
        ("SriovNetSupport".into(), json!("simple")),
        ("VirtualizationType".into(), json!("hvm")),
        ("BootMode".into(), json!(if image.arch == "arm64" { "uefi" } else { "uefi-preferred" })),
        ("ImdsSupport".into(), json!("v2.0")),
        ("ImageId".into(), json!(image.id)),
        ("ImageLocation".into(), json!(format!("{owner_alias}/{}", image.name))),
        ("State".into(), json!("available")),
        ("OwnerId".into(), json!(image.owner())),
        ("CreationDate".into(), json!(format!("{year}-{month}-{day}T00:00:00.000Z"))),
        ("Public".into(), json!(true)),
        ("Architecture".into(), json!(image.arch)),
        ("ImageType".into(), json!("machine")),
    ]);
    Value::Object(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_types() {
        let view = type_view(instance_type("c6gd.large").expect("c6gd.large"));
        assert_eq!(view["InstanceStorageInfo"]["Disks"], json!([{"SizeInGB": 118, "Count": 1, "Type": "ssd"}]));
        assert_eq!(view["ProcessorInfo"]["SupportedArchitectures"], json!(["arm64"]));
        assert_eq!(view["NetworkInfo"]["NetworkPerformance"], "Up to 10 Gigabit");
        let view = type_view(instance_type("g5.xlarge").expect("g5.xlarge"));
        assert_eq!(view["GpuInfo"]["TotalGpuMemoryInMiB"], 22888);
    }
}
