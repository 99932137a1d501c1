//! Which rows of `defaults.csv` are structural: literals without conditions.
//!
//! A default that every occurrence of a field has, in every kind, becomes the field's own. The few others become lines of
//! the kind with a path.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Facts, Row};

/// What the rows come to.
#[derive(Default)]
pub struct Defaults {
    /// By type and member name.
    pub fields: BTreeMap<(String, String), String>,
    /// By kind: paths and values.
    pub paths: BTreeMap<String, Vec<(String, String)>>,
}

/// One place where a field occurs: kind and path.
type Place = (String, String);

impl Defaults {
    /// Reads the rows.
    pub fn from_rows(rows: &[Row], facts: &Facts) -> Self {
        let (mut known, mut kinds) = (BTreeMap::new(), BTreeSet::new());
        for row in rows {
            let kind = format!("{}/{}.{}", row["group"], row["version"], row["kind"]);
            // The inlined Rule of RuleWithOperations has no member of its own in JSON.
            let path = row["field_path"].replace(".rule.", ".");
            let literal = facts.member_at(&kind, &path).and_then(|member| literal(member, &row["default"]));
            // A job without parallelism may want completions too, which only the strategy can tell.
            if kind == "batch/v1.Job" && path == "spec.parallelism" {
                continue;
            }
            if let (true, Some(value)) = (is_unconditional(row, rows), literal) {
                known.insert((kind.clone(), path), value.to_string());
            }
            kinds.insert(kind);
        }
        let mut places: BTreeMap<(String, String), Vec<Place>> = BTreeMap::new();
        for kind in &kinds {
            walk(facts, kind, kind, "", &mut Vec::new(), &mut places);
        }
        let mut defaults = Self::default();
        for (field, places) in places {
            let values: BTreeSet<_> = places.iter().map(|place| known.get(place)).collect();
            if let (1, Some(Some(value))) = (values.len(), values.first()) {
                defaults.fields.insert(field, (*value).clone());
                continue;
            }
            for (kind, path) in places {
                if let Some(value) = known.get(&(kind.clone(), path.clone())) {
                    defaults.paths.entry(kind).or_default().push((path, value.clone()));
                }
            }
        }
        defaults
    }
}

/// Whether a default depends on its own member only: gates that are on, and the presence of the struct around it, do not
/// count. Nor may another default ask whether the member was empty, since it is filled when code comes to ask.
fn is_unconditional(row: &Row, rows: &[Row]) -> bool {
    let condition = row["condition"].as_str();
    let own = matches!(condition, "empty" | "0" | "null" | "parameters set, scope null")
        || condition.starts_with("null (gate ") && condition.ends_with(", on)");
    let asks = |other: &&Row| {
        let asked = other["condition"].split_once(" was empty").map(|(member, _)| member);
        other["kind"] == row["kind"] && asked.is_some_and(|member| row["field_path"].ends_with(member))
    };
    own && !rows.iter().any(|other| asks(&other))
}

fn walk(
    facts: &Facts,
    kind: &str,
    ty: &str,
    path: &str,
    outer: &mut Vec<String>,
    places: &mut BTreeMap<(String, String), Vec<Place>>,
) {
    if outer.iter().any(|t| t == ty) {
        return;
    }
    outer.push(ty.to_string());
    for member in facts.members(ty) {
        let dot = if path.is_empty() { "" } else { "." };
        let here = format!("{path}{dot}{}", member["json"]);
        let place = (kind.to_string(), here.clone());
        // By the type that declares it: an inlined struct's members occur in all that inline it.
        places.entry((super::reference(member), member["json"].clone())).or_default().push(place);
        let (next, step) = match member["kind_of_type"].as_str() {
            "struct" => (&member["ref"], ""),
            "list" if member["elem_kind"] == "struct" => (&member["elem_ref"], "[*]"),
            "map" if member["elem_kind"] == "struct" => (&member["elem_ref"], ".<key>"),
            _ => continue,
        };
        walk(facts, kind, next, &format!("{here}{step}"), outer, places);
    }
    outer.pop();
}

/// The default as a value, if the text is one and not a rule.
fn literal(member: &Row, text: &str) -> Option<Value> {
    let number = || text.split(' ').next().and_then(|n| n.parse::<i64>().ok()).map(Value::from);
    match member["kind_of_type"].as_str() {
        "string" if text.starts_with("\"\"") => Some("".into()),
        "string" => (!text.contains([' ', '<'])).then(|| text.into()),
        "int32" | "int64" => number(),
        "bool" => text.parse::<bool>().ok().map(Value::from),
        "int-or-string" if text.ends_with('%') => Some(text.into()),
        "int-or-string" => number(),
        "struct" | "map" if text == "{}" => Some(json!({})),
        "list" => serde_json::from_str::<Vec<String>>(text).ok().map(Value::from),
        _ => None,
    }
}
