//! Probes, lifecycle hooks and their handlers.

use crate::kinds::rules::{At, Errors};
use crate::names;

use super::containers::port;

/// All three probes of a container.
pub(super) fn probes(container: &At<'_>, grace: i64, errors: &mut Errors) {
    for (name, single) in [("livenessProbe", true), ("readinessProbe", false), ("startupProbe", true)] {
        let probe = container.get(name);
        if !probe.is_set() {
            continue;
        }
        handler(&probe, grace, errors);
        for member in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            errors.non_negative(&probe.get(member));
        }
        let own_grace = probe.get("terminationGracePeriodSeconds");
        if own_grace.number().is_some_and(|n| n <= 0) {
            errors.invalid(&own_grace, "must be greater than 0");
        }
        if name == "readinessProbe" && own_grace.is_set() {
            errors.invalid(&own_grace, "must not be set for readinessProbes");
        }
        if single && probe.number_of("successThreshold").is_some_and(|n| n != 1) {
            errors.invalid(&probe.get("successThreshold"), "must be 1");
        }
    }
}

/// The lifecycle hooks of a container.
pub(super) fn lifecycle(container: &At<'_>, grace: i64, os: &str, errors: &mut Errors) {
    let lifecycle = container.get("lifecycle");
    for hook in ["postStart", "preStop"] {
        let hook = lifecycle.get(hook);
        if hook.is_set() {
            handler(&hook, grace, errors);
        }
    }
    let signal = lifecycle.get("stopSignal");
    if signal.text().is_empty() {
        return;
    }
    match os {
        "" => errors.forbidden(&signal, "may not be set for containers with empty `spec.os.name`"),
        "windows" => errors.one_of(&signal, &["SIGKILL", "SIGTERM"]),
        _ if !signal.text().starts_with("SIG") => errors.not_supported(&signal, &[]),
        _ => {}
    }
}

/// Exactly one of the ways to probe or to act.
fn handler(at: &At<'_>, grace: i64, errors: &mut Errors) {
    let mut found = 0;
    for name in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = at.get(name);
        if !action.is_set() {
            continue;
        }
        found += 1;
        if found > 1 {
            errors.forbidden(&action, "may not specify more than 1 handler type");
            continue;
        }
        match name {
            "exec" if action.get("command").is_empty() => errors.required(&action.get("command"), ""),
            "httpGet" => http_get(&action, errors),
            "tcpSocket" | "grpc" => port(&action.get("port"), errors),
            "sleep" => {
                let seconds = action.number_of("seconds").unwrap_or_default();
                if seconds < 0 || seconds > grace {
                    let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                    errors.invalid(&At::new(action.get("seconds").value, action.path.clone()), why);
                }
            }
            _ => {}
        }
    }
    if found == 0 {
        errors.required(at, "must specify a handler type");
    }
}

fn http_get(action: &At<'_>, errors: &mut Errors) {
    errors.need(&action.get("path"));
    port(&action.get("port"), errors);
    let scheme = action.get("scheme");
    if !matches!(scheme.text(), "HTTP" | "HTTPS") {
        errors.not_supported(&scheme, &["HTTP", "HTTPS"]);
    }
    for header in action.list("httpHeaders") {
        let name = At::new(header.get("name").value, action.child("httpHeaders"));
        errors.messages(&name, names::http_header_name(header.text_of("name")));
    }
}
