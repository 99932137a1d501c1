//! Writes `crates/cove-kube-api/data/schema.tsv.gz` from `schema.csv`, `types.csv`, `enums.csv` and `defaults.csv`, and test
//! data.
//!
//! The format is what `cove_kube_api::schema` reads: tab-separated lines, the first cell says what a line is.
//! `E values...` an enum, numbered from 0; `T ref role flags openapi package` a struct type, numbered from 0;
//! `F`, `I` a field or an inlined struct of the type before it; `D path value` a default of this kind only. References are
//! these numbers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use self::defaults::Defaults;

mod defaults;
mod openapi;

type Row = BTreeMap<String, String>;

const HEADER: &str = "# Kubernetes 1.35.4 API schema. Made by `cargo xtask facts kubernetes` from schema.csv, types.csv, \
enums.csv and defaults.csv; sources: k8s.io/api, apimachinery, apiextensions-apiserver, kube-aggregator, apiserver at v0.35.4.\n";

/// Writes the schema table.
pub fn write(folder: &Path) -> Result<()> {
    let facts = Facts::read(folder)?;
    let mut text = String::from(HEADER);
    for values in &facts.enums {
        text += &format!("E\t{}\n", values.join("\t"));
    }
    let defaults = Defaults::from_rows(&read_csv(&folder.join("defaults.csv"))?, &facts);
    for name in &facts.structs {
        facts.write_type(name, &defaults, &mut text)?;
    }
    let target = Path::new("crates/cove-kube-api/data");
    std::fs::create_dir_all(target)?;
    write_gz(&target.join("schema.tsv.gz"), &text)?;
    let openapi = openapi::table(&read_csv(&folder.join("openapi-extras.csv"))?);
    write_gz(&target.join("openapi.tsv.gz"), &openapi)?;
    write_empty_objects(folder)
}

/// Carries what the Go library writes for empty objects over as test data.
fn write_empty_objects(folder: &Path) -> Result<()> {
    let mut text = String::from(
        "# What Go's library (k8s.io/api v0.35.4) writes for objects with only kind and apiVersion: JSON, protobuf in hex.\n",
    );
    for row in read_csv(&folder.join("empty-objects.csv"))? {
        text += &format!("{}\t{}\n", row["json"], row["protobuf_hex"]);
    }
    let target = Path::new("crates/cove-kube-api/tests/data");
    std::fs::create_dir_all(target)?;
    write_gz(&target.join("empty-objects.tsv.gz"), &text)
}

/// Compresses `text` the same way every time.
fn write_gz(path: &Path, text: &str) -> Result<()> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes())?;
    std::fs::write(path, encoder.finish()?).with_context(|| format!("cannot write {}", path.display()))
}

fn read_csv(path: &Path) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

fn reference(row: &Row) -> String {
    let group = if row["group"].is_empty() { "core" } else { &row["group"] };
    let slash = if row["version"].is_empty() { "" } else { "/" };
    format!("{group}{slash}{}.{}", row["version"], row["type"])
}

struct Facts {
    types: BTreeMap<String, Row>,
    fields: BTreeMap<String, Vec<Row>>,
    structs: Vec<String>,
    index: BTreeMap<String, usize>,
    enums: Vec<Vec<String>>,
    enum_index: BTreeMap<String, usize>,
}

impl Facts {
    fn read(folder: &Path) -> Result<Self> {
        let types: Vec<Row> = read_csv(&folder.join("types.csv"))?;
        let structs: Vec<String> = types.iter().filter(|t| t["underlying"] == "struct").map(reference).collect();
        let index = structs.iter().cloned().enumerate().map(|(i, name)| (name, i)).collect();
        let mut fields: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in read_csv(&folder.join("schema.csv"))? {
            fields.entry(reference(&row)).or_default().push(row);
        }
        let (mut enums, mut enum_index) = (Vec::new(), BTreeMap::new());
        for row in read_csv(&folder.join("enums.csv"))?.iter().filter(|e| e["enum_marker"] == "1") {
            enum_index.insert(reference(row), enums.len());
            enums.push(row["values"].split('|').map(str::to_string).collect());
        }
        let types = types.into_iter().map(|t| (reference(&t), t)).collect();
        Ok(Self { types, fields, structs, index, enums, enum_index })
    }

