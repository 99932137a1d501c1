//! `cove env`: the environment that points clients at the region (design section 8).

use anyhow::Result;

use crate::args::{EnvArgs, Shell};
use crate::control::{Request, ask};
use crate::output::sayln;
use crate::place::Place;

/// Variables that would point clients elsewhere.
const CLEARED: &[&str] = &[
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_EKS",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_AUTO_SCALING",
];

/// Runs the command.
pub async fn run(place: &Place, args: &EnvArgs) -> Result<()> {
    if args.unset {
        let names =
            ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        for name in names.iter().chain(&["KUBECONFIG"]) {
            sayln!("{}", unset(args.shell, name));
        }
        return Ok(());
    }
    let environment = ask(&place.socket(), &Request::Env).await?;
    let text = |member: &str| environment[member].as_str().unwrap_or_default().to_string();
    for name in CLEARED {
        sayln!("{}", unset(args.shell, name));
    }
    for (name, value) in [
        ("AWS_ENDPOINT_URL", text("endpoint")),
        ("AWS_REGION", text("region")),
        ("AWS_DEFAULT_REGION", text("region")),
        ("AWS_ACCESS_KEY_ID", text("accessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", text("secretAccessKey")),
        ("KUBECONFIG", place.kubeconfig().display().to_string()),
    ] {
        sayln!("{}", set(args.shell, name, &value));
    }
    Ok(())
}

fn set(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Bash => format!("export {name}='{}'", value.replace('\'', r"'\''")),
        Shell::Fish => format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
        Shell::Powershell => format!("$Env:{name} = '{}'", value.replace('\'', "''")),
    }
}

fn unset(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Bash => format!("unset {name}"),
        Shell::Fish => format!("set -e {name}"),
        Shell::Powershell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted() {
        assert_eq!(set(Shell::Bash, "A", "it's"), r"export A='it'\''s'");
        assert_eq!(set(Shell::Fish, "A", "it's"), r"set -gx A 'it\'s'");
        assert_eq!(set(Shell::Powershell, "A", "it's"), "$Env:A = 'it''s'");
    }
}
