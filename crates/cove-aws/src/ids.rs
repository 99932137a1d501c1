//! Ids of AWS resources: derived from the region's seed and an ordinal that is kept in the store, so that two runs
//! of one seed agree and a restart never gives an id twice.

use cove_base::Seed;
use serde::{Deserialize, Serialize};

use crate::operation::Cx;
use crate::records::{Records, Resource};
use cove_aws_wire::fault::Fault;

/// The next free ordinal of a space.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counter {
    name: String,
    next: u64,
}

impl Resource for Counter {
    const KIND: &'static str = "meta/counter";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Ordinals that were reserved for one operation, and the seed that they count in.
pub struct Ids {
    seed: Seed,
    next: u64,
    end: u64,
}

/// The alphabet of IAM's unique ids.
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Ids {
    /// Reserves `count` ordinals in this call's region.
    pub async fn regional(cx: &Cx, count: u64) -> Result<Self, Fault> {
        reserve(cx.records().await?, cx.rt.seed().child(&cx.region), count).await
    }

    /// Reserves `count` ordinals of the account.
    pub async fn global(cx: &Cx, count: u64) -> Result<Self, Fault> {
        reserve(cx.global_records().await?, cx.rt.seed().child("aws/global"), count).await
    }

    /// Ids that depend on the seed alone, for what exists once per region (the default VPC). `purpose` keeps them
    /// apart from counted ones.
    pub fn fixed(cx: &Cx, purpose: &str) -> Self {
        Self { seed: cx.rt.seed().child(&cx.region).child(purpose), next: 0, end: u64::MAX }
    }

    fn ordinal(&mut self) -> u64 {
        debug_assert!(self.next < self.end, "more ids than were reserved");
        self.next += 1;
        self.next - 1
    }

    /// An EC2 id, such as `vpc-0...` for `vpc`.
    pub fn ec2(&mut self, prefix: &str) -> String {
        let ordinal = self.ordinal();
        format!("{prefix}-0{}", self.seed.hex(prefix, ordinal, 16))
    }

    /// An id of IAM: four letters and `length` more from its alphabet.
    pub fn iam(&mut self, prefix: &str, length: usize) -> String {
        let ordinal = self.ordinal();
        format!("{prefix}{}", self.seed.pick(prefix, ordinal, length, BASE32))
    }

    /// A UUID.
    pub fn uuid(&mut self, purpose: &str) -> String {
        let ordinal = self.ordinal();
        self.seed.uuid(purpose, ordinal)
    }

    /// A number below `bound`.
    pub fn below(&mut self, purpose: &str, bound: u64) -> u64 {
        let ordinal = self.ordinal();
        self.seed.below(purpose, ordinal, bound)
    }

    /// `digits` hexadecimal digits.
    pub fn hex(&mut self, purpose: &str, digits: usize) -> String {
        let ordinal = self.ordinal();
        self.seed.hex(purpose, ordinal, digits)
    }
}

async fn reserve(records: Records<Counter>, seed: Seed, count: u64) -> Result<Ids, Fault> {
    const NAME: &str = "ids";
    loop {
        let mut start = 0;
        let updated = records
            .update(NAME, |counter| {
                start = counter.next;
                counter.next += count;
                Ok(())
            })
            .await?;
        if updated.is_some() || records.create(&Counter { name: NAME.into(), next: count }).await? {
            return Ok(Ids { seed, next: start, end: start + count });
        }
    }
}
