//! Watch: from the store's events to what one client may see.
//!
//! The store registers the watcher and replays without a gap; this file adds initial events, the selectors'
//! transitions (an object that leaves the selection is DELETED, one that enters is ADDED), bookmarks and the end.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use cove_base::Runtime;
use cove_base::runtime::BoxFuture;
use cove_kube_api::door::{Reply, Response, WatchEvent, WatchStream};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::{Entry, Event, EventBatch, Range, StoreError, Watch, WatchEnd};
use tokio::sync::watch;

use crate::api::kinds::Kind;
use crate::chain::call::Call;
use crate::chain::read::{Filter, invalid_list_options, parse_revision, too_large};
use crate::convert;
use crate::limits;
use crate::server::ApiServer;
use crate::storage::{object_of, store_error};

const TOO_OLD_WATCH: &str = "The resourceVersion for the provided watch is too old.";

/// What a watch shows first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Initial {
    /// Only what comes after a revision.
    After(u64),
    /// What is there now; `marked` by a bookmark at its end.
    State { marked: bool },
}

/// Starts a watch.
pub async fn watch(server: &ApiServer, call: &Call) -> Result<Response, Status> {
    check_watch_options(call)?;
    let filter = Filter::of(call)?;
    let under = filter.scope(call);
    let (events, initial, seen) = match start(server, call)? {
        Initial::After(revision) => {
            too_large(server, revision)?;
            (server.storage.watch(&under, revision).await, VecDeque::new(), revision)
        }
        Initial::State { marked } => {
            let page = server.storage.range(Range::prefix(&under)).await.map_err(store_error)?;
            let initial = initial_events(call, &filter, &page.entries, page.revision, marked);
            (server.storage.watch(&under, page.revision).await, initial, page.revision)
        }
    };
    let events = match events {
        Ok(events) => Some(events),
        Err(StoreError::Compacted { .. }) => None,
        Err(other) => return Err(store_error(other)),
    };
    let pending = match events {
        Some(_) => initial,
        None => VecDeque::from([WatchEvent::Error(Status::expired(TOO_OLD_WATCH))]),
    };
    let stream = Stream {
        view: View { storage: call.storage, kind: call.kind, filter },
        pending,
        events,
        seen,
        end: server.rt.sleep(lifetime(server, call)),
        bookmark: call.options.allow_watch_bookmarks.then(|| server.rt.sleep(limits::BOOKMARK_EVERY)),
        rt: server.rt.clone(),
        stop: server.stopping(),
    };
    Ok(Response::ok(Reply::Watch(Box::new(stream))))
}

fn lifetime(server: &ApiServer, call: &Call) -> Duration {
    match call.options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => {
            let spread = limits::WATCH_MIN.as_secs();
            let purpose = format!("watch/{}/{}", call.kind.plural, call.user.username);
            let extra = server.rt.seed().below(&purpose, server.storage.revision(), spread);
            limits::WATCH_MIN + Duration::from_secs(extra)
        }
    }
}

fn start(server: &ApiServer, call: &Call) -> Result<Initial, Status> {
    let options = &call.options;
    let wanted = parse_revision(&options.resource_version).map_err(|why| Status::new(500, "", why))?;
    Ok(match (options.send_initial_events, wanted) {
        (Some(true), _) => {
            too_large(server, wanted)?;
            Initial::State { marked: options.allow_watch_bookmarks }
        }
        (Some(false), 0) => Initial::After(server.storage.revision()),
        (None, 0) => Initial::State { marked: false },
        (_, wanted) => Initial::After(wanted),
    })
}

fn initial_events(
    call: &Call,
    filter: &Filter,
    entries: &[Entry],
    revision: u64,
    marked: bool,
) -> VecDeque<WatchEvent> {
    let objects = entries.iter().map(|entry| convert::from_storage(call.storage, call.kind, &object_of(entry)));
    let shown = objects.filter(|object| filter.is_open() || filter.matches(object.value()));
    let mut events: VecDeque<_> = shown.map(WatchEvent::Added).collect();
    if marked {
        events.push_back(WatchEvent::Bookmark { revision: revision.max(1), initial_end: true });
    }
    events
}

