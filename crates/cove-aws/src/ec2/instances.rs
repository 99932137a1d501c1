//! Records of instances and their network interfaces.
//!
//! An instance goes pending -> running -> shutting-down -> terminated. Operations write what is wanted (a pending
//! record, or shutting-down), the reconciler does it and writes the next state. Others may watch `ec2/instance/`.

use std::net::Ipv4Addr;

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use cove_base::arn::ACCOUNT;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::instance_type;
use super::describe::{Described, Filter, Noun};
use super::state::{Tag, with_tags};
use crate::operation::Cx;
use crate::records::Resource;

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceState {
    /// It is starting.
    #[serde(rename = "pending")]
    Pending,
    /// It runs.
    #[serde(rename = "running")]
    Running,
    /// It is being terminated.
    #[serde(rename = "shutting-down")]
    ShuttingDown,
    /// It is gone; the record stays for an hour.
    #[serde(rename = "terminated")]
    Terminated,
}

impl InstanceState {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// The wire's number.
    pub fn code(self) -> u32 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
        }
    }

    /// The `InstanceState` shape.
    pub fn view(self) -> Value {
        json!({ "Code": self.code(), "Name": self.name() })
    }

    /// Whether it counts against quotas and keeps its address.
    pub fn alive(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// A security group of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupIdentifier {
    /// `sg-...`.
    pub group_id: String,
    /// Its name.
    pub group_name: String,
}

/// The instance profile of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileOfInstance {
    /// The profile's ARN.
    pub arn: String,
    /// `AIPA...`.
    pub id: String,
    /// The name of the role in it when the instance was started.
    pub role_name: Option<String>,
}

/// A disk of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// `/dev/xvda`.
    pub device: String,
    /// `vol-...`.
    pub volume_id: String,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// GiB.
    pub gib: u64,
    /// `gp3`.
    pub volume_type: String,
}

/// How the metadata service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MetadataOptions {
    /// `optional` or `required`.
    pub http_tokens: String,
    /// How far answers travel.
    pub http_put_response_hop_limit: u32,
    /// `enabled` or `disabled`.
    pub http_endpoint: String,
    /// `enabled` or `disabled`.
    pub http_protocol_ipv6: String,
    /// `enabled` or `disabled`.
    pub instance_metadata_tags: String,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            http_tokens: "required".into(),
            http_put_response_hop_limit: 2,
            http_endpoint: "enabled".into(),
            http_protocol_ipv6: "disabled".into(),
            instance_metadata_tags: "disabled".into(),
        }
    }
}

/// An instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// `i-...`.
    pub instance_id: String,
    /// `r-...`: one per RunInstances.
    pub reservation_id: String,
    /// Its place within the reservation.
    pub launch_index: usize,
    /// The service that asked for it (`autoscaling.amazonaws.com`), if not the account itself.
    pub requester: Option<String>,
    /// The client token, or empty.
    pub client_token: String,
    /// How it stands.
    pub state: InstanceState,
    /// Why it is not running: code and message.
    pub state_reason: Option<(String, String)>,
    /// Such as `User initiated (2026-11-25 16:00:00 GMT)`.
    pub transition_reason: String,
    /// When RunInstances made it.
    pub launched: Timestamp,
    /// When it became terminated.
    pub terminated: Option<Timestamp>,
    /// `ami-...`.
    pub image_id: String,
    /// Such as `t3.medium`.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The zone.
    pub zone: String,
    /// Its id.
    pub zone_id: String,
    /// The VPC.
    pub vpc_id: String,
    /// The subnet.
    pub subnet_id: String,
    /// The primary interface.
    pub interface_id: String,
    /// The private address.
    pub private_ip: Ipv4Addr,
    /// Its name.
    pub private_dns_name: String,
    /// The public address.
    pub public_ip: Option<Ipv4Addr>,
    /// Its name, or empty.
    pub public_dns_name: String,
    /// The security groups.
    pub groups: Vec<GroupIdentifier>,
    /// The instance profile.
    pub profile: Option<ProfileOfInstance>,
    /// User data, base64.
    pub user_data: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Whether detailed monitoring is on.
    pub monitoring: bool,
    /// Whether it is EBS-optimized.
    pub ebs_optimized: bool,
    /// The disks, root first.
    pub disks: Vec<Disk>,
    /// The metadata service.
    pub metadata: MetadataOptions,
    /// `spot`, or nothing for on-demand.
    pub lifecycle: Option<String>,
    /// `sir-...` of a spot instance.
    pub spot_request_id: Option<String>,
    /// Whether TerminateInstances is refused.
    pub termination_protected: bool,
}

impl Resource for Instance {
    const KIND: &'static str = "ec2/instance";
    fn id(&self) -> String {
        self.instance_id.clone()
    }
}

impl Instance {
    /// A tag's value.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }

