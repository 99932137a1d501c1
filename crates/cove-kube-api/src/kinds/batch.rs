//! Job and CronJob.

use serde_json::{Value, json};

use crate::selector::LabelSelector;

use super::fill::{Fill, each, set};
use super::pod::{default_template, label_selector, template_warnings, validate_template};
use super::rules::{At, Errors, is_zero};
use super::table_rules::{BASE, Rules};

pub(super) const JOB: Rules = Rules {
    default: default_job,
    create: |object| {
        (BASE.create)(object);
        generate_selector(object);
    },
    validate: |at, errors| job(at, errors),
    change: job_change,
    immutable: &[
        "spec.selector",
        "spec.completionMode",
        "spec.podFailurePolicy",
        "spec.backoffLimitPerIndex",
        "spec.managedBy",
        "spec.successPolicy",
    ],
    warn: |at| template_warnings(&at.get("spec.template")),
    ..BASE
};

pub(super) const CRON_JOB: Rules = Rules {
    default: |object| default_template(object, "spec.jobTemplate.spec.template"),
    validate: cron_job,
    warn: |at| template_warnings(&at.get("spec.jobTemplate.spec.template")),
    ..BASE
};

fn default_job(object: &mut Value) {
    default_template(object, "spec.template");
    each(object, "spec", &mut |spec| {
        let absent = |member: &str| spec.get(member).is_none_or(Value::is_null);
        let (none, per_index) = (absent("completions") && absent("parallelism"), !absent("backoffLimitPerIndex"));
        let policy = !absent("podFailurePolicy");
        if none {
            set(spec, "completions", Fill::NullNumber(1));
        }
        set(spec, "parallelism", Fill::NullNumber(1));
        set(spec, "backoffLimit", Fill::NullNumber(if per_index { i64::from(i32::MAX) } else { 6 }));
        let replacement = if policy { "Failed" } else { "TerminatingOrFailed" };
        set(spec, "podReplacementPolicy", Fill::NullText(replacement));
    });
    let labels = object.pointer("/spec/template/metadata/labels").filter(|l| !is_zero(l)).cloned();
    if let Some(labels) = labels {
        each(object, "metadata", &mut |metadata| {
            if metadata.get("labels").is_none_or(is_zero) {
                metadata.insert("labels".into(), labels.clone());
            }
        });
    }
}

/// Without `manualSelector` a job selects its pods by its own uid.
fn generate_selector(object: &mut Value) {
    if object.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let meta = |member: &str| object.pointer(&format!("/metadata/{member}")).cloned().unwrap_or_else(|| "".into());
    let (uid, name) = (meta("uid"), meta("name"));
    each(object, "spec", &mut |spec| {
        if spec.get("selector").is_none_or(Value::is_null) {
            spec.insert("selector".into(), json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } }));
        }
        let template = spec.entry("template").or_insert_with(|| json!({}));
        let Some(metadata) = super::fill::object(template, "metadata") else { return };
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if !labels.is_object() {
            *labels = json!({});
        }
        for (key, value) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            if labels.get(key).is_none() {
                labels[key] = value.clone();
            }
        }
    });
}

fn job(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    job_spec(&spec, errors);
    let selector = spec.get("selector");
    if !selector.is_set() {
        return errors.required(&selector, "");
    }
    label_selector(&selector, errors);
    let labels = spec.get("template.metadata.labels");
    if !LabelSelector::from_json(selector.value).is_ok_and(|s| s.matches(labels.value)) {
        errors.invalid(&labels, "`selector` does not match template `labels`");
    }
}

