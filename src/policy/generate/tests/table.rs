//! The table of operations against the catalogue of actions.

use crate::policy::catalogue;
use crate::policy::generate::operations::{OPERATIONS, On, When, find};

#[test]
fn every_action_of_the_table_exists_and_acts_on_what_the_table_says() {
    for operation in OPERATIONS {
        for need in operation.needs {
            let action = catalogue::get().action(need.action);
            if need.action.starts_with("iam:") {
                continue;
            }
            let action = action.unwrap_or_else(|| panic!("{} is in no catalogue", need.action));
            let wanted = match need.on {
                On::Bucket => "bucket",
                On::Object | On::Source => "object",
                On::Key => "key",
                On::Role => "role",
                On::Any => {
                    assert!(action.resources.is_empty(), "{}", need.action);
                    continue;
                }
            };
            assert!(action.resources.iter().any(|name| name == wanted), "{} on {wanted}", need.action);
            assert_eq!(need.action.rsplit(':').next(), Some(action.name.as_str()), "the spelling of AWS");
        }
    }
}

#[test]
fn names_are_in_order_and_every_operation_asks_for_something() {
    assert!(OPERATIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(OPERATIONS.iter().all(|operation| operation.required().next().is_some()));
    assert!(find("headobject").is_some() && find("GetObjects").is_none());
}

#[test]
fn an_operation_asks_for_a_version_action_of_its_own() {
    for (name, action) in [
        ("GetObject", "s3:GetObjectVersion"),
        ("DeleteObject", "s3:DeleteObjectVersion"),
        ("GetObjectTagging", "s3:GetObjectVersionTagging"),
        ("PutObjectAcl", "s3:PutObjectVersionAcl"),
    ] {
        let needs = find(name).unwrap().needs;
        assert!(needs.iter().any(|need| need.action == action && need.when == When::Version), "{name}");
    }
}