    /// Whether it still has its interface.
    fn has_network(&self) -> bool {
        self.state != InstanceState::Terminated
    }

    /// The model's shape.
    pub fn view(&self, interface: Option<&Interface>) -> Value {
        let mut view = with_tags(self.view_of_facts(), &self.tags);
        if let Some(profile) = self.profile.as_ref().filter(|_| self.has_network()) {
            view["IamInstanceProfile"] = json!({ "Arn": profile.arn, "Id": profile.id });
        }
        if let Some((code, message)) = &self.state_reason {
            view["StateReason"] = json!({ "Code": code, "Message": message });
        }
        if let Some(lifecycle) = &self.lifecycle {
            view["InstanceLifecycle"] = json!(lifecycle);
            view["SpotInstanceRequestId"] = json!(self.spot_request_id);
        }
        if self.has_network() {
            view["SubnetId"] = json!(self.subnet_id);
            view["VpcId"] = json!(self.vpc_id);
            view["PrivateIpAddress"] = json!(self.private_ip);
            if let Some(ip) = self.public_ip {
                view["PublicIpAddress"] = json!(ip);
            }
        }
        view["NetworkInterfaces"] = json!(interface.map(Interface::view_in_instance).into_iter().collect::<Vec<_>>());
        view
    }

    fn view_of_facts(&self) -> Value {
        let up = self.has_network();
        let facts = instance_type(&self.instance_type);
        let number = |column: &str| facts.map_or(0, |t| t.number(column));
        let groups = if up { self.groups.clone() } else { Vec::new() };
        json!({
            "Architecture": self.architecture,
            "BlockDeviceMappings": if up { self.disks.iter().map(|d| self.disk_view(d)).collect() } else { Vec::new() },
            "ClientToken": self.client_token,
            "EbsOptimized": self.ebs_optimized,
            "EnaSupport": true,
            "Hypervisor": "xen",
            "RootDeviceName": self.disks.first().map_or("/dev/xvda", |disk| disk.device.as_str()),
            "RootDeviceType": "ebs",
            "SecurityGroups": groups,
            "SourceDestCheck": true,
            "VirtualizationType": "hvm",
            "CpuOptions": { "CoreCount": number("cores"), "ThreadsPerCore": number("threads_per_core") },
            "CapacityReservationSpecification": { "CapacityReservationPreference": "open" },
            "HibernationOptions": { "Configured": false },
            "MetadataOptions": self.metadata_view(),
            "EnclaveOptions": { "Enabled": false },
            "BootMode": "uefi-preferred",
            "CurrentInstanceBootMode": if self.architecture == "arm64" { "uefi" } else { "legacy-bios" },
            "PlatformDetails": "Linux/UNIX",
            "UsageOperation": "RunInstances",
            "UsageOperationUpdateTime": self.launched.as_secs(),
            "PrivateDnsNameOptions": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": false,
                "EnableResourceNameDnsAAAARecord": false,
            },
            "MaintenanceOptions": { "AutoRecovery": "default", "RebootMigration": "default" },
            "NetworkPerformanceOptions": { "BandwidthWeighting": "default" },
            "Operator": { "Managed": false },
            "InstanceId": self.instance_id,
            "ImageId": self.image_id,
            "State": self.state.view(),
            "PrivateDnsName": if up { self.private_dns_name.as_str() } else { "" },
            "PublicDnsName": if up { self.public_dns_name.as_str() } else { "" },
            "StateTransitionReason": self.transition_reason,
            "AmiLaunchIndex": self.launch_index,
            "ProductCodes": [],
            "InstanceType": self.instance_type,
            "LaunchTime": self.launched.as_secs(),
            "Placement": {
                "AvailabilityZoneId": self.zone_id,
                "GroupName": "",
                "Tenancy": "default",
                "AvailabilityZone": self.zone,
            },
            "Monitoring": { "State": if self.monitoring { "enabled" } else { "disabled" } },
        })
    }

    fn disk_view(&self, disk: &Disk) -> Value {
        json!({
            "DeviceName": disk.device,
            "Ebs": {
                "AttachTime": self.launched.as_secs(),
                "DeleteOnTermination": disk.delete_on_termination,
                "Status": if self.state == InstanceState::Pending { "attaching" } else { "attached" },
                "VolumeId": disk.volume_id,
            },
        })
    }

    fn metadata_view(&self) -> Value {
        let mut view = json!(self.metadata);
        view["State"] = json!(if self.state == InstanceState::Pending { "pending" } else { "applied" });
        view
    }
}

