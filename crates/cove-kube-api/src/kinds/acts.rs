//! Which kinds something in Cove acts on. A kind leaves this list when its controller arrives.

use super::Acts;

/// What the row of a kind says.
pub(super) fn of(group: &str, kind: &str) -> Acts {
    match (group, kind) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Acts::Refuse("Cove does not serve custom resources yet: no CustomResourceDefinition can be created")
        }
        ("apiregistration.k8s.io", "APIService") => {
            Acts::Refuse("Cove does not aggregate API servers yet: no APIService can be created")
        }
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => {
            Acts::Refuse("Cove does not call admission webhooks yet: no MutatingWebhookConfiguration can be created")
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            Acts::Refuse("Cove does not call admission webhooks yet: no ValidatingWebhookConfiguration can be created")
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            Acts::Refuse("Cove does not evaluate admission policies yet: no ValidatingAdmissionPolicy can be created")
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => Acts::Refuse(
            "Cove does not evaluate admission policies yet: no ValidatingAdmissionPolicyBinding can be created",
        ),
        ("", "ResourceQuota") => Acts::Refuse("Cove does not enforce quotas yet: no ResourceQuota can be created"),
        ("", "LimitRange") => Acts::Refuse("Cove does not enforce limit ranges yet: no LimitRange can be created"),
        _ => idle(group, kind).map_or(Acts::Yes, Acts::Warn),
    }
}

/// The warning of a kind that is stored and waits for its controller.
fn idle(group: &str, kind: &str) -> Option<&'static str> {
    Some(match (group, kind) {
        ("apps", "StatefulSet") => "Cove stores StatefulSets but nothing acts on them yet",
        ("batch", "Job") => "Cove stores Jobs but nothing acts on them yet",
        ("batch", "CronJob") => "Cove stores CronJobs but nothing acts on them yet",
        ("", "ReplicationController") => "Cove stores ReplicationControllers but nothing acts on them yet",
        ("autoscaling", "HorizontalPodAutoscaler") => {
            "Cove stores HorizontalPodAutoscalers but nothing acts on them yet"
        }
        ("networking.k8s.io", "Ingress") => "Cove stores Ingresses but nothing acts on them yet",
        ("networking.k8s.io", "IngressClass") => "Cove stores IngressClasses but nothing acts on them yet",
        ("networking.k8s.io", "NetworkPolicy") => "Cove stores NetworkPolicies but nothing acts on them yet",
        ("networking.k8s.io", "ServiceCIDR") => "Cove stores ServiceCIDRs but nothing acts on them yet",
        ("networking.k8s.io", "IPAddress") => "Cove stores IPAddresses but nothing acts on them yet",
        ("", "PersistentVolumeClaim") => "Cove stores PersistentVolumeClaims but nothing acts on them yet",
        ("", "PersistentVolume") => "Cove stores PersistentVolumes but nothing acts on them yet",
        ("storage.k8s.io", "VolumeAttachment") => "Cove stores VolumeAttachments but nothing acts on them yet",
        ("storage.k8s.io", "VolumeAttributesClass") => {
            "Cove stores VolumeAttributesClasses but nothing acts on them yet"
        }
        ("storage.k8s.io", "StorageClass") => "Cove stores StorageClasses but nothing acts on them yet",
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            "Cove stores CertificateSigningRequests but nothing acts on them yet"
        }
        ("resource.k8s.io", "ResourceClaim") => "Cove stores ResourceClaims but nothing acts on them yet",
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            "Cove stores ResourceClaimTemplates but nothing acts on them yet"
        }
        ("resource.k8s.io", "DeviceClass") => "Cove stores DeviceClasses but nothing acts on them yet",
        ("resource.k8s.io", "ResourceSlice") => "Cove stores ResourceSlices but nothing acts on them yet",
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => "Cove stores FlowSchemas but nothing acts on them yet",
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            "Cove stores PriorityLevelConfigurations but nothing acts on them yet"
        }
        ("node.k8s.io", "RuntimeClass") => "Cove stores RuntimeClasses but nothing acts on them yet",
        _ => return None,
    })
}
