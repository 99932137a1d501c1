//! What an account has before anyone asked for it: the user `admin` with AdministratorAccess and an access key.

use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;

use super::ops::access_keys::new_secret;
use super::state::{AccessKey, AttachedPolicy, Holdings, User};
use crate::ids::Ids;
use crate::operation::Cx;

/// The name of the user.
pub const ADMIN: &str = "admin";

/// Makes the user `admin` unless it exists, and gives its key: the given one (id and secret), else the one that it
/// has, else a new one.
pub async fn bootstrap(cx: &Cx, given: Option<(String, String)>) -> Result<Credentials, Fault> {
    let policy = "AdministratorAccess";
    let user = User {
        path: "/".into(),
        name: ADMIN.into(),
        id: Ids::fixed_global(cx, "bootstrap").iam("AIDA", 17),
        arn: Arn::iam(format!("user/{ADMIN}")).to_string(),
        created: cx.rt.now().as_secs(),
        holdings: Holdings {
            attached: vec![AttachedPolicy {
                policy_name: policy.into(),
                policy_arn: format!("arn:aws:iam::aws:policy/{policy}"),
            }],
            ..Holdings::default()
        },
    };
    cx.global_records::<User>().await?.create(&user).await?;
    let keys = cx.global_records::<AccessKey>().await?;
    let own = |key: &AccessKey| key.user_name.as_deref() == Some(ADMIN) && key.active;
    let key = match given {
        Some((id, secret)) => key(cx, id, secret),
        None => match keys.list().await?.into_iter().find(own) {
            Some(key) => key,
            None => key(cx, Ids::global(cx, 1).await?.iam("AKIA", 16), new_secret()?),
        },
    };
    if !keys.create(&key).await? {
        let update = keys.update(&key.id, |old| {
            old.clone_from(&key);
            Ok(())
        });
        update.await?;
    }
    Ok(Credentials { access_key_id: key.id, secret_access_key: key.secret, session_token: None })
}

fn key(cx: &Cx, id: String, secret: String) -> AccessKey {
    AccessKey { id, secret, user_name: Some(ADMIN.into()), active: true, created: cx.rt.now().as_secs() }
}
