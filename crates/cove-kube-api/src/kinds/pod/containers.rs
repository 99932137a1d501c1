//! Containers, init containers and ephemeral containers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;

use super::environment::environment;
use super::volumes::{Volumes, devices, mounts};
use super::{probes, resources, security};

/// What validation of containers needs to know of the pod.
pub(super) struct Pod<'a> {
    pub(super) spec: At<'a>,
    pub(super) volumes: Volumes<'a>,
    pub(super) claims: Seen<'a>,
    pub(super) grace: i64,
}

impl Pod<'_> {
    fn os(&self) -> &str {
        self.spec.value.get("os").and_then(|os| os.get("name")).and_then(Value::as_str).unwrap_or_default()
    }
}

/// All containers of a pod.
pub(super) fn containers(pod: &Pod<'_>, errors: &mut Errors) {
    let list = pod.spec.get("containers");
    if list.is_empty() {
        errors.required(&list, "");
    }
    let mut names = Seen::default();
    let mut host_ports = BTreeSet::new();
    for container in list.items() {
        common(pod, &container, errors);
        unique_name(&container, &mut names, errors);
        probes::lifecycle(&container, pod.grace, pod.os(), errors);
        probes::probes(&container, pod.grace, errors);
        restart_policy(&container, errors);
        resources::resize_policy(&container, pod.spec.text_of("restartPolicy"), errors);
        conflicts(&container, &mut host_ports, errors);
    }
    for container in pod.spec.list("initContainers") {
        init(pod, &container, &mut names, errors);
    }
    for container in pod.spec.list("ephemeralContainers") {
        ephemeral(pod, &container, &mut names, errors);
    }
}

fn unique_name<'a>(container: &At<'a>, names: &mut Seen<'a>, errors: &mut Errors) {
    let name = container.get("name");
    if !name.is_empty() {
        names.unique(&name, errors);
    }
}

fn common(pod: &Pod<'_>, container: &At<'_>, errors: &mut Errors) {
    errors.need_valid(&container.get("name"), names::dns1123_label);
    let image = container.get("image");
    if image.is_empty() {
        errors.required(&image, "");
    } else if image.text().trim() != image.text() {
        errors.invalid(&image, "must not have leading or trailing whitespace");
    }
    errors.need_one_of(&container.get("terminationMessagePolicy"), &["File", "FallbackToLogsOnError"]);
    ports(container, pod.spec.flag_of("hostNetwork"), errors);
    environment(container, errors);
    mounts(container, &pod.volumes, errors);
    devices(container, &pod.volumes, errors);
    errors.need_one_of(&container.get("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    resources::requirements(&container.get("resources"), &pod.claims, errors);
    security::container_context(&container.get("securityContext"), &pod.spec, errors);
}

/// A sidecar is an init container with restart policy `Always`; only sidecars have probes and hooks.
fn init<'a>(pod: &Pod<'_>, container: &At<'a>, names: &mut Seen<'a>, errors: &mut Errors) {
    common(pod, container, errors);
    unique_name(container, names, errors);
    let sidecar = container.text_of("restartPolicy") == "Always";
    if sidecar {
        probes::lifecycle(container, pod.grace, pod.os(), errors);
        probes::probes(container, pod.grace, errors);
    } else {
        for member in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            let at = container.get(member);
            if at.is_set() {
                errors.forbidden(&at, "may not be set for init containers without restartPolicy=Always");
            }
        }
        let policy = container.get("resizePolicy");
        if !policy.is_empty() {
            errors.invalid(&policy, "must not be set for init containers");
        }
    }
    if sidecar && !container.get("restartPolicyRules").is_empty() {
        let why = "restartPolicyRules are not allowed for init containers with restart policy Always";
        errors.forbidden(&container.get("restartPolicyRules"), why);
    }
    restart_policy(container, errors);
    conflicts(container, &mut BTreeSet::new(), errors);
}

