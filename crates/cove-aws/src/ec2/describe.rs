//! Everything that the Describe operations of EC2 have in common: ids, filters, paging. A resource says in a table
//! what its filters read; an unknown filter is refused, never ignored.

use std::collections::BTreeSet;
use std::future::Future;

use cove_aws_wire::fault::Fault;
use cove_base::wildcard::{Piece, matches};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::faults::{invalid_parameter, malformed_id};
use super::state::Tag;
use crate::operation::Cx;
use crate::paging;
use crate::records::Resource;

/// How EC2 speaks of a kind of resource.
pub struct Noun {
    /// The prefix of its ids, such as `vpc`.
    pub prefix: &'static str,
    /// Error codes without their ending: `InvalidVpcID`.
    pub code: &'static str,
    /// What stands before the id in `... 'vpc-1' does not exist`, such as `The vpc ID`.
    pub text: &'static str,
}

impl Noun {
    /// The resource does not exist.
    pub fn not_found(&self, id: &str) -> Fault {
        Fault::client(&format!("{}.NotFound", self.code), format!("{} '{id}' does not exist", self.text))
    }

    /// Refuses what cannot be an id of this kind.
    pub fn check(&self, id: &str) -> Result<(), Fault> {
        let rest = id.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix('-'));
        match rest {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(()),
            _ => Err(malformed_id(self.code, id, self.prefix)),
        }
    }
}

/// A filter: its name and the members that it reads, with dots between them; lists are read item by item.
pub type Filter = (&'static str, &'static str);

/// A kind of record that has a Describe operation.
pub trait Described: Resource {
    /// The output's list, such as `Vpcs`.
    const MEMBER: &'static str;
    /// The input's list of ids, such as `VpcIds`.
    const IDS: &'static str;
    /// How to speak of it.
    const NOUN: Noun;
    /// What can be filtered by, besides tags.
    const FILTERS: &'static [Filter];

    /// The tags.
    fn tags(&self) -> &[Tag];
    /// The tags.
    fn tags_mut(&mut self) -> &mut Vec<Tag>;

    /// The shapes of the model. Overridden where a shape needs more than its record.
    fn views(cx: &Cx, items: Vec<Self>) -> impl Future<Output = Result<Vec<Value>, Fault>> + Send {
        let _ = cx;
        async move { items.iter().map(|item| serde_json::to_value(item).map_err(Fault::internal)).collect() }
    }
}

/// One filter of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilterInput {
    name: String,
    values: Vec<String>,
}

/// What a Describe operation asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// All must match.
    pub filters: Vec<FilterInput>,
    /// Only these, if not empty.
    pub ids: Vec<String>,
    max_results: Option<usize>,
    after: Option<String>,
}

/// What makes a filter's value a pattern.
const SPECIAL: [char; 3] = ['*', '?', '\\'];
/// Limits of `MaxResults`.
const PAGE: std::ops::RangeInclusive<usize> = 5..=1000;

impl Request {
    /// Takes the request apart. What remains in `input` is up to the operation.
    pub fn take(input: &mut Map<String, Value>, ids: &str) -> Result<Self, Fault> {
        let request = Self {
            filters: take_as(input, "Filters")?.unwrap_or_default(),
            ids: take_as(input, ids)?.unwrap_or_default(),
            max_results: take_as(input, "MaxResults")?,
            after: take_as::<String>(input, "NextToken")?.map(|token| decode_token(&token)).transpose()?,
        };
        if let Some(max) = request.max_results {
            if !request.ids.is_empty() {
                return Err(Fault::client(
                    "InvalidParameterCombination",
                    format!("The parameter {ids} cannot be used with the parameter maxResults"),
                ));
            }
            if !PAGE.contains(&max) {
                let bound = if max < *PAGE.start() { "greater than 5" } else { "less than 1000" };
                let message =
                    format!("Value ( {max} ) for parameter maxResults is invalid. Expecting a value {bound}.");
                return Err(invalid_parameter(message));
            }
        }
        if request.filters.iter().map(|filter| filter.values.len()).sum::<usize>() > 200 {
            let message = "The maximum number of filter values specified on a single call is 200";
            return Err(Fault::client("FilterLimitExceeded", message));
        }
        Ok(request)
    }

