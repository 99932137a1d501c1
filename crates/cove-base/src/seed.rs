//! Seeded chance: everything random in a region is derived from its seed, a purpose and an ordinal.
//!
//! There is no shared stream: two values never depend on the order in which they were asked for.
//! Key material does not come from here (it comes from the operating system).

use aws_lc_rs::digest::{SHA256, digest};

/// A 256-bit seed. Children are derived by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed([u8; 32]);

/// Letters and digits that Kubernetes uses for generated names (no vowels, no look-alikes).
const KUBE_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Seed {
    /// A seed from a number, as `--seed` takes it.
    pub fn new(number: u64) -> Self {
        Self(hash(&[&number.to_be_bytes()]))
    }

    /// The seed of a child: a cluster, a node, one purpose.
    pub fn child(&self, purpose: &str) -> Self {
        Self(hash(&[&self.0, purpose.as_bytes()]))
    }

    /// Thirty-two bytes for the `ordinal`-th value of a purpose.
    pub fn bytes(&self, purpose: &str, ordinal: u64) -> [u8; 32] {
        hash(&[&self.0, purpose.as_bytes(), &[0], &ordinal.to_be_bytes()])
    }

    /// A number below `bound` (which must not be zero) for the `ordinal`-th value of a purpose.
    pub fn below(&self, purpose: &str, ordinal: u64, bound: u64) -> u64 {
        let bytes = self.bytes(purpose, ordinal);
        let mut wide = [0; 8];
        wide.copy_from_slice(&bytes[..8]);
        ((u128::from(u64::from_be_bytes(wide)) * u128::from(bound.max(1))) >> 64) as u64
    }

    /// `digits` (at most 64) lower-case hexadecimal digits, as in EC2 ids (17) and EKS tokens (32).
    pub fn hex(&self, purpose: &str, ordinal: u64, digits: usize) -> String {
        let text: String = self.bytes(purpose, ordinal).iter().map(|b| format!("{b:02x}")).collect();
        text[..digits.min(64)].to_string()
    }

    /// `length` (at most 32) characters from the alphabet of Kubernetes' generated names.
    pub fn kube_suffix(&self, purpose: &str, ordinal: u64, length: usize) -> String {
        self.pick(purpose, ordinal, length, KUBE_ALPHABET)
    }

    /// `length` (at most 32) characters of `alphabet` (ASCII, not empty).
    pub fn pick(&self, purpose: &str, ordinal: u64, length: usize, alphabet: &[u8]) -> String {
        let bytes = self.bytes(purpose, ordinal);
        bytes.iter().take(length).map(|b| alphabet[usize::from(*b) % alphabet.len()] as char).collect()
    }

    /// A version-4 UUID for the `ordinal`-th value of a purpose.
    pub fn uuid(&self, purpose: &str, ordinal: u64) -> String {
        let mut b = self.bytes(purpose, ordinal);
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex: String = b[..16].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let joined = parts.concat();
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &joined).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_depend_on_seed_purpose_and_ordinal_only() {
        let seed = Seed::new(7);
        assert_eq!(seed.hex("vpc", 3, 17), Seed::new(7).hex("vpc", 3, 17));
        assert_ne!(seed.hex("vpc", 3, 17), seed.hex("vpc", 4, 17));
        assert_ne!(seed.hex("vpc", 3, 17), Seed::new(8).hex("vpc", 3, 17));
        assert_eq!(seed.hex("vpc", 3, 17).len(), 17);
        assert!((0..100).all(|i| seed.below("die", i, 6) < 6));
        let uuid = seed.uuid("pod", 0);
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
    }
}
