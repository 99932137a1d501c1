//! Roles linked to a service: AWS makes, trusts and changes them.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::find;
use super::roles;
use crate::iam::faults::no_such_entity;
use crate::iam::managed::find_policy;
use crate::iam::state::{AttachedPolicy, Holdings, Role, key_of};
use crate::ids::Ids;
use crate::operation::Cx;

/// The input of `CreateServiceLinkedRole` and `DeleteServiceLinkedRole`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkedInput {
    #[serde(rename = "AWSServiceName")]
    service: String,
    #[serde(rename = "Description")]
    description: Option<String>,
    #[serde(rename = "CustomSuffix")]
    suffix: Option<String>,
    #[serde(rename = "RoleName")]
    role_name: String,
}

/// What AWS knows of one service's role.
struct Linked {
    service: &'static str,
    role: &'static str,
    policy: &'static str,
    /// Whether the service allows several, told apart by a suffix.
    suffix: bool,
}

const LINKED: &[Linked] = &[
    Linked {
        service: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        policy: "AutoScalingServiceRolePolicy",
        suffix: true,
    },
    Linked {
        service: "eks-fargate.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKSForFargate",
        policy: "AmazonEKSForFargateServiceRolePolicy",
        suffix: false,
    },
    Linked {
        service: "eks-nodegroup.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKSNodegroup",
        policy: "AWSServiceRoleForAmazonEKSNodegroup",
        suffix: false,
    },
    Linked {
        service: "eks.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKS",
        policy: "AmazonEKSServiceRolePolicy",
        suffix: false,
    },
    Linked {
        service: "elasticloadbalancing.amazonaws.com",
        role: "AWSServiceRoleForElasticLoadBalancing",
        policy: "AWSElasticLoadBalancingServiceRolePolicy",
        suffix: false,
    },
];

/// `CreateServiceLinkedRole`.
pub async fn create_service_linked_role(cx: Cx, input: LinkedInput) -> Result<Value, Fault> {
    let Some(linked) = LINKED.iter().find(|l| l.service == input.service) else {
        return Err(Fault::new(
            501,
            "ServiceNotSupported",
            format!("Cove does not know the service linked role of {} yet", input.service),
        ));
    };
    let name = match input.suffix {
        None => linked.role.to_string(),
        Some(suffix) if linked.suffix => format!("{}_{suffix}", linked.role),
        Some(_) => {
            let message = format!("Custom suffix is not allowed for {}", input.service);
            return Err(Fault::client("InvalidInput", message));
        }
    };
    let role = new_role(&cx, linked, name, input.description).await?;
    if !cx.global_records::<Role>().await?.create(&role).await? {
        let message =
            format!("Service role name {} has been taken in this account, please try a different suffix.", role.name);
        return Err(Fault::client("InvalidInput", message));
    }
    let mut view = roles::view(&role, true);
    if let Some(members) = view.as_object_mut() {
        members.remove("RoleLastUsed");
    }
    Ok(json!({ "Role": view }))
}

async fn new_role(cx: &Cx, linked: &Linked, name: String, description: Option<String>) -> Result<Role, Fault> {
    let path = format!("/aws-service-role/{}/", linked.service);
    let policy_arn = format!("arn:aws:iam::aws:policy/aws-service-role/{}", linked.policy);
    let policy = find_policy(cx, &policy_arn).await?;
    let policy = policy.ok_or_else(|| Fault::internal(format!("{policy_arn} is not in the data")))?;
    let attached = vec![AttachedPolicy { policy_name: policy.name, policy_arn: policy.arn }];
    Ok(Role {
        arn: Arn::iam(format!("role{path}{name}")).to_string(),
        id: Ids::global(cx, 1).await?.iam("AROA", 17),
        path,
        name,
        created: cx.rt.now().as_secs(),
        trust: json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": linked.service },
                "Action": "sts:AssumeRole",
            }],
        })
        .to_string(),
        description,
        max_session_s: 3600,
        linked_service: Some(linked.service.into()),
        holdings: Holdings { attached, ..Holdings::default() },
    })
}

/// `DeleteServiceLinkedRole`. The deletion is done at once; the task that is named has succeeded.
pub async fn delete_service_linked_role(cx: Cx, input: LinkedInput) -> Result<Value, Fault> {
    let role = find::<Role>(&cx, &input.role_name).await?;
    let Some(service) = role.linked_service else {
        return Err(no_such_entity(format!("The role with name {} cannot be found.", role.name)));
    };
    let task = Ids::global(&cx, 1).await?.uuid("deletion-task");
    cx.global_records::<Role>().await?.delete(&key_of(&role.name)).await?;
    Ok(json!({ "DeletionTaskId": format!("task/aws-service-role/{service}/{}/{task}", role.name) }))
}
