//! One value of a condition against one value of a request.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use jiff::Timestamp;

use super::decimal::Decimal;
use super::moment;
use super::operator::{Base, Order};
use crate::policy::context::Context;
use crate::policy::glob::{Fields, Glob, Pattern};
use crate::policy::variable::{self, Reading, Template, Text};

/// A value of the policy, read as its operator wants it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Comparison {
    /// Nothing matches: the value is not of the operator's type.
    Never,
    Pattern(Glob),
    /// A pattern that the request completes.
    Variable(Template, Shape),
    /// Equal without regard to case.
    Folded(Box<str>),
    Number(Order, Box<str>),
    Moment(Order, Timestamp),
    /// A boolean as text.
    Bool(Box<str>),
    Network(IpNet),
    Bytes(Box<[u8]>),
    /// True: the key has to be absent.
    Null(bool),
}

/// What a filled template is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Pattern,
    Folded,
    Arn,
}

impl Comparison {
    pub(super) fn new(base: Base, value: &str, variables: bool) -> Result<Self, String> {
        Ok(match base {
            Base::StringEquals => Self::text(value, Shape::Pattern, Reading { wildcards: false, variables })?,
            Base::StringEqualsIgnoreCase => {
                Self::text(value, Shape::Folded, Reading { wildcards: false, variables })?
            }
            Base::StringLike => Self::text(value, Shape::Pattern, Reading { wildcards: true, variables })?,
            Base::Arn => Self::text(value, Shape::Arn, Reading { wildcards: true, variables })?,
            Base::Numeric(order) => {
                Decimal::parse(value).map_or(Self::Never, |_| Self::Number(order, value.into()))
            }
            Base::Date(order) => {
                moment::parse(value).map_or(Self::Never, |moment| Self::Moment(order, moment))
            }
            Base::Bool => Self::Bool(value.into()),
            Base::IpAddress => Self::Network(network(value)?),
            Base::BinaryEquals => {
                STANDARD.decode(value).map_or(Self::Never, |bytes| Self::Bytes(bytes.into()))
            }
            Base::Null if value.eq_ignore_ascii_case("true") => Self::Null(true),
            Base::Null if value.eq_ignore_ascii_case("false") => Self::Null(false),
            Base::Null => Self::Never,
        })
    }

    fn text(value: &str, shape: Shape, reading: Reading) -> Result<Self, String> {
        Ok(match variable::read(value, reading)? {
            Text::Variable(template) => Self::Variable(template, shape),
            Text::Fixed(pattern) if shape == Shape::Folded => {
                pattern.as_text().map_or(Self::Never, |text| Self::Folded(text.into()))
            }
            Text::Fixed(pattern) => glob(pattern, shape).map_or(Self::Never, Self::Pattern),
        })
    }

    pub(super) fn matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Never | Self::Null(_) => false,
            Self::Pattern(glob) => glob.matches(value),
            Self::Variable(template, shape) => {
                template.fill(context).is_some_and(|pattern| matches_filled(pattern, *shape, value))
            }
            Self::Folded(text) => equal_folded(text, value),
            Self::Number(order, number) => {
                let pair = Decimal::parse(value).zip(Decimal::parse(number));
                pair.is_some_and(|(found, number)| order.holds(found.compare(&number)))
            }
            Self::Moment(order, moment) => {
                moment::parse(value).is_some_and(|found| order.holds(found.cmp(moment)))
            }
            Self::Bool(text) => text.eq_ignore_ascii_case(value),
            Self::Network(network) => value.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Self::Bytes(bytes) => STANDARD.decode(value).is_ok_and(|found| *found == **bytes),
        }
    }

    /// Whether it is the test for a key that is absent, or present.
    pub(super) fn is_null_test(&self, absent: bool) -> bool {
        *self == Self::Null(absent)
    }
}

fn glob(mut pattern: Pattern, shape: Shape) -> Option<Glob> {
    let complete = shape != Shape::Arn || pattern.confine(Fields::Operator);
    complete.then(|| Glob::from(pattern))
}

fn matches_filled(pattern: Pattern, shape: Shape, value: &str) -> bool {
    match shape {
        Shape::Folded => pattern.as_text().is_some_and(|text| equal_folded(text, value)),
        Shape::Pattern | Shape::Arn => glob(pattern, shape).is_some_and(|glob| glob.matches(value)),
    }
}

fn equal_folded(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}

/// A network, or a host without a mask. Host bits below the mask do not count.
fn network(text: &str) -> Result<IpNet, String> {
    let text = match text.contains('/') {
        true => Cow::Borrowed(text),
        false if text.contains(':') => Cow::Owned(format!("{text}/128")),
        false => Cow::Owned(format!("{text}/32")),
    };
    text.parse().map_err(|_| {
        format!("`{text}` is no range of addresses; write one like `203.0.113.0/24` or `2001:db8::/32`")
    })
}