    /// The members of a type's JSON, inlined structs expanded.
    fn members(&self, name: &str) -> Vec<&Row> {
        let mut members = Vec::new();
        for field in self.fields.get(name).into_iter().flatten() {
            match (field["inline"].as_str(), field["json"].as_str()) {
                ("1", _) => members.extend(self.members(&field["ref"])),
                (_, "" | "-") => {}
                _ => members.push(field),
            }
        }
        members
    }

    /// The member at a path such as `spec.ports[*].port` of a kind.
    fn member_at(&self, kind: &str, path: &str) -> Option<&Row> {
        let (mut ty, mut found) = (kind, None);
        for name in path.split('.').map(|step| step.trim_end_matches("[*]")) {
            let member = self.members(ty).into_iter().find(|m| m["json"] == name)?;
            ty = if member["kind_of_type"] == "struct" { &member["ref"] } else { &member["elem_ref"] };
            found = Some(member);
        }
        found
    }

    fn write_type(&self, name: &str, defaults: &Defaults, text: &mut String) -> Result<()> {
        let row = &self.types[name];
        let mut flags = String::new();
        flags += if row["struct_type"] == "atomic" { "a" } else { "" };
        flags += if row["proto_message"] == "1" { "p" } else { "" };
        let package = row["go_package"].rsplit('/').next().unwrap_or_default();
        *text += &format!("T\t{name}\t{}\t{flags}\t{}\t{package}\n", row["role"], row["openapi_name"]);
        for field in self.fields.get(name).into_iter().flatten() {
            if field["inline"] == "1" {
                if let Some(index) = self.index.get(&field["ref"]) {
                    *text += &format!("I\t{index}\t{}\n", number(field));
                }
            } else if !matches!(field["json"].as_str(), "" | "-") {
                let member = (name.to_string(), field["json"].clone());
                let default = defaults.fields.get(&member).unwrap_or(&field["default"]);
                self.write_field(field, default, text)?;
            }
        }
        for (path, value) in defaults.paths.get(name).into_iter().flatten() {
            *text += &format!("D\t{path}\t{value}\n");
        }
        Ok(())
    }

    fn write_field(&self, field: &Row, default: &String, text: &mut String) -> Result<()> {
        let kind = &field["kind_of_type"];
        let nested = if kind == "struct" { &field["ref"] } else { &field["elem_ref"] };
        let (of, of_name) = self.struct_or_name(nested);
        let name = if kind == "struct" { String::new() } else { self.struct_or_name(&field["ref"]).1 };
        let mut flags = String::new();
        for (column, flag) in [("pointer", "p"), ("omitempty", "o"), ("omitzero", "z"), ("required", "r")] {
            flags += if field[column] == "1" { flag } else { "" };
        }
        let wrapped = |reference: &str| {
            self.types.get(reference).is_some_and(|t| t["underlying"] == "list" && t["proto_message"] == "1")
        };
        flags += if wrapped(&field["ref"]) || wrapped(&field["elem_ref"]) { "w" } else { "" };
        // Set by upstream's code: not in OpenAPI.
        flags += if field["default"].is_empty() && !default.is_empty() { "c" } else { "" };
        let enumeration = self.enum_index.get(&field["enum_ref"]).map(usize::to_string).unwrap_or_default();
        let merge = [&field["patch_strategy"], &field["patch_merge_key"]];
        let lists = [&field["list_type"], &field["list_map_keys"], &field["map_type"], &field["struct_type"]];
        let cells: Vec<&str> = [&field["json"], kind, &field["elem_kind"], &of, &flags, number(field)]
            .into_iter()
            .chain(merge)
            .chain(lists)
            .chain([&enumeration, default, &field["format"], &name, &of_name, &field["union"]])
            .map(String::as_str)
            .collect();
        anyhow::ensure!(!cells.iter().any(|c| c.contains(['\t', '\n'])), "a cell of {field:?} has a tab or newline");
        *text += &format!("F\t{}\n", cells.join("\t").trim_end());
        Ok(())
    }

    /// The number of a struct type, and how Go prints any named type.
    fn struct_or_name(&self, reference: &str) -> (String, String) {
        let Some(row) = self.types.get(reference) else { return Default::default() };
        let package = row["go_package"].rsplit('/').next().unwrap_or_default();
        let index = self.index.get(reference).map(usize::to_string).unwrap_or_default();
        (index, format!("{package}.{}", row["type"]))
    }
}

fn number(field: &Row) -> &String {
    static NONE: String = String::new();
    if field["proto_number"] == "-" { &NONE } else { &field["proto_number"] }
}
