//! Resource quantities such as `500m` and `1Gi`: exact to a billionth, compared by value, printed as upstream prints
//! them (k8s.io/apimachinery v0.35 pkg/api/resource).

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// Billionths in one.
const NANOS: i128 = 1_000_000_000;
/// Upstream caps every quantity here.
const MAX: i128 = i64::MAX as i128 * NANOS;

/// How a quantity was written, and so is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `k`, `M`, `m`.
    DecimalSi,
    /// `Ki`, `Mi`.
    BinarySi,
    /// `e3`.
    DecimalExponent,
}

/// An amount of a resource. Equality and order are by value, not by spelling.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text is no quantity, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The text has the wrong shape.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// There is no number.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// The suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// Parses text.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            None => return Err(QuantityError::Format),
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
        };
        let digits_end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
        let (whole, rest) = unsigned.split_at(digits_end);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            None => ("", rest),
        };
        if !shape_is_right(suffix) {
            return Err(QuantityError::Format);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Number);
        }
        let (base, exponent, format) = suffix_of(suffix).ok_or(QuantityError::Suffix)?;
        let nanos = scaled(whole, fraction, base, exponent).min(MAX);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// From a JSON value: text or a bare number.
    pub fn from_value(value: &serde_json::Value) -> Result<Self, QuantityError> {
        match value {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => Self::parse(&number.to_string()),
            _ => Err(QuantityError::Format),
        }
    }

    /// Whole units, decimal.
    pub fn units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANOS, format: Format::DecimalSi }
    }

    /// Thousandths, decimal.
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * (NANOS / 1000), format: Format::DecimalSi }
    }

    /// Whole units, printed with `Ki` and so on.
    pub fn bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes) * NANOS, format: Format::BinarySi }
    }

    /// In whole units, rounded up (away from zero).
    pub fn value(&self) -> i64 {
        rounded(self.nanos, NANOS)
    }

    /// In thousandths, rounded up (away from zero).
    pub fn milli(&self) -> i64 {
        rounded(self.nanos, NANOS / 1000)
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.nanos.signum() as i32
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(&self) -> bool {
        self.nanos % NANOS == 0
    }

    /// The text that upstream writes, such as `1500m` for `1.5`.
    pub fn canonical(&self) -> String {
        if self.nanos == 0 {
            return "0".into();
        }
        let small = self.nanos.abs() < 1024 * NANOS;
        let format = match self.format {
            Format::BinarySi if small || !self.is_whole() => Format::DecimalSi,
            format => format,
        };
        match format {
            Format::BinarySi => binary(self.nanos / NANOS),
            format => decimal(self.nanos, format == Format::DecimalExponent),
        }
    }
}

/// The sum; keeps this one's form, or the other's if this is zero.
impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: (self.nanos + other.nanos).clamp(-MAX, MAX), format }
    }
}

/// The difference; keeps this one's form, or the other's if this is zero.
impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + Self { nanos: -other.nanos, ..other }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

