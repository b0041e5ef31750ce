//! The names of condition operators.

/// An operator with its prefix, its `Not` and its suffix taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) struct Operator {
    /// How several values of the request count. None: the request has one.
    pub(in crate::policy) set: Option<Set>,
    pub(in crate::policy) base: Base,
    /// True for the `Not` form.
    pub(in crate::policy) negated: bool,
    /// True when the condition holds without the key.
    pub(in crate::policy) if_exists: bool,
}

/// How several values of a request count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Set {
    ForAllValues,
    ForAnyValue,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Base {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    IpAddress,
    /// `ArnEquals` and `ArnLike` are the same.
    Arn,
    BinaryEquals,
    Null,
}

/// How two numbers or moments have to stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Every operator without prefix and suffix, whether it is a `Not` form, and what it compares.
const OPERATORS: [(&str, bool, Base); 27] = [
    ("StringEquals", false, Base::StringEquals),
    ("StringNotEquals", true, Base::StringEquals),
    ("StringEqualsIgnoreCase", false, Base::StringEqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", true, Base::StringEqualsIgnoreCase),
    ("StringLike", false, Base::StringLike),
    ("StringNotLike", true, Base::StringLike),
    ("NumericEquals", false, Base::Numeric(Order::Equal)),
    ("NumericNotEquals", true, Base::Numeric(Order::Equal)),
    ("NumericLessThan", false, Base::Numeric(Order::Less)),
    ("NumericLessThanEquals", false, Base::Numeric(Order::LessOrEqual)),
    ("NumericGreaterThan", false, Base::Numeric(Order::Greater)),
    ("NumericGreaterThanEquals", false, Base::Numeric(Order::GreaterOrEqual)),
    ("DateEquals", false, Base::Date(Order::Equal)),
    ("DateNotEquals", true, Base::Date(Order::Equal)),
    ("DateLessThan", false, Base::Date(Order::Less)),
    ("DateLessThanEquals", false, Base::Date(Order::LessOrEqual)),
    ("DateGreaterThan", false, Base::Date(Order::Greater)),
    ("DateGreaterThanEquals", false, Base::Date(Order::GreaterOrEqual)),
    ("Bool", false, Base::Bool),
    ("IpAddress", false, Base::IpAddress),
    ("NotIpAddress", true, Base::IpAddress),
    ("ArnEquals", false, Base::Arn),
    ("ArnNotEquals", true, Base::Arn),
    ("ArnLike", false, Base::Arn),
    ("ArnNotLike", true, Base::Arn),
    ("BinaryEquals", false, Base::BinaryEquals),
    ("Null", false, Base::Null),
];

impl Operator {
    /// All names, without prefix and suffix.
    pub(in crate::policy) fn names() -> impl Iterator<Item = &'static str> {
        OPERATORS.iter().map(|(name, ..)| *name)
    }

    /// Reads a name; case does not count.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, String> {
        let (set, rest) = match text.split_once(':') {
            None => (None, text),
            Some((prefix, rest)) => (Some(Set::parse(prefix).ok_or_else(|| unknown(text))?), rest),
        };
        let (name, if_exists) = match strip_suffix_ignore_case(rest, "IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let found = OPERATORS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let (_, negated, base) = *found.ok_or_else(|| unknown(text))?;
        if base == Base::Null && if_exists {
            return Err(format!(
                "`{text}` is no operator: Null already asks whether the key is there; write `Null`"
            ));
        }
        Ok(Self { set, base, negated, if_exists })
    }
}

impl Set {
    fn parse(prefix: &str) -> Option<Self> {
        [("ForAllValues", Self::ForAllValues), ("ForAnyValue", Self::ForAnyValue)]
            .into_iter()
            .find_map(|(name, set)| name.eq_ignore_ascii_case(prefix).then_some(set))
    }
}

impl Order {
    /// Whether the request's value stands to the policy's as it has to.
    pub(super) fn holds(self, found: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

fn unknown(text: &str) -> String {
    format!("`{text}` is no condition operator; write one that IAM has, for example `StringEquals`")
}
