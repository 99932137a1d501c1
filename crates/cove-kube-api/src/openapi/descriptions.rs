//! What types and members mean, in upstream's words.

use std::io::Read as _;
use std::sync::LazyLock;

use cove_base::collections::HashMap;
use flate2::read::GzDecoder;

type Members = HashMap<&'static str, String>;

static DESCRIPTIONS: LazyLock<HashMap<&'static str, (String, Members)>> = LazyLock::new(load);

/// The description of a definition, empty if there is none.
pub fn of_type(name: &str) -> &'static str {
    DESCRIPTIONS.get(name).map_or("", |(text, _)| text)
}

/// The description of a member of a definition, empty if there is none.
pub fn of_member(name: &str, member: &str) -> &'static str {
    // The source has no list kinds. These two members mean the same in every kind.
    let is_head = matches!(member, "kind" | "apiVersion");
    let name =
        if is_head && !DESCRIPTIONS.contains_key(name) { "io.k8s.apimachinery.pkg.apis.meta.v1.Status" } else { name };
    DESCRIPTIONS.get(name).and_then(|(_, members)| members.get(member)).map_or("", String::as_str)
}

fn load() -> HashMap<&'static str, (String, Members)> {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.tsv.gz"));
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("the embedded descriptions are whole");
    // The names live as long as the program.
    let text: &'static str = text.leak();
    let mut types: HashMap<&'static str, (String, Members)> = HashMap::default();
    let mut current = "";
    for line in text.lines() {
        let mut cells = line.split('\t');
        let (what, name, text) = (cells.next(), cells.next().unwrap_or(""), unescape(cells.next().unwrap_or("")));
        if what == Some("T") {
            current = name;
            types.insert(name, (text, Members::default()));
        } else if let Some((_, members)) = types.get_mut(current) {
            members.insert(name, text);
        }
    }
    types
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => out.push(if chars.next() == Some('n') { '\n' } else { '\\' }),
            (c, false) => out.push(c),
        }
    }
    out
}