fn restart_policy(container: &At<'_>, errors: &mut Errors) {
    let (policy, rules) = (container.get("restartPolicy"), container.get("restartPolicyRules"));
    if !rules.is_empty() && policy.text().is_empty() {
        errors.required(&policy, "must specify restartPolicy when restart rules are used");
    }
    errors.one_of(&policy, &["Always", "Never", "OnFailure"]);
    if rules.len() > 20 {
        errors.too_long(&rules, 20);
    }
    for rule in rules.items() {
        errors.need_one_of(&rule.get("action"), &["Restart", "RestartAllContainers"]);
        let codes = rule.get("exitCodes");
        if !codes.is_set() {
            errors.required(&codes, "must be specified");
            continue;
        }
        errors.need_one_of(&codes.get("operator"), &["In", "NotIn"]);
        if codes.get("values").len() > 255 {
            errors.too_long(&codes.get("values"), 255);
        }
    }
}

fn ports(container: &At<'_>, host_network: bool, errors: &mut Errors) {
    let mut names = Seen::default();
    for one in container.list("ports") {
        let name = one.get("name");
        if !name.is_empty() {
            let wrong = names::port_name(name.text());
            if wrong.is_empty() {
                names.unique(&name, errors);
            }
            errors.messages(&name, wrong);
        }
        let (port, host) = (one.get("containerPort"), one.get("hostPort"));
        if port.is_empty() {
            errors.required(&port, "");
        } else {
            errors.number(&port, names::port_number);
        }
        if !host.is_empty() {
            errors.number(&host, names::port_number);
            if host_network && host.value != port.value {
                errors.invalid(&host, "must match `containerPort` when `hostNetwork` is true");
            }
        }
        errors.need_one_of(&one.get("protocol"), &["SCTP", "TCP", "UDP"]);
        errors.if_set(&one.get("hostIP"), names::ip);
    }
}

/// No two ports may claim the same protocol, address and port of the host.
fn conflicts(container: &At<'_>, taken: &mut BTreeSet<String>, errors: &mut Errors) {
    for port in container.list("ports") {
        let Some(number) = port.number_of("hostPort").filter(|n| *n != 0) else { continue };
        let key = format!("{}/{}/{number}", port.text_of("protocol"), port.text_of("hostIP"));
        if taken.contains(&key) {
            let value = Value::from(key.as_str());
            errors.duplicate(&At::new(&value, port.child("hostPort")));
        }
        taken.insert(key);
    }
}

/// A port by number or by name.
pub(in crate::kinds) fn port(at: &At<'_>, errors: &mut Errors) {
    match at.value {
        Value::String(name) => errors.messages(at, names::port_name(name)),
        Value::Number(_) => errors.messages(at, names::port_number(at.number().unwrap_or_default())),
        _ => errors.invalid(&At::new(&Value::from(0), at.path.clone()), "must be between 1 and 65535, inclusive"),
    }
}

/// What an ephemeral container may have; everything else is refused by name.
const EPHEMERAL_FIELDS: [&str; 16] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "env",
    "envFrom",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
];

fn ephemeral<'a>(pod: &Pod<'a>, container: &At<'a>, names: &mut Seen<'a>, errors: &mut Errors) {
    common(pod, container, errors);
    unique_name(container, names, errors);
    let target = container.get("targetContainerName");
    let exists = |list: &str| pod.spec.list(list).any(|c| c.text_of("name") == target.text());
    if !target.is_empty() && !exists("containers") && !exists("initContainers") {
        errors.not_found(&target);
    }
    for (key, value) in container.value.as_object().into_iter().flatten() {
        let at = At::new(value, container.child(key));
        if key != "targetContainerName" && !EPHEMERAL_FIELDS.contains(&key.as_str()) && !at.is_empty() {
            errors.forbidden(&at, "cannot be set for an Ephemeral Container");
        }
    }
    for mount in container.list("volumeMounts") {
        for member in ["subPath", "subPathExpr"] {
            let at = mount.get(member);
            if !at.is_empty() {
                errors.forbidden(&at, "cannot be set for an Ephemeral Container");
            }
        }
    }
}
