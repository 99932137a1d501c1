//! Launch templates.

use cove_aws_wire::fault::Fault;
use serde_json::{Map, Value};

use super::run_instances::members;
use crate::ec2::state::Tag;
use crate::operation::Cx;

/// The input of RunInstances with the data of its launch template beneath it, and the tags that tell of the template.
pub async fn under(_cx: &Cx, input: Value) -> Result<(Map<String, Value>, Vec<Tag>), Fault> {
    Ok((members(input)?, Vec::new()))
}
