//! Other shapes of objects and lists: tables with upstream's columns, and metadata only.

use cove_base::time::Timestamp;
use cove_kube_api::door::ListReply;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::api::kinds::Kind;
use crate::api::printer;
use crate::front::encode::list_meta;
use crate::front::negotiate::Shape;
use crate::value::meta;

/// What a row of a table carries of its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    Nothing,
}

impl Include {
    /// From the parameter `includeObject`.
    pub fn parse(text: &str) -> Result<Self, Status> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::Nothing),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: unrecognized includeObject value: {other:?}"
            ))),
        }
    }
}

/// Makes the shapes of one request's objects.
pub struct Shaper {
    /// The kind of the path.
    pub kind: &'static Kind,
    /// The kind of what is answered: that of a subresource may be another.
    pub printed: &'static str,
    /// What rows carry.
    pub include: Include,
    /// What ages are counted from.
    pub now: Timestamp,
    /// Whether the columns have been sent: a watch sends them once.
    pub columns_sent: bool,
}

impl Shaper {
    /// One object.
    pub fn object(&self, shape: Shape, object: &Object) -> Result<Value, Status> {
        match shape {
            Shape::Table(version) => {
                let list_meta = json!({"resourceVersion": object.revision().to_string()});
                Ok(self.table(version, true, vec![self.row(version, object)], list_meta))
            }
            Shape::Partial { version, list: false } => Ok(partial(version, object)),
            Shape::Partial { list: true, .. } => Err(Status::new(
                406,
                "NotAcceptable",
                "you requested PartialObjectMetadataList, but the requested object is not a list",
            )),
            Shape::Plain | Shape::Discovery(_) => Ok(object.value().as_ref().clone()),
        }
    }

    /// A list.
    pub fn list(&self, shape: Shape, list: &ListReply) -> Result<Value, Status> {
        let list_meta = list_meta(list.revision, &list.continue_token, list.remaining);
        match shape {
            Shape::Table(version) => {
                let rows = list.items.iter().map(|item| self.row(version, item)).collect();
                Ok(self.table(version, true, rows, list_meta))
            }
            Shape::Partial { version, list: true } => {
                let items: Vec<Value> = list.items.iter().map(|item| partial(version, item)).collect();
                let api_version = format!("meta.k8s.io/{version}");
                let kind = "PartialObjectMetadataList";
                Ok(json!({"kind": kind, "apiVersion": api_version, "metadata": list_meta, "items": items}))
            }
            _ => Err(Status::new(
                406,
                "NotAcceptable",
                format!("you requested PartialObjectMetadata, but the requested object is a list (*{})", list.kind),
            )),
        }
    }

    /// An object of a watch: tables carry the columns in the first event only.
    pub fn watched(&mut self, shape: Shape, object: &Object) -> Value {
        match shape {
            Shape::Table(version) => {
                let first = !std::mem::replace(&mut self.columns_sent, true);
                let list_meta = json!({"resourceVersion": object.revision().to_string()});
                self.table(version, first, vec![self.row(version, object)], list_meta)
            }
            Shape::Partial { version, .. } => partial(version, object),
            _ => object.value().as_ref().clone(),
        }
    }

    /// A bookmark of a watch.
    pub fn bookmark(&self, shape: Shape, bookmark: Value) -> Value {
        match shape {
            Shape::Table(version) => {
                let list_meta = json!({"resourceVersion": meta(&bookmark)["resourceVersion"]});
                let partial = partial_value(version, meta(&bookmark).clone());
                let row = json!({"cells": self.empty_cells(), "object": partial});
                self.table(version, false, vec![row], list_meta)
            }
            Shape::Partial { version, .. } => partial_value(version, meta(&bookmark).clone()),
            _ => bookmark,
        }
    }

    fn empty_cells(&self) -> Vec<Value> {
        printer::columns_of(self.printed).iter().map(|_| Value::Null).collect()
    }

    fn row(&self, version: &str, object: &Object) -> Value {
        let mut row = json!({"cells": printer::cells_of(self.printed, object.value(), self.now)});
        let conditions = printer::row_conditions(self.kind, object.value());
        if !conditions.is_empty() {
            row["conditions"] = conditions.into();
        }
        match self.include {
            Include::Metadata => row["object"] = partial(version, object),
            Include::Object => row["object"] = object.value().as_ref().clone(),
            Include::Nothing => {}
        }
        row
    }

    fn table(&self, version: &str, with_columns: bool, rows: Vec<Value>, list_meta: Value) -> Value {
        let columns: Vec<Value> = match with_columns {
            false => Vec::new(),
            true => printer::columns_of(self.printed)
                .iter()
                .map(|column| {
                    json!({
                        "name": column.name, "type": column.r#type, "format": column.format,
                        "description": column.description, "priority": column.priority,
                    })
                })
                .collect(),
        };
        json!({
            "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": list_meta,
            "columnDefinitions": columns, "rows": if rows.is_empty() { Value::Null } else { rows.into() },
        })
    }
}

fn partial(version: &str, object: &Object) -> Value {
    partial_value(version, meta(object.value()).clone())
}

fn partial_value(version: &str, metadata: Value) -> Value {
    let api_version = format!("meta.k8s.io/{version}");
    json!({"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": metadata})
}
