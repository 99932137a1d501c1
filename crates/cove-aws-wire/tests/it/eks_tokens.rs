//! EKS tokens: those of the real CLI (1.45.11, recorded 2026-11-25 with the documentation's example keys), ours, and
//! hostile ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::eks_token::{TokenError, make, verify};
use cove_aws_wire::sigv4::parse_amz_date;
use cove_base::Timestamp;
use proptest::prelude::*;

use crate::{ExampleKey, example};

const CLI_LOCAL: &str = "k8s-aws-v1.aHR0cDovLzEyNy4wLjAuMTo0NTY2Lz9BY3Rpb249R2V0Q2FsbGVySWRlbnRpdHkmVmVyc2lvbj0yMDExLTA2LTE1JlgtQW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2JlgtQW16LUNyZWRlbnRpYWw9QUtJQUlPU0ZPRE5ON0VYQU1QTEUlMkYyMDI2MTEyNSUyRnVzLXdlc3QtMiUyRnN0cyUyRmF3czRfcmVxdWVzdCZYLUFtei1EYXRlPTIwMjYxMTI1VDE2NDM0OFomWC1BbXotRXhwaXJlcz02MCZYLUFtei1TaWduZWRIZWFkZXJzPWhvc3QlM0J4LWs4cy1hd3MtaWQmWC1BbXotU2lnbmF0dXJlPTJiNTRiMDRmMzQ5MjM2YjY4YmVjMTRiYWRkMzg4NTg3YmNjYTk5MWEyYzM0YWU2ODI4NjA5ODM4NTczZjcwOTY";
const CLI_PUBLIC_SESSION: &str = "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtd2VzdC0yLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eSZWZXJzaW9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXotQ3JlZGVudGlhbD1BS0lBSU9TRk9ETk43RVhBTVBMRSUyRjIwMjYxMTI1JTJGdXMtd2VzdC0yJTJGc3RzJTJGYXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjExMjVUMTY0MzUxWiZYLUFtei1FeHBpcmVzPTYwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TZWN1cml0eS1Ub2tlbj1hYmMlMkYlMkIlM0QmWC1BbXotU2lnbmF0dXJlPTE2N2I1NjE3NGU4NDg3YjkzMzRjNjczZTZjNDRlOTJmYjUxNDg2YzZjMDRjNThhMThiZDFkNTg2YmFlZWQ1ZDM";
const CLUSTER: &str = "my-prod-cluster";

fn check(token: &str, cluster: &str, now: Timestamp) -> Result<String, TokenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let verified = runtime.block_on(verify(token, cluster, &["cove.local:4566".into()], &ExampleKey, now));
    verified.map(|v| v.access_key_id)
}

fn recorded() -> Timestamp {
    parse_amz_date("20261125T164400Z").expect("a date")
}

#[test]
fn tokens_of_the_cli_verify_for_their_cluster_only() {
    for token in [CLI_LOCAL, CLI_PUBLIC_SESSION] {
        assert_eq!(check(token, CLUSTER, recorded()).as_deref(), Ok("AKIAIOSFODNN7EXAMPLE"));
        let other = check(token, "other", recorded()).expect_err("another cluster");
        assert!(other.to_string().starts_with("sts getCallerIdentity failed: The request signature"), "{other}");
    }
    // X-Amz-Expires is 60, but the date alone decides.
    let minutes = |n: u64| recorded() + std::time::Duration::from_secs(n * 60);
    assert!(check(CLI_LOCAL, CLUSTER, minutes(14)).is_ok());
    let late = check(CLI_LOCAL, CLUSTER, minutes(15)).expect_err("too late").to_string();
    assert!(late.contains("X-Amz-Date parameter is expired (15m0s expiration)"), "{late}");
}

#[test]
fn our_tokens_verify_whatever_the_endpoint() {
    let now = Timestamp::from_secs(1_795_621_355);
    let endpoints = [
        "http://127.0.0.1:4566",
        "https://localhost:4566/",
        "https://sts.us-west-2.amazonaws.com/",
        "https://sts.amazonaws.com",
        "https://sts-fips.us-east-1.amazonaws.com",
        "http://cove.local:4566",
    ];
    for endpoint in endpoints {
        let token = make(CLUSTER, &example(), "us-west-2", endpoint, now);
        assert!(check(&token, CLUSTER, now).is_ok(), "{endpoint}");
    }
    for endpoint in ["https://evil.example", "http://sts.amazonaws.com", "https://sts.evil.com.amazonaws.com.x"] {
        let token = make(CLUSTER, &example(), "us-west-2", endpoint, now);
        assert!(matches!(check(&token, CLUSTER, now), Err(TokenError::Format(_))), "{endpoint}");
    }
    let stranger = Credentials { access_key_id: "AKIAOTHER".into(), ..example() };
    let token = make(CLUSTER, &stranger, "us-west-2", endpoints[0], now);
    assert!(matches!(check(&token, CLUSTER, now), Err(TokenError::Sts(_))));
}

#[test]
fn what_is_malformed_is_named() {
    let change = |from: &str, to: &str| {
        let url = URL_SAFE_NO_PAD.decode(&CLI_LOCAL["k8s-aws-v1.".len()..]).expect("base64");
        let url = String::from_utf8(url).expect("text").replace(from, to);
        let token = format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url));
        check(&token, CLUSTER, recorded()).expect_err("refused").to_string()
    };
    assert!(change("GetCallerIdentity", "GetSessionToken").contains("unexpected action parameter"));
    assert!(change("4566/?", "4566/x?").contains("unexpected path"));
    assert!(change("Expires=60", "Expires=901").contains("invalid X-Amz-Expires parameter"));
    assert!(change("&X-Amz-Date", "&Extra=1&X-Amz-Date").contains("non-whitelisted query parameter \"Extra\""));
    assert!(change("&X-Amz-Date", "&action=x&X-Amz-Date").contains("multiple values not supported"));
    assert!(change("%3Bx-k8s-aws-id", "").contains("client did not sign the x-k8s-aws-id header"));
    assert!(check(&"x".repeat(5000), CLUSTER, recorded()).expect_err("refused").to_string().contains("too large"));
}

proptest! {
    #[test]
    fn hostile_tokens_never_panic(text in ".{0,100}", query in "[ -~]{0,100}") {
        prop_assert!(check(&text, CLUSTER, recorded()).is_err());
        let url = format!("http://127.0.0.1/?{query}");
        let token = format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url));
        prop_assert!(check(&token, CLUSTER, recorded()).is_err());
    }
}