    /// Refuses filters that the operation does not know.
    pub fn check_filters(&self, known: &[Filter], tagged: bool) -> Result<(), Fault> {
        for filter in &self.filters {
            let tag = filter.name.starts_with("tag:") || filter.name == "tag-key" || filter.name == "tag-value";
            let known = known.iter().any(|(name, _)| *name == filter.name);
            if !(known || tag && tagged) {
                return Err(invalid_parameter(format!("The filter '{}' is invalid", filter.name)));
            }
        }
        Ok(())
    }

    /// The ids that a filter by id leaves, so that the shapes of all others need not be made.
    fn filtered_ids<T: Described>(&self) -> Option<BTreeSet<&str>> {
        let member = T::IDS.strip_suffix('s')?;
        let is_id =
            |filter: &&FilterInput| T::FILTERS.iter().any(|(name, path)| *name == filter.name && *path == member);
        let values = &self.filters.iter().find(is_id)?.values;
        let plain = values.iter().all(|value| !value.contains(SPECIAL));
        plain.then(|| values.iter().map(String::as_str).collect())
    }

    /// Whether a shape passes all filters.
    pub fn matches(&self, view: &Value, known: &[Filter]) -> bool {
        self.filters.iter().all(|filter| filter_matches(filter, view, known))
    }

    /// One page of `(key, shape)` in the order of the keys, under `member`.
    pub fn reply(&self, member: &str, mut items: Vec<(String, Value)>) -> Value {
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let size = self.max_results.unwrap_or(usize::MAX);
        let (page, next) = paging::page(items, |(key, _)| key.clone(), size, self.after.as_deref());
        let mut reply = json!({ member: page.into_iter().map(|(_, view)| view).collect::<Vec<_>>() });
        if let Some(next) = next {
            reply["NextToken"] = Value::from(next);
        }
        reply
    }
}

/// Takes a member out of an input.
pub fn take_as<T: serde::de::DeserializeOwned>(
    input: &mut Map<String, Value>,
    member: &str,
) -> Result<Option<T>, Fault> {
    let value = input.remove(member).map(serde_json::from_value).transpose();
    value.map_err(|error| Fault::internal(format!("{member} of a checked call: {error}")))
}

fn decode_token(token: &str) -> Result<String, Fault> {
    paging::key_in(token).ok_or_else(|| Fault::client("InvalidNextToken", "The specified NextToken is not valid."))
}

fn filter_matches(filter: &FilterInput, view: &Value, known: &[Filter]) -> bool {
    let mut found = Vec::new();
    let tags = view.get("Tags").or(view.get("TagSet")).and_then(Value::as_array);
    let text = |tag: &Value, member: &str| tag.get(member).and_then(Value::as_str).unwrap_or_default().to_string();
    if let Some(key) = filter.name.strip_prefix("tag:") {
        found.extend(tags.into_iter().flatten().filter(|t| text(t, "Key") == key).map(|t| text(t, "Value")));
    } else if filter.name == "tag-key" {
        found.extend(tags.into_iter().flatten().map(|t| text(t, "Key")));
    } else if filter.name == "tag-value" {
        found.extend(tags.into_iter().flatten().map(|t| text(t, "Value")));
    } else {
        for (_, path) in known.iter().filter(|(name, _)| *name == filter.name) {
            collect(view, path, &mut found);
        }
    }
    found.iter().any(|value| filter.values.iter().any(|pattern| wildcard(pattern, value)))
}

/// Collects the texts at a path of members.
fn collect(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, into)),
        Value::Object(members) if !path.is_empty() => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(member) = members.get(first) {
                collect(member, rest, into);
            }
        }
        Value::String(text) if path.is_empty() => into.push(text.clone()),
        Value::Bool(flag) if path.is_empty() => into.push(flag.to_string()),
        Value::Number(number) if path.is_empty() => into.push(number.to_string()),
        _ => {}
    }
}

