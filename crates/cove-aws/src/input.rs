//! Reading an operation's input strictly: a member that the model has and the operation does not honour is refused by
//! its name, never dropped (design: refuse before faking).

use cove_aws_wire::fault::Fault;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the input of `operation`. The struct says `deny_unknown_fields`.
pub fn read<I: DeserializeOwned>(operation: &str, input: Value) -> Result<I, Fault> {
    I::deserialize(&input).map_err(|error| refusal(operation, &error.to_string()))
}

fn refusal(operation: &str, error: &str) -> Fault {
    match error.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((member, _)) => Fault::new(
            501,
            "UnsupportedParameter",
            format!("Cove does not support the parameter {member} of {operation} yet"),
        ),
        None => crate::operation::unreadable(error),
    }
}

/// Declares a permission: `permit!(action, [resources], [(condition key, member)], if "Member")`, the last two optional.
macro_rules! permit {
    ($action:literal, [$($resource:literal),*]) => {
        $crate::input::permit!($action, [$($resource),*], [])
    };
    ($action:literal, [$($resource:literal),*], [$($condition:expr),*]) => {
        $crate::input::permit!($action, [$($resource),*], [$($condition),*], if "")
    };
    ($action:literal, [$($resource:literal),*], [$($condition:expr),*], if $member:literal) => {
        $crate::operation::Permission {
            action: $action,
            resources: &[$($resource),*],
            conditions: &[$($condition),*],
            only_if: $member,
        }
    };
}
pub(crate) use permit;

/// Declares an operation's row like [`operation!`](crate::operation!), reading the input strictly.
macro_rules! row {
    ($name:literal, $permissions:expr, $function:path) => {
        $crate::operation::Operation {
            name: $name,
            permissions: $permissions,
            run: |cx, input| {
                Box::pin(async move {
                    let output = $function(cx, $crate::input::read($name, input)?).await?;
                    ::serde_json::to_value(output).map_err(::cove_aws_wire::fault::Fault::internal)
                })
            },
        }
    };
}
pub(crate) use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Input {
        #[serde(rename = "A")]
        a: String,
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_name() {
        assert_eq!(read::<Input>("Op", serde_json::json!({"A": "x"})).expect("read").a, "x");
        let fault = read::<Input>("Op", serde_json::json!({"A": "x", "B": 1})).expect_err("refused");
        assert_eq!(fault.message, "Cove does not support the parameter B of Op yet");
    }
}
