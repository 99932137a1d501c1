//! Content negotiation: what form of an answer a client takes.

use cove_kube_api::door::Encoding;
use cove_kube_api::status::Status;

/// How an answer is shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The object or list itself.
    Plain,
    /// `meta.k8s.io` Table, in this version.
    Table(&'static str),
    /// `PartialObjectMetadata`, or its list.
    Partial {
        /// The version of `meta.k8s.io`.
        version: &'static str,
        /// Whether the list form was asked for.
        list: bool,
    },
    /// Aggregated discovery, in this version.
    Discovery(&'static str),
}

/// What a client takes, and the server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The encoding.
    pub encoding: Encoding,
    /// The shape.
    pub shape: Shape,
}

struct Clause<'a> {
    media: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

impl Clause<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }
}

fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .filter_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let media = pieces.next().filter(|media| !media.is_empty())?;
            let parameters: Vec<_> = pieces.filter_map(|piece| piece.split_once('=')).collect();
            let quality = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, q)| q.parse().ok());
            Some(Clause { media, quality: quality.unwrap_or(1.0), parameters })
        })
        .collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

/// The encoding of a media type; anything goes as JSON.
pub fn encoding_of(media: &str) -> Option<Encoding> {
    match media.trim() {
        "application/json" | "*/*" | "application/*" => Some(Encoding::Json),
        "application/yaml" => Some(Encoding::Yaml),
        "application/vnd.kubernetes.protobuf" => Some(Encoding::Protobuf),
        _ => None,
    }
}

fn shape_of(clause: &Clause<'_>) -> Option<Shape> {
    let meta_version = match clause.parameter("v") {
        "v1" => Some("v1"),
        "v1beta1" => Some("v1beta1"),
        _ => None,
    };
    let discovery_version = match clause.parameter("v") {
        "v2" => Some("v2"),
        "v2beta1" => Some("v2beta1"),
        _ => None,
    };
    match (clause.parameter("as"), clause.parameter("g")) {
        ("", _) => Some(Shape::Plain),
        ("Table", "meta.k8s.io") => meta_version.map(Shape::Table),
        ("PartialObjectMetadata", "meta.k8s.io") => meta_version.map(|version| Shape::Partial { version, list: false }),
        ("PartialObjectMetadataList", "meta.k8s.io") => {
            meta_version.map(|version| Shape::Partial { version, list: true })
        }
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io") => discovery_version.map(Shape::Discovery),
        _ => None,
    }
}

/// The best that the client takes and `offered` allows. An empty header takes JSON.
pub fn accept(header: &str, offered: impl Fn(Accepted) -> bool) -> Result<Accepted, Status> {
    let plain = Accepted { encoding: Encoding::Json, shape: Shape::Plain };
    if header.trim().is_empty() {
        return Ok(plain);
    }
    clauses(header)
        .iter()
        .filter_map(|clause| Some(Accepted { encoding: encoding_of(clause.media)?, shape: shape_of(clause)? }))
        .find(|accepted| offered(*accepted))
        .ok_or_else(not_acceptable)
}

/// Upstream's 406.
pub fn not_acceptable() -> Status {
    let text = "only the following media types are accepted: application/json, application/yaml, \
                application/vnd.kubernetes.protobuf";
    Status::new(406, "NotAcceptable", text)
}

/// The encoding of a request's body. No content type means JSON.
pub fn body_encoding(content_type: &str) -> Result<Encoding, Status> {
    let media = content_type.split(';').next().unwrap_or("").trim();
    match media {
        "" => Ok(Encoding::Json),
        "*/*" | "application/*" => Err(unsupported()),
        media => encoding_of(media).ok_or_else(unsupported),
    }
}

fn unsupported() -> Status {
    let text = "the body of the request was in an unknown format - accepted media types include: application/json, \
                application/yaml, application/vnd.kubernetes.protobuf";
    Status::new(415, "UnsupportedMediaType", text)
}

/// The content type of an encoding.
pub fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "application/json",
        Encoding::Yaml => "application/yaml",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_a_table_and_a_reflector_protobuf() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                       application/json";
        assert_eq!(accept(kubectl, |_| true).unwrap().shape, Shape::Table("v1"));
        let plain = accept(kubectl, |a| a.shape == Shape::Plain).unwrap();
        assert_eq!(plain, Accepted { encoding: Encoding::Json, shape: Shape::Plain });
        let go = accept("application/vnd.kubernetes.protobuf, */*", |_| true).unwrap();
        assert_eq!(go.encoding, Encoding::Protobuf);
        assert_eq!(accept("text/html", |_| true).unwrap_err().code, 406);
        let weighed = accept("application/json;q=0.5,application/yaml", |_| true).unwrap();
        assert_eq!(weighed.encoding, Encoding::Yaml);
    }
}