impl Described for Instance {
    const MEMBER: &'static str = "Instances";
    const IDS: &'static str = "InstanceIds";
    const NOUN: Noun = Noun { prefix: "i", code: "InvalidInstanceID", text: "The instance ID" };
    const FILTERS: &'static [Filter] = &[
        ("architecture", "Architecture"),
        ("availability-zone", "Placement.AvailabilityZone"),
        ("availability-zone-id", "Placement.AvailabilityZoneId"),
        ("block-device-mapping.delete-on-termination", "BlockDeviceMappings.Ebs.DeleteOnTermination"),
        ("block-device-mapping.device-name", "BlockDeviceMappings.DeviceName"),
        ("block-device-mapping.status", "BlockDeviceMappings.Ebs.Status"),
        ("block-device-mapping.volume-id", "BlockDeviceMappings.Ebs.VolumeId"),
        ("client-token", "ClientToken"),
        ("dns-name", "PublicDnsName"),
        ("hypervisor", "Hypervisor"),
        ("iam-instance-profile.arn", "IamInstanceProfile.Arn"),
        ("iam-instance-profile.id", "IamInstanceProfile.Id"),
        ("image-id", "ImageId"),
        ("instance-id", "InstanceId"),
        ("instance-lifecycle", "InstanceLifecycle"),
        ("instance-state-code", "State.Code"),
        ("instance-state-name", "State.Name"),
        ("instance-type", "InstanceType"),
        ("instance.group-id", "SecurityGroups.GroupId"),
        ("instance.group-name", "SecurityGroups.GroupName"),
        ("ip-address", "PublicIpAddress"),
        ("key-name", "KeyName"),
        ("launch-index", "AmiLaunchIndex"),
        ("monitoring-state", "Monitoring.State"),
        ("network-interface.addresses.private-ip-address", "NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress"),
        ("network-interface.group-id", "NetworkInterfaces.Groups.GroupId"),
        ("network-interface.mac-address", "NetworkInterfaces.MacAddress"),
        ("network-interface.network-interface-id", "NetworkInterfaces.NetworkInterfaceId"),
        ("network-interface.private-dns-name", "NetworkInterfaces.PrivateDnsName"),
        ("network-interface.subnet-id", "NetworkInterfaces.SubnetId"),
        ("network-interface.vpc-id", "NetworkInterfaces.VpcId"),
        ("owner-id", "CoveReservation.OwnerId"),
        ("placement-group-name", "Placement.GroupName"),
        ("platform-details", "PlatformDetails"),
        ("private-dns-name", "PrivateDnsName"),
        ("private-ip-address", "PrivateIpAddress"),
        ("requester-id", "CoveReservation.RequesterId"),
        ("reservation-id", "CoveReservation.ReservationId"),
        ("root-device-name", "RootDeviceName"),
        ("root-device-type", "RootDeviceType"),
        ("source-dest-check", "SourceDestCheck"),
        ("spot-instance-request-id", "SpotInstanceRequestId"),
        ("state-reason-code", "StateReason.Code"),
        ("state-reason-message", "StateReason.Message"),
        ("subnet-id", "SubnetId"),
        ("tenancy", "Placement.Tenancy"),
        ("virtualization-type", "VirtualizationType"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    /// The shapes, each with its reservation beside it; DescribeInstances takes that out again.
    async fn views(cx: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        let interfaces = cx.records::<Interface>().await?;
        let mut out = Vec::new();
        for instance in items {
            let interface = interfaces.get(&instance.interface_id).await?.map(|record| record.value);
            let mut view = instance.view(interface.as_ref());
            view["CoveReservation"] = reservation_view(&instance);
            out.push(view);
        }
        Ok(out)
    }
}

/// The `Reservation` shape without its instances.
pub fn reservation_view(instance: &Instance) -> Value {
    let mut view = json!({ "ReservationId": instance.reservation_id, "OwnerId": ACCOUNT, "Groups": [] });
    if let Some(requester) = &instance.requester {
        view["RequesterId"] = json!(requester);
    }
    view
}

/// A network interface of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    /// `eni-...`.
    pub interface_id: String,
    /// `eni-attach-...`.
    pub attachment_id: String,
    /// Its instance.
    pub instance_id: String,
    /// When it was attached.
    pub attached: Timestamp,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// The description.
    pub description: String,
    /// The subnet.
    pub subnet_id: String,
    /// The VPC.
    pub vpc_id: String,
    /// The zone.
    pub zone: String,
    /// Its id.
    pub zone_id: String,
    /// The private address.
    pub private_ip: Ipv4Addr,
    /// Its name.
    pub private_dns_name: String,
    /// The public address.
    pub public_ip: Option<Ipv4Addr>,
    /// Its name, or empty.
    pub public_dns_name: String,
    /// The MAC address.
    pub mac: String,
    /// The security groups.
    pub groups: Vec<GroupIdentifier>,
    /// Who asked for it (an id of a user, or a service).
    pub requester: String,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for Interface {
    const KIND: &'static str = "ec2/network-interface";
    fn id(&self) -> String {
        self.interface_id.clone()
    }
}

impl Interface {
    fn association(&self) -> Option<Value> {
        let ip = self.public_ip?;
        Some(json!({ "IpOwnerId": "amazon", "PublicDnsName": self.public_dns_name, "PublicIp": ip }))
    }

