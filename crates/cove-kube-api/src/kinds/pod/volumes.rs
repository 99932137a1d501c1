//! Volumes, and how containers mount them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;

use super::volume_sources::source;

/// The volumes of a pod by name.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a Value>;

/// All kinds of volumes, in the order in which upstream looks; with the path it reports a second one under.
const SOURCES: [(&str, &str); 30] = [
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

/// Validates the volumes and gives them by name.
pub(super) fn volumes<'a>(spec: &At<'a>, errors: &mut Errors) -> Volumes<'a> {
    let (mut found, mut seen) = (Volumes::new(), Seen::default());
    for volume in spec.list("volumes") {
        let mut own = Errors::default();
        one_source(&volume, &mut own);
        let name = volume.get("name");
        if name.is_empty() {
            own.required(&name, "");
        } else {
            own.messages(&name, names::dns1123_label(name.text()));
            seen.unique(&name, &mut own);
        }
        if own.0.is_empty() {
            found.insert(name.text(), volume.value);
        }
        errors.0.extend(own.0);
    }
    found
}

fn one_source(volume: &At<'_>, errors: &mut Errors) {
    let mut found = 0;
    for (member, shown) in SOURCES {
        let at = volume.get(member);
        if !at.is_set() {
            continue;
        }
        found += 1;
        if found > 1 {
            errors.forbidden(&At::new(at.value, volume.child(shown)), "may not specify more than 1 volume type");
        } else {
            source(member, &at, errors);
        }
    }
    if found == 0 {
        errors.required(volume, "must specify a volume type");
    }
}

/// The `volumeMounts` of a container.
pub(super) fn mounts(container: &At<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let device = |member: &str, text: &str| container.list("volumeDevices").any(|d| d.text_of(member) == text);
    let mut paths = std::collections::BTreeSet::new();
    for mount in container.list("volumeMounts") {
        let (name, path) = (mount.get("name"), mount.get("mountPath"));
        if errors.need(&name) && !volumes.contains_key(name.text()) {
            errors.not_found(&name);
        }
        errors.need(&path);
        if !paths.insert(path.text()) {
            errors.invalid(&path, "must be unique");
        }
        if device("name", name.text()) {
            errors.invalid(&name, "must not already exist in volumeDevices");
        }
        if device("devicePath", path.text()) {
            errors.invalid(&path, "must not already exist as a path in volumeDevices");
        }
        let (sub, expression) = (mount.get("subPath"), mount.get("subPathExpr"));
        relative_path(&sub, errors);
        if !expression.is_empty() {
            if !sub.is_empty() {
                errors.invalid(&expression, "subPathExpr and subPath are mutually exclusive");
            }
            relative_path(&expression, errors);
        }
        propagation(&mount, container, errors);
    }
}

fn propagation(mount: &At<'_>, container: &At<'_>, errors: &mut Errors) {
    let propagation = mount.get("mountPropagation");
    errors.one_of(&propagation, &["Bidirectional", "HostToContainer", "None"]);
    let privileged = container.get("securityContext.privileged").flag();
    if propagation.text() == "Bidirectional" && !privileged {
        errors.forbidden(&propagation, "Bidirectional mount propagation is available only to privileged containers");
    }
    let recursive = mount.get("recursiveReadOnly");
    if !recursive.is_set() {
        return;
    }
    if recursive.text() != "Disabled" && !mount.flag_of("readOnly") {
        errors.forbidden(&recursive, "may only be specified when readOnly is true");
    }
    if recursive.text() != "Disabled" && !matches!(propagation.text(), "" | "None") {
        errors.forbidden(&recursive, "may only be specified when mountPropagation is None or not specified");
    }
    errors.one_of(&recursive, &["Disabled", "Enabled", "IfPossible"]);
}

/// The `volumeDevices` of a container.
pub(super) fn devices(container: &At<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let (mut names, mut paths) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for device in container.list("volumeDevices") {
        let (name, path) = (device.get("name"), device.get("devicePath"));
        if errors.need(&name) {
            if !names.insert(name.text()) {
                errors.invalid(&name, "must be unique");
            }
            match volumes.get(name.text()) {
                None => errors.not_found(&name),
                Some(volume) if volume.get("persistentVolumeClaim").is_none() && volume.get("ephemeral").is_none() => {
                    let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    errors.invalid(&name, why);
                }
                Some(_) => {}
            }
        }
        if errors.need(&path) {
            if !paths.insert(path.text()) {
                errors.invalid(&path, "must be unique");
            }
            if path.text().split('/').any(|part| part == "..") {
                errors.invalid(&path, "can not contain backsteps ('..')");
            }
        }
    }
}

/// A path below something: relative, without `..`.
pub(super) fn relative_path(at: &At<'_>, errors: &mut Errors) {
    if at.text().starts_with('/') {
        errors.invalid(at, "must be a relative path");
    }
    no_backsteps(at, errors);
}

/// No part of the path is `..`.
pub(super) fn no_backsteps(at: &At<'_>, errors: &mut Errors) {
    if at.text().split('/').any(|part| part == "..") {
        errors.invalid(at, "must not contain '..'");
    }
}