fn job_spec(spec: &At<'_>, errors: &mut Errors) {
    for member in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.non_negative(&spec.get(member));
    }
    let indexed = spec.text_of("completionMode") == "Indexed";
    errors.one_of(&spec.get("completionMode"), &["NonIndexed", "Indexed"]);
    if indexed && !spec.has("completions") {
        errors.required(&spec.get("completions"), "when completion mode is Indexed");
    }
    if indexed && spec.number_of("parallelism").is_some_and(|n| n > 100_000) {
        let why = "must be less than or equal to 100000 when completion mode is Indexed";
        errors.invalid(&spec.get("parallelism"), why);
    }
    for member in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
        if !indexed && spec.has(member) {
            errors.invalid(&spec.get(member), "requires indexed completion mode");
        }
    }
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        errors.required(&spec.get("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let (Some(failed), Some(completions)) = (spec.number_of("maxFailedIndexes"), spec.number_of("completions"))
        && failed > completions
    {
        errors.invalid(&spec.get("maxFailedIndexes"), "must be less than or equal to completions");
    }
    if spec.text_of("managedBy").len() > 63 {
        errors.too_long(&spec.get("managedBy"), 63);
    }
    let replacement: &[&str] =
        if spec.has("podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    errors.one_of(&spec.get("podReplacementPolicy"), replacement);
    let template = spec.get("template");
    validate_template(&template, errors);
    let restart = template.get("spec.restartPolicy");
    match restart.text() {
        "" | "Always" => errors.required(&restart, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.has("podFailurePolicy") => {
            errors.invalid(&restart, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => errors.one_of(&restart, &["OnFailure", "Never"]),
    }
    for rule in spec.get("podFailurePolicy").list("rules") {
        let action = rule.get("action");
        errors.need_one_of(&action, &["Count", "FailIndex", "FailJob", "Ignore"]);
        if action.text() == "FailIndex" && !spec.has("backoffLimitPerIndex") {
            errors.invalid(&action, "requires the backoffLimitPerIndex to be set");
        }
        match (rule.has("onExitCodes"), !rule.get("onPodConditions").is_empty()) {
            (true, true) => {
                errors.invalid(&rule, "specifying both OnExitCodes and OnPodConditions is not supported");
            }
            (false, false) => {
                errors.invalid(&rule, "specifying one of OnExitCodes and OnPodConditions is required");
            }
            _ => {}
        }
    }
}

/// The template of a job may only change while it is suspended and has not started, and then only where it runs.
fn job_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (spec, before) = (new.get("spec"), old.get("spec"));
    if spec.text_of("completionMode") != "Indexed" {
        errors.immutable(&spec.get("completions"), &before.get("completions"));
    }
    let (template, before_template) = (spec.get("template"), before.get("template"));
    let suspended = before.flag_of("suspend") && !old.get("status").has("startTime");
    if template.value == before_template.value {
        return;
    }
    let mut mended = template.value.clone();
    if suspended {
        mend(&mut mended, before_template.value);
    }
    if mended != *before_template.value {
        errors.invalid(&template, "field is immutable");
    }
}

fn mend(template: &mut Value, old: &Value) {
    const SPEC: [&str; 4] = ["nodeSelector", "affinity", "tolerations", "schedulingGates"];
    for (path, members) in [("metadata", &["labels", "annotations"][..]), ("spec", &SPEC[..])] {
        let old = old.get(path).cloned().unwrap_or(Value::Null);
        each(template, path, &mut |map| {
            for member in members {
                match old.get(member) {
                    Some(value) => map.insert((*member).into(), value.clone()),
                    None => map.shift_remove(*member),
                };
            }
        });
    }
}

fn cron_job(object: &At<'_>, errors: &mut Errors) {
    let name = object.get("metadata.name");
    if name.text().len() > 52 {
        errors.invalid(&name, "must be no more than 52 characters");
    }
    let spec = object.get("spec");
    let schedule = spec.get("schedule");
    if errors.need(&schedule) {
        schedule_errors(&schedule, errors);
    }
    for member in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.non_negative(&spec.get(member));
    }
    errors.need_one_of(&spec.get("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    let zone = spec.get("timeZone");
    if zone.is_set() && zone.text().is_empty() {
        errors.invalid(&zone, "timeZone must be nil or non-empty string");
    }
    let job = spec.get("jobTemplate");
    let labels = job.get("metadata.labels");
    errors.0.extend(crate::validate_meta::label_errors(labels.value, &labels.path));
    job_spec(&job.get("spec"), errors);
}

/// Five fields, or a word that stands for them.
fn schedule_errors(schedule: &At<'_>, errors: &mut Errors) {
    const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    let text = schedule.text();
    if text.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        return errors.invalid(schedule, why);
    }
    if WORDS.contains(&text) || text.starts_with("@every ") {
        return;
    }
    let fields = text.split_whitespace().count();
    if fields != 5 {
        errors.invalid(schedule, format!("expected exactly 5 fields, found {fields}: [{text}]"));
    }
}
