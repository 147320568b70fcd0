//! The team members of a company: their roles, and how one is read from the file or from the API.
//!
//! PURE. That emails and custom ids are unique within the company is checked in `check`; the ledger keeps the
//! members apart from the policy.

use serde::{Deserialize, Serialize};

use crate::{
    document::{
        Problem,
        fields::{LABEL_CHARS_MAX, Problems},
        node::Node,
    },
    job::parse::{read_email, read_name},
};

use super::fields::{open_or_empty, read_choice};

pub(super) const FIELDS: &[&str] = &["email", "custom_id", "name", "role", "approved"];

/// A team member, the subject of the question that a customer gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// At least one of email and custom id is present.
    pub email: Option<String>,
    /// The company's own id of the member.
    pub custom_id: Option<String>,
    /// Shown to operators.
    pub name: Option<String>,
    /// On the team's list.
    pub role: Role,
    /// Customers may be asked about this member where the company requires approval.
    pub approved: bool,
}

/// The role of a team member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Asks about own interactions only.
    Member,
    /// Asks for the team.
    Leader,
    /// Administrator of the company.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::Member, Role::Leader, Role::Admin];

    /// The stored and public word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Leader => "leader",
            Role::Admin => "admin",
        }
    }

    /// The role with this stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// Reads one team member.
///
/// # Errors
/// Every problem, by path.
pub fn read_one_member(document: &Node) -> Result<Member, Vec<Problem>> {
    let mut problems = Problems::default();
    let member = read_member("", document, &mut problems);
    problems.settle(Some(member))
}

pub(super) fn read_member(path: &str, item: &Node, problems: &mut Problems) -> Member {
    let fields = open_or_empty(path, item, FIELDS, problems);
    if fields.get("email").is_none() && fields.get("custom_id").is_none() {
        problems.add(path, "missing", "a team member needs an email or a custom_id");
    }
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    Member {
        email: read_email(&fields, "email", problems),
        custom_id: fields.text("custom_id", LABEL_CHARS_MAX, problems),
        name: read_name(&fields, "name", problems),
        role: read_choice(&fields, "role", &roles, problems).unwrap_or(Role::Member),
        approved: fields.flag("approved", problems).unwrap_or(true),
    }
}
