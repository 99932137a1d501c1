//! Security contexts of pods and containers.

use serde_json::Value;

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;

/// What a Windows pod may not set, below the pod spec.
const NOT_ON_WINDOWS: [&str; 15] = [
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "hostUsers",
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
];

/// What a container of a Windows pod may not set.
const NOT_ON_WINDOWS_CONTAINER: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// The `securityContext` of a pod, and the host settings beside it.
pub(super) fn pod_context(spec: &At<'_>, errors: &mut Errors) {
    let context = spec.get("securityContext");
    for member in ["fsGroup", "runAsUser", "runAsGroup"] {
        errors.number(&context.get(member), names::unix_id);
    }
    for group in context.list("supplementalGroups") {
        errors.number(&group, names::unix_id);
    }
    errors.one_of(&context.get("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    if spec.flag_of("shareProcessNamespace") && spec.flag_of("hostPID") {
        let at = At::new(&Value::Bool(true), context.child("shareProcessNamespace"));
        errors.invalid(&at, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    sysctls(spec, &context, errors);
    errors.one_of(&context.get("fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    errors.one_of(&context.get("seLinuxChangePolicy"), &["MountOption", "Recursive"]);
    profiles(&context, errors);
    windows_options(&context, errors);
    if spec.value.get("hostUsers").and_then(Value::as_bool) == Some(false) {
        for (member, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
            if spec.flag_of(member) {
                errors.forbidden(&At::new(&Value::Null, spec.child(shown)), "when `hostUsers` is false");
            }
        }
    }
    os(spec, &context, errors);
}

fn os(spec: &At<'_>, context: &At<'_>, errors: &mut Errors) {
    let os = spec.get("os");
    if !os.is_set() {
        return;
    }
    let name = os.get("name");
    match name.text() {
        "" => errors.required(&name, ""),
        "linux" => {
            if context.has("windowsOptions") {
                errors.forbidden(&context.get("windowsOptions"), "windows options cannot be set for a linux pod");
            }
        }
        "windows" => {
            for member in NOT_ON_WINDOWS {
                let at = spec.get(member);
                if !at.is_empty() {
                    errors.forbidden(&at, "cannot be set for a windows pod");
                }
            }
        }
        _ => errors.not_supported(&At::new(name.value, os.path.clone()), &["linux", "windows"]),
    }
}

fn sysctls(spec: &At<'_>, context: &At<'_>, errors: &mut Errors) {
    let mut seen = Seen::default();
    for sysctl in context.list("sysctls") {
        let name = sysctl.get("name");
        let text = name.text().replace('/', ".");
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() {
            errors.required(&name, "");
        } else if text.len() > 253 || !text.bytes().all(good) {
            const REGEX: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&name, format!("must have at most 253 characters and match regex {REGEX}"));
        } else {
            seen.unique(&name, errors);
        }
        if spec.flag_of("hostNetwork") && text.starts_with("net.") {
            errors.invalid(&name, "may not be specified when 'hostNetwork' is true");
        }
        let ipc = text.starts_with("fs.mqueue.") || text.starts_with("kernel.shm") || text.starts_with("kernel.msg");
        if spec.flag_of("hostIPC") && (ipc || text == "kernel.sem") {
            errors.invalid(&name, "may not be specified when 'hostIPC' is true");
        }
    }
}

/// The profiles of seccomp and AppArmor, of pods and containers alike.
fn profiles(context: &At<'_>, errors: &mut Errors) {
    for (member, words) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
        let profile = context.get(member);
        if !profile.is_set() {
            continue;
        }
        let (kind, path) = (profile.get("type"), profile.get("localhostProfile"));
        match kind.text() {
            "" => errors.required(&kind, &format!("type is required when {member} is set")),
            "Localhost" if path.text().is_empty() => {
                errors.required(&path, &format!("must be set when {words} type is Localhost"));
            }
            "Localhost" => {
                if member == "appArmorProfile" && path.text().trim() != path.text() {
                    errors.invalid(&path, "must not be padded with whitespace");
                }
                if member == "appArmorProfile" && path.text().len() > 4095 {
                    errors.too_long(&path, 4095);
                }
            }
            "RuntimeDefault" | "Unconfined" => {
                if path.is_set() {
                    errors.invalid(&path, format!("can only be set when {words} type is Localhost"));
                }
            }
            _ => errors.not_supported(&kind, &["Localhost", "RuntimeDefault", "Unconfined"]),
        }
    }
}

fn windows_options(context: &At<'_>, errors: &mut Errors) {
    let options = context.get("windowsOptions");
    errors.if_set(&options.get("gmsaCredentialSpecName"), names::dns1123_subdomain);
    let spec = options.get("gmsaCredentialSpec");
    if spec.is_set() && spec.text().is_empty() {
        errors.invalid(&spec, "gmsaCredentialSpec cannot be an empty string");
    } else if spec.text().len() > 64 * 1024 {
        errors.invalid(&spec, "gmsaCredentialSpec size must be under 64 KiB");
    }
    let user = options.get("runAsUserName");
    if !user.is_set() {
        return;
    }
    let name = user.text();
    if name.is_empty() {
        errors.invalid(&user, "runAsUserName cannot be an empty string");
    }
    if name.chars().any(char::is_control) {
        errors.invalid(&user, "runAsUserName cannot contain control characters");
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let account = match parts.as_slice() {
        [account] => account,
        [domain, account] => {
            if domain.len() >= 256 {
                errors.invalid(&user, "runAsUserName's Domain length must be under 256 characters");
            }
            account
        }
        _ => return errors.invalid(&user, "runAsUserName cannot contain more than one backslash"),
    };
    if account.is_empty() && !name.is_empty() {
        errors.invalid(&user, "runAsUserName's User cannot be empty");
    }
    if account.len() > 104 {
        errors.invalid(&user, "runAsUserName's User length must not be longer than 104 characters");
    }
    if account.contains(|c| "\"/:;|=,+*?<>@[]".contains(c)) {
        let why = "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]";
        errors.invalid(&user, why);
    }
}

/// The `securityContext` of a container.
pub(super) fn container_context(context: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    if !context.is_set() {
        return;
    }
    for member in ["runAsUser", "runAsGroup"] {
        errors.number(&context.get(member), names::unix_id);
    }
    let mount = context.get("procMount");
    errors.one_of(&mount, &["Default", "Unmasked"]);
    let own_users = spec.value.get("hostUsers").and_then(Value::as_bool) == Some(false);
    if mount.text() == "Unmasked" && !own_users {
        errors.invalid(&mount, "`hostUsers` must be false to use `Unmasked`");
    }
    if context.value.get("allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
        if context.flag_of("privileged") {
            errors.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        if context.get("capabilities").list("add").any(|c| c.text() == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid(context, why);
        }
    }
    profiles(context, errors);
    windows_options(context, errors);
    match spec.value.get("os").and_then(|os| os.get("name")).and_then(Value::as_str) {
        Some("windows") => {
            for member in NOT_ON_WINDOWS_CONTAINER.into_iter().filter(|m| context.has(m)) {
                errors.forbidden(&At::new(&Value::Null, spec.child(member)), "cannot be set for a windows pod");
            }
        }
        Some("linux") if context.has("windowsOptions") => {
            let at = At::new(&Value::Null, spec.child("windowsOptions"));
            errors.forbidden(&at, "windows options cannot be set for a linux pod");
        }
        _ => {}
    }
}
