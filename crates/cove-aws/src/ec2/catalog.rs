//! What AWS offers: regions, zones, instance types and where they are offered, from data
//! (`cargo xtask facts aws`; the sources are named in the first line of each file).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::data::unpack;

/// A region.
#[derive(Debug)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// `opt-in-not-required` or `opt-in`.
    pub opt_in: String,
    /// Its zones, in the order of their names.
    pub zones: Vec<Zone>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// `us-west-2a`.
    pub name: String,
    /// `usw2-az1`.
    pub id: String,
}

static REGIONS: LazyLock<Vec<Region>> = LazyLock::new(|| {
    let zones = Table::read(include_bytes!("../../data/zones.tsv.gz"));
    let regions = Table::read(include_bytes!("../../data/regions.tsv.gz"));
    let zones_of = |region: &str| {
        let rows = zones.rows().filter(|row| row.text("region") == region);
        let zones = rows.map(|row| Zone { name: row.text("zone_name").into(), id: row.text("zone_id").into() });
        let mut zones: Vec<Zone> = zones.collect();
        zones.sort_by(|a, b| a.name.cmp(&b.name));
        zones
    };
    regions
        .rows()
        .map(|row| Region {
            name: row.text("region").into(),
            opt_in: row.text("opt_in").into(),
            zones: zones_of(row.text("region")),
        })
        .collect()
});

/// All regions of the partition, sorted by name.
pub fn regions() -> &'static [Region] {
    &REGIONS
}

/// A region by its name.
pub fn region(name: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.name == name)
}

/// The zones of a region.
pub fn zones(region_name: &str) -> &'static [Zone] {
    region(region_name).map_or(&[], |region| &region.zones)
}

/// An instance type.
#[derive(Debug)]
pub struct InstanceType {
    /// Such as `m5.large`.
    pub name: String,
    cells: BTreeMap<&'static str, String>,
}

impl InstanceType {
    /// A cell of the table as text, empty if the type has none.
    pub fn text(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// A cell as a whole number, 0 if the type has none.
    pub fn number(&self, column: &str) -> u64 {
        self.text(column).parse().unwrap_or(0)
    }

    /// A cell as a number with a fraction.
    pub fn decimal(&self, column: &str) -> f64 {
        self.text(column).parse().unwrap_or(0.0)
    }

    /// Whether a cell says yes.
    pub fn flag(&self, column: &str) -> bool {
        self.text(column) == "1"
    }

    /// vCPUs.
    pub fn vcpus(&self) -> u64 {
        self.number("vcpu")
    }

    /// Memory in MiB.
    pub fn memory_mib(&self) -> u64 {
        self.number("memory_mib")
    }

    /// `x86_64` or `arm64`.
    pub fn arch(&self) -> &str {
        self.text("arch").split(['+', ' ', '/']).next().unwrap_or_default()
    }

    /// Such as `m5`.
    pub fn family(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

static TYPES: LazyLock<BTreeMap<String, InstanceType>> = LazyLock::new(|| {
    let table = Table::read(include_bytes!("../../data/instance-types.tsv.gz"));
    // Column names live as long as the program: they are leaked once.
    let columns: Vec<&'static str> = table.columns.iter().map(|c| &*c.clone().leak()).collect();
    let types = table.rows().map(|row| {
        let cells = columns.iter().map(|c| (*c, row.text(c).to_string())).filter(|(_, v)| !v.is_empty()).collect();
        InstanceType { name: row.text("name").into(), cells }
    });
    types.map(|t| (t.name.clone(), t)).collect()
});

/// An instance type by its name, wherever it is offered.
pub fn instance_type(name: &str) -> Option<&'static InstanceType> {
    TYPES.get(name)
}

/// All instance types, sorted by name.
pub fn instance_types() -> impl Iterator<Item = &'static InstanceType> {
    TYPES.values()
}

static OFFERINGS: LazyLock<BTreeMap<String, BTreeMap<String, String>>> = LazyLock::new(|| {
    let table = Table::read(include_bytes!("../../data/instance-offerings.tsv.gz"));
    let regions = |row: &Row<'_>| {
        let parts = row.text("regions").split(' ').filter_map(|part| part.split_once(':'));
        parts.map(|(region, zones)| (region.to_string(), zones.to_string())).collect()
    };
    table.rows().map(|row| (row.text("name").to_string(), regions(&row))).collect()
});

/// The zones of a region that offer an instance type.
pub fn offered_in(type_name: &str, region_name: &str) -> Vec<&'static Zone> {
    let Some(list) = OFFERINGS.get(type_name).and_then(|regions| regions.get(region_name)) else { return Vec::new() };
    let offered = |zone: &Zone| {
        let suffix = zone.id.rsplit_once("-az").map_or("", |(_, number)| number);
        list.split(',')
            .any(|part| part == zone.id || (suffix.len() == 1 && part.contains(suffix) && !part.contains('-')))
    };
    zones(region_name).iter().filter(|zone| offered(zone)).collect()
}

/// A table of data: a line with the source, a line with the columns, rows.
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A row of a table.
pub(crate) struct Row<'a> {
    table: &'a Table,
    cells: &'a [String],
}

impl Table {
    pub(crate) fn read(packed: &'static [u8]) -> Self {
        let text = unpack(packed);
        let mut lines = text.lines().skip(1);
        let split = |line: &str| line.split('\t').map(String::from).collect::<Vec<_>>();
        let columns = lines.next().map(split).unwrap_or_default();
        Self { columns, rows: lines.map(split).collect() }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }
}

impl Row<'_> {
    pub(crate) fn text(&self, column: &str) -> &str {
        let index = self.table.columns.iter().position(|c| c == column);
        index.and_then(|i| self.cells.get(i)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_whole() {
        assert_eq!(regions().len(), 34);
        assert!(regions().iter().all(|region| region.zones.len() >= 2), "{:?}", regions());
        let zone = &zones("us-west-2")[0];
        assert_eq!((zone.name.as_str(), zone.id.starts_with("usw2-az")), ("us-west-2a", true));
        let t3 = instance_type("t3.medium").expect("t3.medium");
        assert_eq!((t3.vcpus(), t3.memory_mib(), t3.arch(), t3.family()), (2, 4096, "x86_64", "t3"));
        assert_eq!(offered_in("t3.medium", "us-west-2").len(), 4);
        assert!(instance_types().count() > 1300);
        assert!(offered_in("a1.large", "us-west-2").len() < 4);
    }
}