    fn common_view(&self) -> Value {
        let mut address = json!({
            "Primary": true,
            "PrivateDnsName": self.private_dns_name,
            "PrivateIpAddress": self.private_ip,
        });
        let mut view = json!({
            "Description": self.description,
            "Groups": self.groups,
            "Ipv6Addresses": [],
            "MacAddress": self.mac,
            "NetworkInterfaceId": self.interface_id,
            "OwnerId": ACCOUNT,
            "PrivateDnsName": self.private_dns_name,
            "PrivateIpAddress": self.private_ip,
            "SourceDestCheck": true,
            "Status": "in-use",
            "SubnetId": self.subnet_id,
            "VpcId": self.vpc_id,
            "InterfaceType": "interface",
            "Operator": { "Managed": false },
        });
        if let Some(association) = self.association() {
            address["Association"] = association.clone();
            view["Association"] = association;
        }
        view["PrivateIpAddresses"] = json!([address]);
        view
    }

    fn attachment(&self) -> Value {
        json!({
            "AttachTime": self.attached.as_secs(),
            "AttachmentId": self.attachment_id,
            "DeleteOnTermination": self.delete_on_termination,
            "DeviceIndex": 0,
            "NetworkCardIndex": 0,
            "Status": "attached",
        })
    }

    /// The shape within an instance.
    pub fn view_in_instance(&self) -> Value {
        let mut view = self.common_view();
        view["Attachment"] = self.attachment();
        view
    }

    /// The `NetworkInterface` shape.
    pub fn view(&self) -> Value {
        let mut view = self.view_in_instance();
        view["Attachment"]["InstanceId"] = json!(self.instance_id);
        view["Attachment"]["InstanceOwnerId"] = json!(ACCOUNT);
        view["AvailabilityZone"] = json!(self.zone);
        view["AvailabilityZoneId"] = json!(self.zone_id);
        view["RequesterId"] = json!(self.requester);
        view["RequesterManaged"] = json!(false);
        view["TagSet"] = json!(self.tags);
        view
    }
}

impl Described for Interface {
    const MEMBER: &'static str = "NetworkInterfaces";
    const IDS: &'static str = "NetworkInterfaceIds";
    const NOUN: Noun = Noun { prefix: "eni", code: "InvalidNetworkInterfaceID", text: "The networkInterface ID" };
    const FILTERS: &'static [Filter] = &[
        ("addresses.association.public-ip", "PrivateIpAddresses.Association.PublicIp"),
        ("addresses.primary", "PrivateIpAddresses.Primary"),
        ("addresses.private-ip-address", "PrivateIpAddresses.PrivateIpAddress"),
        ("association.ip-owner-id", "Association.IpOwnerId"),
        ("association.public-dns-name", "Association.PublicDnsName"),
        ("association.public-ip", "Association.PublicIp"),
        ("attachment.attachment-id", "Attachment.AttachmentId"),
        ("attachment.delete-on-termination", "Attachment.DeleteOnTermination"),
        ("attachment.device-index", "Attachment.DeviceIndex"),
        ("attachment.instance-id", "Attachment.InstanceId"),
        ("attachment.instance-owner-id", "Attachment.InstanceOwnerId"),
        ("attachment.status", "Attachment.Status"),
        ("availability-zone", "AvailabilityZone"),
        ("availability-zone-id", "AvailabilityZoneId"),
        ("description", "Description"),
        ("group-id", "Groups.GroupId"),
        ("group-name", "Groups.GroupName"),
        ("interface-type", "InterfaceType"),
        ("mac-address", "MacAddress"),
        ("network-interface-id", "NetworkInterfaceId"),
        ("owner-id", "OwnerId"),
        ("private-dns-name", "PrivateDnsName"),
        ("private-ip-address", "PrivateIpAddress"),
        ("requester-id", "RequesterId"),
        ("requester-managed", "RequesterManaged"),
        ("source-dest-check", "SourceDestCheck"),
        ("status", "Status"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    async fn views(_: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        Ok(items.iter().map(Interface::view).collect())
    }
}

/// The memory of a RunInstances call with a client token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaunchToken {
    /// The client token.
    pub token: String,
    /// A digest of the parameters.
    pub fingerprint: String,
    /// The reservation that was made.
    pub reservation_id: String,
    /// Its instances.
    pub instance_ids: Vec<String>,
}

impl Resource for LaunchToken {
    const KIND: &'static str = "ec2/launch-token";
    fn id(&self) -> String {
        self.token.clone()
    }
}
