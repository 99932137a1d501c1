//! IAM: users, roles, policies, access keys, instance profiles. Global: one state for all regions.
//!
//! Modules in suggested reading order:

pub mod authorize;
pub mod documents;
pub mod faults;
pub mod identities;
pub mod managed;
pub mod ops;
pub mod paging;
pub mod state;

#[cfg(test)]
mod tests;

use crate::input::{permit, row};
use crate::operation::Service;
use ops::{access_keys, holders, instance_profiles, policies, roles, service_linked, users};
use state::{Role, User};

/// The service.
pub const SERVICE: Service = Service {
    name: "iam",
    operations: &[
        row!(
            "AddRoleToInstanceProfile",
            &[
                permit!(
                    "iam:AddRoleToInstanceProfile",
                    ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"]
                ),
                permit!("iam:PassRole", ["arn:aws:iam::${Account}:role/${RoleName}"])
            ],
            instance_profiles::add_role
        ),
        row!(
            "AttachRolePolicy",
            &[permit!(
                "iam:AttachRolePolicy",
                ["arn:aws:iam::${Account}:role/${RoleName}"],
                [("iam:PolicyARN", "PolicyArn")]
            )],
            holders::attach_policy::<Role>
        ),
        row!(
            "AttachUserPolicy",
            &[permit!(
                "iam:AttachUserPolicy",
                ["arn:aws:iam::${Account}:user/${UserName}"],
                [("iam:PolicyARN", "PolicyArn")]
            )],
            holders::attach_policy::<User>
        ),
        row!(
            "CreateAccessKey",
            &[permit!("iam:CreateAccessKey", ["arn:aws:iam::${Account}:user/${UserName}"])],
            access_keys::create_access_key
        ),
        row!(
            "CreateInstanceProfile",
            &[
                permit!(
                    "iam:CreateInstanceProfile",
                    ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"]
                ),
                permit!("iam:TagInstanceProfile", ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"], [], if "Tags")
            ],
            instance_profiles::create_instance_profile
        ),
        row!(
            "CreatePolicy",
            &[
                permit!("iam:CreatePolicy", ["arn:aws:iam::${Account}:policy/${PolicyName}"]),
                permit!("iam:TagPolicy", ["arn:aws:iam::${Account}:policy/${PolicyName}"], [], if "Tags")
            ],
            policies::create_policy
        ),
        row!(
            "CreatePolicyVersion",
            &[permit!("iam:CreatePolicyVersion", ["${PolicyArn}"])],
            policies::create_policy_version
        ),
        row!(
            "CreateRole",
            &[
                permit!(
                    "iam:CreateRole",
                    ["arn:aws:iam::${Account}:role/${RoleName}"],
                    [("iam:PermissionsBoundary", "PermissionsBoundary")]
                ),
                permit!("iam:TagRole", ["arn:aws:iam::${Account}:role/${RoleName}"], [], if "Tags")
            ],
            roles::create_role
        ),
        row!(
            "CreateServiceLinkedRole",
            &[permit!(
                "iam:CreateServiceLinkedRole",
                ["arn:aws:iam::${Account}:role/aws-service-role/${AWSServiceName}/*"],
                [("iam:AWSServiceName", "AWSServiceName")]
            )],
            service_linked::create_service_linked_role
        ),
        row!(
            "CreateUser",
            &[
                permit!(
                    "iam:CreateUser",
                    ["arn:aws:iam::${Account}:user/${UserName}"],
                    [("iam:PermissionsBoundary", "PermissionsBoundary")]
                ),
                permit!("iam:TagUser", ["arn:aws:iam::${Account}:user/${UserName}"], [], if "Tags")
            ],
            users::create_user
        ),
        row!(
            "DeleteAccessKey",
            &[permit!("iam:DeleteAccessKey", ["arn:aws:iam::${Account}:user/${UserName}"])],
            access_keys::delete_access_key
        ),
        row!(
            "DeleteInstanceProfile",
            &[permit!(
                "iam:DeleteInstanceProfile",
                ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"]
            )],
            instance_profiles::delete_instance_profile
        ),
        row!("DeletePolicy", &[permit!("iam:DeletePolicy", ["${PolicyArn}"])], policies::delete_policy),
        row!(
            "DeletePolicyVersion",
            &[permit!("iam:DeletePolicyVersion", ["${PolicyArn}"])],
            policies::delete_policy_version
        ),
        row!(
            "DeleteRole",
            &[permit!("iam:DeleteRole", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            roles::delete_role
        ),
        row!(
            "DeleteRolePolicy",
            &[permit!("iam:DeleteRolePolicy", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            holders::delete_policy::<Role>
        ),
        row!(
            "DeleteServiceLinkedRole",
            &[permit!("iam:DeleteServiceLinkedRole", ["arn:aws:iam::${Account}:role/aws-service-role/*/${RoleName}"])],
            service_linked::delete_service_linked_role
        ),
        row!(
            "DeleteUser",
            &[permit!("iam:DeleteUser", ["arn:aws:iam::${Account}:user/${UserName}"])],
            users::delete_user
        ),
        row!(
            "DeleteUserPolicy",
            &[permit!("iam:DeleteUserPolicy", ["arn:aws:iam::${Account}:user/${UserName}"])],
            holders::delete_policy::<User>
        ),
        row!(
            "DetachRolePolicy",
            &[permit!(
                "iam:DetachRolePolicy",
                ["arn:aws:iam::${Account}:role/${RoleName}"],
                [("iam:PolicyARN", "PolicyArn")]
            )],
            holders::detach_policy::<Role>
        ),
        row!(
            "DetachUserPolicy",
            &[permit!(
                "iam:DetachUserPolicy",
                ["arn:aws:iam::${Account}:user/${UserName}"],
                [("iam:PolicyARN", "PolicyArn")]
            )],
            holders::detach_policy::<User>
        ),
        row!(
            "GetInstanceProfile",
            &[permit!("iam:GetInstanceProfile", ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"])],
            instance_profiles::get_instance_profile
        ),
        row!("GetPolicy", &[permit!("iam:GetPolicy", ["${PolicyArn}"])], policies::get_policy),
        row!("GetPolicyVersion", &[permit!("iam:GetPolicyVersion", ["${PolicyArn}"])], policies::get_policy_version),
        row!("GetRole", &[permit!("iam:GetRole", ["arn:aws:iam::${Account}:role/${RoleName}"])], roles::get_role),
        row!(
            "GetRolePolicy",
            &[permit!("iam:GetRolePolicy", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            holders::get_policy::<Role>
        ),
        row!("GetUser", &[permit!("iam:GetUser", ["arn:aws:iam::${Account}:user/${UserName}"])], users::get_user),
        row!(
            "GetUserPolicy",
            &[permit!("iam:GetUserPolicy", ["arn:aws:iam::${Account}:user/${UserName}"])],
            holders::get_policy::<User>
        ),
        row!(
            "ListAccessKeys",
            &[permit!("iam:ListAccessKeys", ["arn:aws:iam::${Account}:user/${UserName}"])],
            access_keys::list_access_keys
        ),
        row!(
            "ListAttachedRolePolicies",
            &[permit!("iam:ListAttachedRolePolicies", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            holders::list_attached::<Role>
        ),
        row!(
            "ListAttachedUserPolicies",
            &[permit!("iam:ListAttachedUserPolicies", ["arn:aws:iam::${Account}:user/${UserName}"])],
            holders::list_attached::<User>
        ),
        row!(
            "ListInstanceProfiles",
            &[permit!("iam:ListInstanceProfiles", ["*"])],
            instance_profiles::list_instance_profiles
        ),
        row!(
            "ListInstanceProfilesForRole",
            &[permit!("iam:ListInstanceProfilesForRole", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            instance_profiles::list_instance_profiles_for_role
        ),
        row!("ListPolicies", &[permit!("iam:ListPolicies", ["*"])], policies::list_policies),
        row!(
            "ListPolicyVersions",
            &[permit!("iam:ListPolicyVersions", ["${PolicyArn}"])],
            policies::list_policy_versions
        ),
        row!(
            "ListRolePolicies",
            &[permit!("iam:ListRolePolicies", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            holders::list_policies::<Role>
        ),
        row!(
            "ListRoleTags",
            &[permit!("iam:ListRoleTags", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            roles::list_role_tags
        ),
        row!("ListRoles", &[permit!("iam:ListRoles", ["*"])], roles::list_roles),
        row!(
            "ListUserPolicies",
            &[permit!("iam:ListUserPolicies", ["arn:aws:iam::${Account}:user/${UserName}"])],
            holders::list_policies::<User>
        ),
        row!(
            "ListUserTags",
            &[permit!("iam:ListUserTags", ["arn:aws:iam::${Account}:user/${UserName}"])],
            users::list_user_tags
        ),
        row!("ListUsers", &[permit!("iam:ListUsers", ["*"])], users::list_users),
        row!(
            "PutRolePolicy",
            &[permit!("iam:PutRolePolicy", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            holders::put_policy::<Role>
        ),
        row!(
            "PutUserPolicy",
            &[permit!("iam:PutUserPolicy", ["arn:aws:iam::${Account}:user/${UserName}"])],
            holders::put_policy::<User>
        ),
        row!(
            "RemoveRoleFromInstanceProfile",
            &[permit!(
                "iam:RemoveRoleFromInstanceProfile",
                ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"]
            )],
            instance_profiles::remove_role
        ),
        row!(
            "SetDefaultPolicyVersion",
            &[permit!("iam:SetDefaultPolicyVersion", ["${PolicyArn}"])],
            policies::set_default_policy_version
        ),
        row!(
            "TagInstanceProfile",
            &[permit!("iam:TagInstanceProfile", ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"])],
            instance_profiles::tag_instance_profile
        ),
        row!("TagPolicy", &[permit!("iam:TagPolicy", ["${PolicyArn}"])], policies::tag_policy),
        row!("TagRole", &[permit!("iam:TagRole", ["arn:aws:iam::${Account}:role/${RoleName}"])], roles::tag_role),
        row!("TagUser", &[permit!("iam:TagUser", ["arn:aws:iam::${Account}:user/${UserName}"])], users::tag_user),
        row!(
            "UntagInstanceProfile",
            &[permit!("iam:UntagInstanceProfile", ["arn:aws:iam::${Account}:instance-profile/${InstanceProfileName}"])],
            instance_profiles::untag_instance_profile
        ),
        row!("UntagPolicy", &[permit!("iam:UntagPolicy", ["${PolicyArn}"])], policies::untag_policy),
        row!("UntagRole", &[permit!("iam:UntagRole", ["arn:aws:iam::${Account}:role/${RoleName}"])], roles::untag_role),
        row!("UntagUser", &[permit!("iam:UntagUser", ["arn:aws:iam::${Account}:user/${UserName}"])], users::untag_user),
        row!(
            "UpdateAccessKey",
            &[permit!("iam:UpdateAccessKey", ["arn:aws:iam::${Account}:user/${UserName}"])],
            access_keys::update_access_key
        ),
        row!(
            "UpdateAssumeRolePolicy",
            &[permit!("iam:UpdateAssumeRolePolicy", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            roles::update_assume_role_policy
        ),
        row!(
            "UpdateRole",
            &[permit!("iam:UpdateRole", ["arn:aws:iam::${Account}:role/${RoleName}"])],
            roles::update_role
        ),
    ],
    start: |_| {},
};
