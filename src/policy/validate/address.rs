//! Addresses and ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::pattern::has_dollar;
use super::subject::Subject;
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, ConditionValue, Located};
use crate::policy::finding::Rule;
use crate::policy::finding::code::{errors, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

/// Ranges from which no request reaches AWS over the internet (RFC 1918, RFC 4193).
const PRIVATE: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)),
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (_, condition, operator) in subject.readable_conditions() {
        if operator.base != Base::IpAddress {
            continue;
        }
        let ranges: Vec<_> = condition.values.iter().map(|value| (value, read(&value.value.text))).collect();
        for (value, range) in &ranges {
            check_range(value, range.as_ref(), report);
        }
        if condition.key.value.eq_ignore_ascii_case("aws:SourceIp") {
            check_private(condition, operator, &ranges, report);
        }
    }
}

fn read(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

type Value = Located<ConditionValue>;

fn check_range(value: &Value, range: Option<&IpNet>, report: &mut Report) {
    let text = value.value.text.as_str();
    // A variable here is told by `variable`.
    if has_dollar(text) {
        return;
    }
    let Some(range) = range else {
        report
            .add(
                &errors::TYPE_MISMATCH_IP_RANGE,
                value.at,
                format!("{} is neither an address nor a range", shown(text)),
            )
            .help("write `203.0.113.0/24`, `2001:db8::/32` or one address");
        return;
    };
    let trimmed = range.trunc();
    if trimmed != *range {
        report
            .add(
                &suggestions::IMPROVE_IP_RANGE,
                value.at,
                format!("{} has bits set behind its mask", shown(text)),
            )
            .help(format!("write `{trimmed}`, which is the same range"))
            .repair([Edit::Replace(value.at, quote(&trimmed.to_string()))]);
    }
}

fn is_private(range: &IpNet) -> bool {
    PRIVATE.iter().any(|private| private.contains(range))
}

fn check_private(
    condition: &Condition,
    operator: Operator,
    ranges: &[(&Value, Option<IpNet>)],
    report: &mut Report,
) {
    let of_private = ranges.iter().filter(|(_, range)| range.as_ref().is_some_and(is_private));
    let private: Vec<&Value> = of_private.map(|(value, _)| *value).collect();
    let Some(first) = private.first() else { return };
    let (all, some): (&'static Rule, &'static Rule) = if operator.negated {
        (&errors::PRIVATE_NOT_IP_ADDRESS, &suggestions::PRIVATE_NOT_IP_ADDRESS_SUBSET)
    } else {
        (&errors::PRIVATE_IP_ADDRESS, &suggestions::PRIVATE_IP_ADDRESS_SUBSET)
    };
    let help =
        "`aws:SourceIp` is the public address; for requests through a VPC endpoint compare `aws:VpcSourceIp`";
    if private.len() == condition.values.len() {
        let outcome = if operator.negated { "true" } else { "false" };
        let message =
            format!("the ranges for `aws:SourceIp` are private, so the condition is always {outcome}");
        report.add(all, condition.key.at, message).help(help);
    } else {
        let message = format!("no request comes from the private range {}", shown(&first.value.text));
        report
            .add(some, first.at, message)
            .help(help)
            .repair(private.iter().map(|value| Edit::Remove(value.at)));
    }
}
