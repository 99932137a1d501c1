//! The rules of one kind as a table of small functions; everything left out has the meaning that is right for a kind
//! without rules of its own.

use serde_json::Value;

use crate::field_error::FieldError;
use crate::strategy::{Context, Plain, Strategy};

use super::rules::{At, Errors};
use super::structure::structure;

/// Checks an object.
pub(super) type Check = fn(&At<'_>, &mut Errors);
/// Checks a change: new, old.
pub(super) type CheckChange = fn(&At<'_>, &At<'_>, &mut Errors);

/// The rules of one kind.
pub(super) struct Rules {
    /// Code defaults.
    pub(super) default: fn(&mut Value),
    /// What a create sets and clears.
    pub(super) create: fn(&mut Value),
    /// What an update keeps; with the subresource.
    pub(super) update: fn(&mut Value, &Value, &str),
    /// What is wrong with the object (not asked for writes to `/status`).
    pub(super) validate: Check,
    /// What is wrong with a change of the object itself.
    pub(super) change: CheckChange,
    /// What is wrong with a change through `/status`.
    pub(super) status: CheckChange,
    /// Warnings about the object.
    pub(super) warn: fn(&At<'_>) -> Vec<String>,
    /// Paths that may not change.
    pub(super) immutable: &'static [&'static str],
    /// Paths of numbers that may not be negative.
    pub(super) non_negative: &'static [&'static str],
    /// Whether a change raises the generation.
    pub(super) bumps: fn(&Value, &Value) -> bool,
    /// Whether enumerations and mandatory members come from the schema table.
    pub(super) structure: bool,
}

fn drop_status(object: &mut Value) {
    if let Value::Object(map) = object {
        map.shift_remove("status");
    }
}

pub(super) const BASE: Rules = Rules {
    default: |_| {},
    create: drop_status,
    update: |_, _, _| {},
    validate: |_, _| {},
    change: |_, _, _| {},
    status: |_, _, _| {},
    warn: |_| Vec::new(),
    immutable: &[],
    non_negative: &[],
    bumps: |new, old| Plain.bumps_generation(new, old),
    structure: false,
};

impl Strategy for Rules {
    fn default(&self, object: &mut Value) {
        (self.default)(object);
    }

    fn prepare_create(&self, object: &mut Value, _cx: Context<'_>) {
        (self.create)(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: Context<'_>) {
        (self.update)(new, old, cx.subresource);
    }

    fn validate(&self, object: &Value, cx: Context<'_>) -> Vec<FieldError> {
        let (mut errors, at) = (Errors::default(), At::root(object));
        if cx.subresource != "status" {
            for path in self.non_negative {
                errors.non_negative(&at.get(path));
            }
            if self.structure {
                structure(object, &mut errors);
            }
            (self.validate)(&at, &mut errors);
        }
        errors.0
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: Context<'_>) -> Vec<FieldError> {
        let (mut errors, new, old) = (Errors::default(), At::root(new), At::root(old));
        if cx.subresource == "status" {
            (self.status)(&new, &old, &mut errors);
        } else {
            for path in self.immutable {
                errors.immutable(&new.get(path), &old.get(path));
            }
            (self.change)(&new, &old, &mut errors);
        }
        errors.0
    }

    /// An update that leaves the object's content as it is does not repeat what its creation warned of.
    fn warnings(&self, new: &Value, old: Option<&Value>, cx: Context<'_>) -> Vec<String> {
        let unchanged = old.is_some_and(|old| !Plain.bumps_generation(new, old));
        if cx.subresource.is_empty() && !unchanged { (self.warn)(&At::root(new)) } else { Vec::new() }
    }

    fn bumps_generation(&self, new: &Value, old: &Value) -> bool {
        (self.bumps)(new, old)
    }
}
