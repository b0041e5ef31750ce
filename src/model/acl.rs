//! Access control lists of objects.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::resource::CannedAcl;

/// Everybody, without an account (S3 user guide, predefined groups).
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
/// Everybody with an account of AWS (the same page).
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// The ACL of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectAcl {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The version that was asked for.
    pub version_id: Option<String>,
    /// The canned ACL that these grants are; absent when they are none of them.
    pub canned: Option<CannedAcl>,
    /// The canonical id of the owner.
    pub owner: Option<String>,
    /// Who may do what.
    pub grants: Vec<AclGrant>,
}

/// One grant of an ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AclGrant {
    /// What kind of grantee it is.
    pub kind: GranteeKind,
    /// A canonical id, an address, or the URI of a group.
    pub grantee: String,
    /// `FULL_CONTROL`, `READ`, `WRITE`, `READ_ACP` or `WRITE_ACP`.
    #[schema(example = "READ")]
    pub permission: String,
}

/// Who a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GranteeKind {
    /// A user, by canonical id.
    User,
    /// An account, by its address.
    Email,
    /// A group, by URI.
    Group,
}

/// The canned ACL that these grants are. Those of a bucket's owner cannot be told from grants alone.
pub fn canned(owner: Option<&str>, grants: &[AclGrant]) -> Option<CannedAcl> {
    let of_owner = |grant: &&AclGrant| {
        grant.kind == GranteeKind::User && owner == Some(&grant.grantee) && grant.permission == "FULL_CONTROL"
    };
    let mut others: Vec<(&str, &str)> = grants
        .iter()
        .filter(|grant| !of_owner(grant))
        .map(|grant| (grant.grantee.as_str(), grant.permission.as_str()))
        .collect();
    others.sort_unstable();
    others.dedup();
    if others.len() == grants.len() {
        // the owner has no full control, which no canned ACL does
        return None;
    }
    match others.as_slice() {
        [] => Some(CannedAcl::Private),
        [(ALL_USERS, "READ")] => Some(CannedAcl::PublicRead),
        [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")] => Some(CannedAcl::PublicReadWrite),
        [(AUTHENTICATED, "READ")] => Some(CannedAcl::AuthenticatedRead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL_USERS, AUTHENTICATED, AclGrant, GranteeKind, canned};
    use crate::model::resource::CannedAcl;

    fn grant(grantee: &str, permission: &str) -> AclGrant {
        let kind = if grantee.starts_with("http") { GranteeKind::Group } else { GranteeKind::User };
        AclGrant { kind, grantee: grantee.to_owned(), permission: permission.to_owned() }
    }

    #[test]
    fn grants_are_recognised_as_canned_acls() {
        let own = grant("me", "FULL_CONTROL");
        let check = |others: &[(&str, &str)], wanted: Option<CannedAcl>| {
            let others = others.iter().map(|(grantee, permission)| grant(grantee, permission));
            let grants: Vec<AclGrant> = std::iter::once(own.clone()).chain(others).collect();
            assert_eq!(canned(Some("me"), &grants), wanted, "{grants:?}");
        };
        check(&[], Some(CannedAcl::Private));
        check(&[(ALL_USERS, "READ")], Some(CannedAcl::PublicRead));
        check(&[(ALL_USERS, "WRITE"), (ALL_USERS, "READ")], Some(CannedAcl::PublicReadWrite));
        check(&[(AUTHENTICATED, "READ")], Some(CannedAcl::AuthenticatedRead));
        check(&[("you", "READ")], None);
        check(&[("me", "READ")], None);
        assert_eq!(canned(Some("me"), &[grant(ALL_USERS, "READ")]), None);
        assert_eq!(canned(None, &[own]), None);
    }
}
