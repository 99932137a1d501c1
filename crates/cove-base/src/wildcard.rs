//! Wildcards: `*` for any run of characters, `?` for one. IAM policies, EC2's filters and the scopes of access policies
//! match with it; what else their patterns know is theirs.

/// One piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// This character.
    Exactly(char),
    /// Any one character.
    One,
    /// Any run of characters, also an empty one.
    Any,
}

impl Piece {
    /// What a character of a pattern stands for.
    pub fn of(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            other => Self::Exactly(other),
        }
    }
}

/// Whether the whole of `text` matches.
///
/// When a text does not fit behind a star, only the last star takes one more character: earlier ones never need to, so
/// the work is at most the product of the lengths.
pub fn matches(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut piece) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                star = Some((at, piece));
                piece += 1;
            }
            Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::Exactly(c)) if *c == text[at] => (at, piece) = (at + 1, piece + 1),
            _ => match star {
                Some((taken, any)) => {
                    star = Some((taken + 1, any));
                    (at, piece) = (taken + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|p| *p == Piece::Any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wild(pattern: &str, text: &str) -> bool {
        matches(&pattern.chars().map(Piece::of).collect::<Vec<_>>(), text)
    }

    #[test]
    fn the_whole_text_must_match_and_stars_stay_cheap() {
        assert!(wild("*", "") && wild("a*c?", "abbcd") && wild("*a*b*", "xxaxxb") && wild("?*", "a"));
        assert!(!wild("a?", "a") && !wild("a*b", "ac") && !wild("A", "a") && !wild("", "a"));
        assert!(!wild(&"*a".repeat(60), &"a".repeat(59)) && !wild("*b", &"a".repeat(100_000)));
    }

    /// The obvious definition, exponential in the worst case.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => slow(rest, text),
            (Some(('*', rest)), Some((_, tail))) => slow(rest, text) || slow(pattern, tail),
            (Some((p, rest)), Some((t, tail))) => (*p == '?' || p == t) && slow(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |t: &str| t.chars().collect::<Vec<_>>();
            prop_assert_eq!(wild(&pattern, &text), slow(&chars(&pattern), &chars(&text)));
        }
    }
}
