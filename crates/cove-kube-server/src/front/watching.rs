//! Watches over HTTP: JSON documents line by line, or length-delimited protobuf frames.

use bytes::{BufMut, Bytes, BytesMut};
use cove_kube_api::door::{Encoding, WatchEvent, WatchStream};
use cove_kube_api::object::Object;
use serde_json::{Value, json};

use crate::api::kinds::Kind;
use crate::api::protobuf;
use crate::front::encode;
use crate::front::negotiate::{Accepted, Shape};
use crate::front::shape::Shaper;

/// One watch on its way to a client.
pub struct Framed {
    /// The door's stream.
    pub stream: Box<dyn WatchStream>,
    /// What the client takes.
    pub accepted: Accepted,
    /// Makes tables and the like.
    pub shaper: Shaper,
    /// The kind that is watched.
    pub kind: &'static Kind,
    /// Whether an error has been sent: it is the last event.
    pub ended: bool,
}

impl Framed {
    /// The next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let event = self.stream.next().await?;
        Some(match event {
            WatchEvent::Added(object) => self.object("ADDED", &object),
            WatchEvent::Modified(object) => self.object("MODIFIED", &object),
            WatchEvent::Deleted(object) => self.object("DELETED", &object),
            WatchEvent::Bookmark { revision, initial_end } => {
                let bookmark = bookmark(self.kind, revision, initial_end);
                self.value("BOOKMARK", &self.shaper.bookmark(self.accepted.shape, bookmark))
            }
            WatchEvent::Error(status) => {
                self.ended = true;
                self.value("ERROR", &status.to_value())
            }
        })
    }

    fn object(&mut self, event: &str, object: &Object) -> Bytes {
        match self.accepted.shape {
            Shape::Plain => self.frame(event, &encode::object(self.accepted.encoding, object)),
            shape => {
                let value = self.shaper.watched(shape, object);
                self.value(event, &value)
            }
        }
    }

    fn value(&self, event: &str, value: &Value) -> Bytes {
        match self.accepted.encoding {
            Encoding::Protobuf => self.frame(event, &protobuf::encode_object(value)),
            _ => self.frame(event, &serde_json::to_vec(value).unwrap_or_default()),
        }
    }

    fn frame(&self, event: &str, object: &[u8]) -> Bytes {
        if self.accepted.encoding == Encoding::Protobuf {
            return Bytes::from(protobuf::encode_watch_frame(event, object));
        }
        let mut bytes = BytesMut::with_capacity(object.len() + 40);
        bytes.put_slice(b"{\"type\":\"");
        bytes.put_slice(event.as_bytes());
        bytes.put_slice(b"\",\"object\":");
        bytes.put_slice(object);
        bytes.put_slice(b"}\n");
        bytes.freeze()
    }
}

/// The object of a bookmark: of the watched kind, with nothing but a revision.
fn bookmark(kind: &Kind, revision: u64, initial_end: bool) -> Value {
    let mut meta = json!({"resourceVersion": revision.to_string()});
    if initial_end {
        meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": meta})
}
