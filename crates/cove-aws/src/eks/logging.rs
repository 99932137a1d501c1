//! The five kinds of control plane log, of which each is on or off.

use super::state::LogSetup;

/// The kinds, in EKS's order.
pub const TYPES: &[&str] = &["api", "audit", "authenticator", "controllerManager", "scheduler"];

/// All five kinds in at most two elements, enabled ones first: `before` (all off if it is empty) changed by `asked`.
pub fn complete(asked: Vec<LogSetup>, before: &[LogSetup]) -> Vec<LogSetup> {
    let find = |setups: &[LogSetup], kind: &str| {
        setups.iter().rev().find(|s| s.types.iter().any(|t| t == kind)).map(|s| s.enabled)
    };
    let is_on = |kind: &&str| find(&asked, kind).or_else(|| find(before, kind)).unwrap_or(false);
    let (on, off): (Vec<&str>, Vec<&str>) = TYPES.iter().partition(|kind| is_on(kind));
    let setup = |kinds: Vec<&str>, enabled| LogSetup { types: kinds.into_iter().map(Into::into).collect(), enabled };
    [setup(on, true), setup(off, false)].into_iter().filter(|s| !s.types.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once() {
        let on = LogSetup { types: vec!["audit".into()], enabled: true };
        let first = complete(vec![on], &[]);
        assert_eq!(first.len(), 2);
        assert_eq!((first[0].types.as_slice(), first[0].enabled), (["audit".to_string()].as_slice(), true));
        let all =
            complete(vec![LogSetup { types: TYPES.iter().map(|t| t.to_string()).collect(), enabled: true }], &first);
        assert_eq!(all.iter().map(|s| s.types.len()).collect::<Vec<_>>(), [5]);
        assert_eq!(complete(Vec::new(), &all), all);
    }
}