fn check_watch_options(call: &Call) -> Result<(), Status> {
    let options = &call.options;
    let mut errors = Vec::new();
    let mut forbid = |field: &str, text: &str| errors.push(FieldError::forbidden(field, text));
    match options.send_initial_events {
        Some(_) if options.resource_version_match != "NotOlderThan" => {
            let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            forbid("resourceVersionMatch", text);
        }
        None if !options.resource_version_match.is_empty() => {
            let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            forbid("resourceVersionMatch", text);
        }
        _ => {}
    }
    invalid_list_options(errors)
}

/// What the client sees of the store's events.
struct View {
    storage: &'static Kind,
    kind: &'static Kind,
    filter: Filter,
}

impl View {
    fn shown(&self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let object = convert::from_storage(self.storage, self.kind, object);
        (self.filter.is_open() || self.filter.matches(object.value())).then_some(object)
    }

    fn event(&self, event: &Event) -> Option<WatchEvent> {
        let object = object_of(&event.entry);
        if event.deleted {
            return self.shown(&object).map(WatchEvent::Deleted);
        }
        let now = self.shown(&object);
        if event.entry.create_revision == event.entry.mod_revision {
            return now.map(WatchEvent::Added);
        }
        let was = match &event.previous {
            Some(previous) => self.shown(&object_of(previous)).map(|_| previous),
            None => None,
        };
        match (now, was) {
            (Some(object), Some(_)) => Some(WatchEvent::Modified(object)),
            (Some(object), None) if event.previous.is_none() && self.filter.is_open() => {
                Some(WatchEvent::Modified(object))
            }
            (Some(object), None) => Some(WatchEvent::Added(object)),
            (None, Some(previous)) => {
                let left = Object::new(previous.value.clone(), event.entry.mod_revision);
                let left = convert::from_storage(self.storage, self.kind, &Arc::new(left));
                Some(WatchEvent::Deleted(left))
            }
            (None, None) => None,
        }
    }
}

struct Stream {
    view: View,
    pending: VecDeque<WatchEvent>,
    /// `None` after the end.
    events: Option<Box<dyn Watch>>,
    seen: u64,
    end: BoxFuture<()>,
    bookmark: Option<BoxFuture<()>>,
    rt: Runtime,
    stop: watch::Receiver<bool>,
}

/// What happens next to a watch.
enum Step {
    Batch(Result<EventBatch, WatchEnd>),
    Bookmark,
    End,
}

impl Stream {
    async fn step(&mut self) -> Step {
        let Some(events) = &mut self.events else { return Step::End };
        let mut next = events.next();
        let (end, bookmark) = (&mut self.end, &mut self.bookmark);
        let mut stop = std::pin::pin!(self.stop.wait_for(|stopping| *stopping));
        std::future::poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::End);
            }
            if let Poll::Ready(batch) = Pin::new(&mut next).poll(cx) {
                return Poll::Ready(Step::Batch(batch));
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::End);
            }
            let due = bookmark.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
            if due { Poll::Ready(Step::Bookmark) } else { Poll::Pending }
        })
        .await
    }

    fn take(&mut self, batch: &EventBatch) {
        self.seen = self.seen.max(batch.revision);
        self.pending.extend(batch.events.iter().filter_map(|event| self.view.event(event)));
    }
}

#[async_trait]
impl WatchStream for Stream {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            match self.step().await {
                Step::Batch(Ok(batch)) => self.take(&batch),
                Step::Batch(Err(WatchEnd::Lagged)) => {
                    self.events = None;
                    return Some(WatchEvent::Error(Status::expired(TOO_OLD_WATCH)));
                }
                Step::Batch(Err(WatchEnd::Closed)) | Step::End => {
                    self.events = None;
                    return None;
                }
                Step::Bookmark => {
                    self.bookmark = Some(self.rt.sleep(limits::BOOKMARK_EVERY));
                    return Some(WatchEvent::Bookmark { revision: self.seen.max(1), initial_end: false });
                }
            }
        }
    }
}