fn rounded(nanos: i128, unit: i128) -> i64 {
    let (whole, rest) = (nanos / unit, nanos % unit);
    let value = whole + rest.signum();
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Letters, then a sign, then digits, and nothing else.
fn shape_is_right(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    rest.bytes().all(|b| b.is_ascii_digit())
}

/// Base, exponent and form of a suffix.
fn suffix_of(suffix: &str) -> Option<(i128, i32, Format)> {
    let (base, exponent, format) = match suffix {
        "" => (10, 0, Format::DecimalSi),
        "n" => (10, -9, Format::DecimalSi),
        "u" => (10, -6, Format::DecimalSi),
        "m" => (10, -3, Format::DecimalSi),
        "k" => (10, 3, Format::DecimalSi),
        "M" => (10, 6, Format::DecimalSi),
        "G" => (10, 9, Format::DecimalSi),
        "T" => (10, 12, Format::DecimalSi),
        "P" => (10, 15, Format::DecimalSi),
        "E" => (10, 18, Format::DecimalSi),
        "Ki" => (1024, 1, Format::BinarySi),
        "Mi" => (1024, 2, Format::BinarySi),
        "Gi" => (1024, 3, Format::BinarySi),
        "Ti" => (1024, 4, Format::BinarySi),
        "Pi" => (1024, 5, Format::BinarySi),
        "Ei" => (1024, 6, Format::BinarySi),
        _ => (10, suffix.strip_prefix(['e', 'E'])?.parse().ok()?, Format::DecimalExponent),
    };
    Some((base, exponent, format))
}

/// Billionths of `whole.fraction * base^exponent`, rounded up, at most [`MAX`].
fn scaled(whole: &str, fraction: &str, base: i128, exponent: i32) -> i128 {
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let digits = &digits[digits.iter().position(|d| *d != 0).unwrap_or(digits.len())..];
    if digits.is_empty() {
        return 0;
    }
    let factor = if base == 1024 { 1024_i128.pow(exponent.unsigned_abs()) } else { 1 };
    let decimal_exponent = if base == 10 { i64::from(exponent) } else { 0 };
    // The value is 0.DIGITS * 10^point * factor; in billionths, `keep` digits stand before the point.
    let point = digits.len() as i64 - fraction.len() as i64 + decimal_exponent;
    let keep = point + 9;
    let (mut nanos, mut lost) = (0_i128, false);
    // Binary factors multiply before rounding, so carry enough digits for them.
    for at in 0..keep.clamp(0, 60) {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
        nanos = nanos.saturating_mul(10).saturating_add(i128::from(digit));
        if nanos > MAX {
            return MAX;
        }
    }
    if keep > 60 {
        return MAX;
    }
    let tail = &digits[usize::try_from(keep.max(0)).unwrap_or(0).min(digits.len())..];
    let mut total = nanos.saturating_mul(factor);
    // What is below a billionth, times the factor: eighteen digits are exact enough, the rest only rounds up.
    let (mut below, mut scale) = (0_i128, 1_i128);
    for digit in tail.iter().take(18) {
        (below, scale) = (below * 10 + i128::from(*digit), scale * 10);
    }
    lost |= tail.iter().skip(18).any(|d| *d != 0);
    let leading_zeros = u32::try_from((-keep).clamp(0, 18)).unwrap_or(0);
    let scale = scale.saturating_mul(10_i128.pow(leading_zeros));
    let product = below.saturating_mul(factor);
    total = total.saturating_add(product / scale);
    lost |= product % scale != 0;
    total.saturating_add(i128::from(lost))
}

fn binary(mut units: i128) -> String {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut power = 0;
    while units % 1024 == 0 && power + 1 < SUFFIXES.len() {
        (units, power) = (units / 1024, power + 1);
    }
    format!("{units}{}", SUFFIXES[power])
}

fn decimal(mut nanos: i128, exponent_form: bool) -> String {
    const SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let mut power = 0;
    while nanos % 1000 == 0 && power + 1 < SUFFIXES.len() {
        (nanos, power) = (nanos / 1000, power + 1);
    }
    match power {
        3 => nanos.to_string(),
        _ if exponent_form => format!("{nanos}e{}", power as i32 * 3 - 9),
        _ => format!("{nanos}{}", SUFFIXES[power]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("1", "1"),
            ("0", "0"),
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1024Ki", "1Mi"),
            ("1Gi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("100e3", "100e3"),
            ("1E", "1E"),
            ("1E3", "1e3"),
            ("1000k", "1M"),
            ("0.0000000001", "1n"),
            ("-1m", "-1m"),
            ("+2", "2"),
            ("1.25Ki", "1280"),
            ("2.5", "2500m"),
            (".5", "500m"),
            ("00012", "12"),
            ("1e-3", "1e-3"),
            ("99999999999999999999", "9223372036854775807"),
            ("0Ki", "0"),
            ("0.0001Ki", "102400u"),
            ("3814Mi", "3814Mi"),
            ("1e400", "9223372036854775807"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().canonical(), canonical, "{text}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(Quantity::parse(""), Err(QuantityError::Format));
        assert_eq!(Quantity::parse("abc"), Err(QuantityError::Format));
        assert_eq!(Quantity::parse("1 "), Err(QuantityError::Format));
        assert_eq!(Quantity::parse("m"), Err(QuantityError::Number));
        assert_eq!(Quantity::parse("1Kii"), Err(QuantityError::Suffix));
        assert_eq!(Quantity::parse("1.1.1"), Err(QuantityError::Format));
    }

    #[test]
    fn arithmetic() {
        let parse = |t: &str| Quantity::parse(t).unwrap();
        assert_eq!(parse("1Gi"), parse("1073741824"));
        assert!(parse("1G") < parse("1Gi"));
        assert_eq!((parse("250m") + parse("1")).canonical(), "1250m");
        assert_eq!((parse("2Gi") - parse("512Mi")).canonical(), "1536Mi");
        assert_eq!((parse("1001m").value(), parse("0.0001").milli()), (2, 1));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(text in "[-+]?[0-9]{0,25}\\.?[0-9]{0,25}(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[-+]?[0-9]{1,4})?") {
            if let Ok(quantity) = Quantity::parse(&text) {
                let again = Quantity::parse(&quantity.canonical()).unwrap();
                prop_assert_eq!(again, quantity);
                prop_assert_eq!(again.canonical(), quantity.canonical());
            }
        }

        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,12}") {
            let _ = Quantity::parse(&text);
        }
    }
}