/// EC2's patterns: `*` any text, `?` one character, `\` takes the next as it is.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    if pattern == text && !pattern.contains('\\') {
        return true;
    }
    if !pattern.contains(SPECIAL) {
        return false;
    }
    matches(&pieces(pattern), text)
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut chars = pattern.chars();
    let mut out = Vec::new();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => Piece::Exactly(chars.next().unwrap_or('\\')),
            other => Piece::of(other),
        });
    }
    out
}

/// A Describe operation whose input is filters, ids and paging.
pub async fn describe<T: Described>(cx: Cx, input: Value) -> Result<Value, Fault> {
    let Value::Object(mut input) = input else { return Err(Fault::internal("the input is no structure")) };
    let request = Request::take(&mut input, T::IDS)?;
    refuse_rest(&input)?;
    describe_request::<T>(&cx, &request).await
}

/// Refuses by name what is left of an input.
pub fn refuse_rest(input: &Map<String, Value>) -> Result<(), Fault> {
    match input.keys().next() {
        None => Ok(()),
        Some(member) => Err(Fault::new(
            501,
            "UnsupportedParameter",
            format!("Cove does not support the parameter {member} of this operation yet"),
        )),
    }
}

/// The reply to a request.
pub async fn describe_request<T: Described>(cx: &Cx, request: &Request) -> Result<Value, Fault> {
    let views = select::<T>(cx, request).await?;
    Ok(request.reply(T::MEMBER, views))
}

/// The shapes that a request asks for, each with its record's id.
pub async fn select<T: Described>(cx: &Cx, request: &Request) -> Result<Vec<(String, Value)>, Fault> {
    request.check_filters(T::FILTERS, true)?;
    let mut items = match request.ids.is_empty() {
        true => cx.records::<T>().await?.list().await?,
        false => find_all::<T>(cx, &request.ids).await?,
    };
    if let Some(ids) = request.filtered_ids::<T>() {
        items.retain(|item| ids.contains(item.id().as_str()));
    }
    let keys: Vec<String> = items.iter().map(Resource::id).collect();
    let views = T::views(cx, items).await?;
    let mut out: Vec<_> = keys.into_iter().zip(views).collect();
    out.retain(|(_, view)| request.matches(view, T::FILTERS));
    Ok(out)
}

/// The named resources; each must exist.
pub async fn find_all<T: Described>(cx: &Cx, ids: &[String]) -> Result<Vec<T>, Fault> {
    let records = cx.records::<T>().await?;
    let mut found = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    for id in ids {
        T::NOUN.check(id)?;
        match records.get(id).await? {
            Some(record) => found.push(record.value),
            None => missing.push(id),
        }
    }
    match missing[..] {
        [] => Ok(found),
        [id] => Err(T::NOUN.not_found(id)),
        _ => Err(Fault::client(
            &format!("{}.NotFound", T::NOUN.code),
            format!("{}s '{}' do not exist", T::NOUN.text, missing.join(", ")),
        )),
    }
}

/// One resource, which must exist.
pub async fn find<T: Described>(cx: &Cx, id: &str) -> Result<T, Fault> {
    T::NOUN.check(id)?;
    let found = cx.records::<T>().await?.get(id).await?;
    found.map(|record| record.value).ok_or_else(|| T::NOUN.not_found(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        assert!(wildcard("*.large", "m5.large") && wildcard("a?c", "abc") && wildcard("a\\*", "a*"));
        assert!(!wildcard("a?c", "ac") && !wildcard("a\\*", "ab") && !wildcard("A", "a"));
    }

    #[test]
    fn paths_go_through_lists() {
        let view = json!({"A": [{"B": "x"}, {"B": true}, {"B": 7}]});
        let mut found = Vec::new();
        collect(&view, "A.B", &mut found);
        assert_eq!(found, ["x", "true", "7"]);
    }
}
