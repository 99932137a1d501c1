//! The kinds of volumes.

use std::collections::BTreeSet;

use crate::kinds::rules::{At, Errors};
use crate::names;
use crate::quantity::Quantity;

use super::environment::{VOLUME_FIELDS, field_ref, resource_field_ref};
use super::volumes::{no_backsteps, relative_path};

/// Members that must be there, for the kinds that have nothing else to check.
const REQUIRED: &[(&str, &[&str])] = &[
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["monitors", "image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &["monitors"]),
    ("quobyte", &["registry", "volume"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("secret", &["secretName"]),
    ("configMap", &["name"]),
    ("hostPath", &["path"]),
];

const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// One source of one volume.
pub(super) fn source(member: &str, at: &At<'_>, errors: &mut Errors) {
    for (_, required) in REQUIRED.iter().filter(|(name, _)| *name == member) {
        for name in *required {
            errors.need(&at.get(name));
        }
    }
    match member {
        "emptyDir" => {
            let limit = at.get("sizeLimit");
            if Quantity::from_value(limit.value).is_ok_and(|q| q.sign() < 0) {
                errors.forbidden(&limit, "SizeLimit field must be a valid resource quantity");
            }
        }
        "hostPath" => {
            no_backsteps(&at.get("path"), errors);
            errors.one_of(&at.get("type"), &HOST_PATH_TYPES);
        }
        "nfs" if !at.text_of("path").is_empty() && !at.text_of("path").starts_with('/') => {
            errors.invalid(&at.get("path"), "must be an absolute path");
        }
        "secret" | "configMap" => {
            mode(&at.get("defaultMode"), errors);
            items(at, errors);
        }
        "downwardAPI" => {
            mode(&at.get("defaultMode"), errors);
            for item in at.list("items") {
                downward(&item, at, errors);
            }
        }
        "projected" => projected(at, errors),
        "csi" => {
            if errors.need(&At::new(at.get("driver").value, at.child("driver"))) {
                errors.messages(&at.get("driver"), names::dns1123_subdomain(&at.text_of("driver").to_lowercase()));
            }
            let secret = at.get("nodePublishSecretRef");
            if secret.is_set() {
                errors.need(&secret.get("name"));
            }
        }
        "ephemeral" => {
            errors.need(&at.get("volumeClaimTemplate"));
        }
        "image" => {
            errors.need(&at.get("reference"));
            errors.one_of(&at.get("pullPolicy"), &["Always", "IfNotPresent", "Never"]);
        }
        "fc" => fibre_channel(at, errors),
        "iscsi" => iscsi(at, errors),
        _ => {}
    }
}

fn mode(at: &At<'_>, errors: &mut Errors) {
    if at.number().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors.invalid(at, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn items(at: &At<'_>, errors: &mut Errors) {
    for item in at.list("items") {
        errors.need(&item.get("key"));
        errors.need(&item.get("path"));
        inner_path(&item.get("path"), errors);
        mode(&item.get("mode"), errors);
    }
}

/// The path of a file inside a volume.
fn inner_path(at: &At<'_>, errors: &mut Errors) {
    relative_path(at, errors);
    if at.text().starts_with("..") && !at.text().starts_with("../") && at.text() != ".." {
        errors.invalid(at, "must not start with '..'");
    }
}

/// Upstream reports items of the downward API under the volume itself, without an index.
fn downward(item: &At<'_>, volume: &At<'_>, errors: &mut Errors) {
    let path = At::new(item.get("path").value, volume.child("path"));
    errors.need(&path);
    inner_path(&path, errors);
    let (field, resource) = (item.get("fieldRef"), item.get("resourceFieldRef"));
    match (field.is_set(), resource.is_set()) {
        (true, true) => {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid(&At::new(&"resource".into(), volume.path.clone()), why);
        }
        (true, false) => field_ref(&At::new(field.value, volume.child("fieldRef")), VOLUME_FIELDS, false, errors),
        (false, true) => resource_field_ref(&At::new(resource.value, volume.child("resourceFieldRef")), true, errors),
        (false, false) => errors.required(volume, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(&At::new(item.get("mode").value, volume.child("mode")), errors);
}

fn projected(at: &At<'_>, errors: &mut Errors) {
    mode(&at.get("defaultMode"), errors);
    let mut paths = BTreeSet::new();
    for source in at.list("sources") {
        let members =
            ["secret", "downwardAPI", "configMap", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
        let kinds: Vec<_> = members.into_iter().filter(|m| source.has(m)).collect();
        if kinds.len() > 1 {
            errors.forbidden(&source, "may not specify more than 1 volume type per source");
        }
        for kind in kinds {
            projection(kind, &source.get(kind), at, errors);
            let own = source.get(kind);
            let listed = own.list("items").map(|item| item.text_of("path"));
            let alone = own.value.get("path").and_then(|p| p.as_str());
            for path in listed.chain(alone).filter(|p| !p.is_empty()) {
                if !paths.insert(path) {
                    errors.invalid(&At::new(&path.into(), at.path.clone()), "conflicting duplicate paths");
                }
            }
        }
    }
}

fn projection(kind: &str, at: &At<'_>, volume: &At<'_>, errors: &mut Errors) {
    match kind {
        "secret" | "configMap" => {
            errors.need(&at.get("name"));
            items(at, errors);
        }
        "downwardAPI" => {
            for item in at.list("items") {
                downward(&item, volume, errors);
            }
        }
        "serviceAccountToken" => {
            let seconds = at.get("expirationSeconds");
            match seconds.number() {
                Some(n) if n < 600 => errors.invalid(&seconds, "may not specify a duration less than 10 minutes"),
                Some(n) if n > 1 << 32 => {
                    errors.invalid(&seconds, "may not specify a duration larger than 2^32 seconds")
                }
                _ => {}
            }
            errors.need(&At::new(at.get("path").value, volume.child("path")));
        }
        "clusterTrustBundle" => trust_bundle(at, errors),
        _ => {
            let types = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
            errors.one_of(&at.get("keyType"), &types);
            let paths = ["credentialBundlePath", "keyPath", "certificateChainPath"];
            if paths.iter().all(|p| at.text_of(p).is_empty()) {
                let why = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
                errors.required(at, why);
            }
        }
    }
}

fn trust_bundle(at: &At<'_>, errors: &mut Errors) {
    let (name, signer) = (at.get("name"), at.get("signerName"));
    match (name.is_set(), signer.is_set()) {
        (true, true) => errors.invalid(at, "only one of name and signerName may be used"),
        (true, false) if name.text().is_empty() => errors.required(&name, "must be a valid object name"),
        (true, false) if at.has("labelSelector") => {
            errors.invalid(&at.get("labelSelector"), "labelSelector must be unset if name is specified");
        }
        (false, true) if signer.text().is_empty() => errors.required(&signer, "must be a valid signer name"),
        (false, false) => errors.required(at, "either name or signerName must be specified"),
        _ => {}
    }
    errors.need(&at.get("path"));
}

fn fibre_channel(at: &At<'_>, errors: &mut Errors) {
    let (names, ids) = (at.get("targetWWNs"), at.get("wwids"));
    match (!names.is_empty(), !ids.is_empty()) {
        (false, false) => errors.required(&names, "must specify either targetWWNs or wwids, but not both"),
        (true, true) => errors.invalid(&names, "targetWWNs and wwids can not be specified simultaneously"),
        (true, false) => match at.number_of("lun") {
            None => errors.required(&at.get("lun"), "lun is required if targetWWNs is specified"),
            Some(_) => lun(&at.get("lun"), errors),
        },
        (false, true) => {}
    }
}

fn lun(at: &At<'_>, errors: &mut Errors) {
    if at.number().is_some_and(|n| !(0..=255).contains(&n)) {
        errors.invalid(at, "must be between 0 and 255, inclusive");
    }
}

fn iscsi(at: &At<'_>, errors: &mut Errors) {
    lun(&at.get("lun"), errors);
    for member in ["iqn", "initiatorName"] {
        let name = at.get(member);
        let known = ["iqn", "eui", "naa"].iter().any(|prefix| name.text().starts_with(prefix));
        if !name.text().is_empty() && !known {
            let path = at.child(if member == "iqn" { "iqn" } else { "initiatorname" });
            errors.invalid(&At::new(name.value, path), "must be valid format starting with iqn, eui, or naa");
        }
    }
    let chap = at.flag_of("chapAuthDiscovery") || at.flag_of("chapAuthSession");
    if chap && !at.has("secretRef") {
        errors.required(&at.get("secretRef"), "");
    }
}
