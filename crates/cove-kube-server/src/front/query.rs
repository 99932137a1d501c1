//! Query strings: percent decoding, list and write options, and `DeleteOptions` from parameters.

use cove_base::percent;
use cove_kube_api::door::Options;
use cove_kube_api::field_error::FieldError;
use cove_kube_api::status::Status;
use serde_json::{Map, Value, json};

/// The parameters of a query string, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what stands behind the question mark.
    pub fn parse(text: &str) -> Self {
        Self(percent::pairs(text))
    }

    /// The first value of a parameter, empty if it is not given.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    /// The first value of a parameter.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A truth value: present and not `false` or `0`, as upstream reads it.
    pub fn flag(&self, name: &str) -> bool {
        self.find(name).is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"))
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        match self.find(name) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }

    /// The options of a call. `kind` is what upstream calls them in errors, such as `CreateOptions`.
    pub fn options(&self, kind: &str) -> Result<Options, Status> {
        let dry_run = self.all("dryRun");
        if let Some(other) = dry_run.iter().find(|value| !matches!(**value, "All" | "")) {
            let error = FieldError::not_supported("dryRun", other, &["All"]);
            return Err(Status::invalid("meta.k8s.io", kind, "", &[error]));
        }
        let unsigned = |name: &str| self.number(name).map(|number| number.and_then(|n| u64::try_from(n).ok()));
        Ok(Options {
            label_selector: self.get("labelSelector").into(),
            field_selector: self.get("fieldSelector").into(),
            resource_version: self.get("resourceVersion").into(),
            resource_version_match: self.get("resourceVersionMatch").into(),
            limit: unsigned("limit")?.unwrap_or(0),
            continue_token: self.get("continue").into(),
            timeout_seconds: unsigned("timeoutSeconds")?,
            allow_watch_bookmarks: self.flag("allowWatchBookmarks"),
            send_initial_events: self.find("sendInitialEvents").map(|_| self.flag("sendInitialEvents")),
            dry_run: dry_run.contains(&"All"),
            field_validation: self.get("fieldValidation").into(),
            field_manager: self.get("fieldManager").into(),
            force: self.flag("force"),
        })
    }

    /// `DeleteOptions` from parameters, for a deletion without a body. `None` if no parameter says anything.
    pub fn delete_options(&self) -> Result<Option<Value>, Status> {
        let mut options = Map::new();
        if let Some(seconds) = self.number("gracePeriodSeconds")? {
            options.insert("gracePeriodSeconds".into(), seconds.into());
        }
        if let Some(policy) = self.find("propagationPolicy") {
            options.insert("propagationPolicy".into(), policy.into());
        }
        if self.find("orphanDependents").is_some() {
            options.insert("orphanDependents".into(), self.flag("orphanDependents").into());
        }
        if options.is_empty() {
            return Ok(None);
        }
        let mut value = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let Value::Object(map) = &mut value {
            map.extend(options);
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29&limit=5&watch=1&bad=%zz%");
        let options = query.options("ListOptions").unwrap();
        assert_eq!((options.label_selector.as_str(), options.limit), ("a=b,c in (d)", 5));
        assert!(query.flag("watch") && !query.flag("missing"));
        assert_eq!(query.get("bad"), "%zz%");
    }

    #[test]
    fn wrong_numbers_and_dry_runs_are_refused() {
        assert_eq!(Query::parse("limit=x").options("ListOptions").unwrap_err().code, 400);
        let status = Query::parse("dryRun=Some").options("CreateOptions").unwrap_err();
        assert_eq!(
            status.message,
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"Some\": supported values: \"All\""
        );
    }
}
