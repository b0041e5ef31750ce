//! Conditions: an operator, a key and its values against the values that a request has for the key.
//!
//! Everything that can be read when the policy is loaded is read then: operators, numbers, networks, patterns.
//! A value that is not of the operator's type never matches; one that AWS refuses makes the policy invalid.

mod comparison;
mod decimal;
mod moment;
mod operator;

use comparison::Comparison;
pub(super) use operator::{Base, Operator, Set};

use super::context::Context;

/// One key under one operator, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    /// The operator as written.
    pub(super) operator_text: Box<str>,
    /// The key as written.
    pub(super) key: Box<str>,
    /// The key in lower case.
    folded: Box<str>,
    /// The values as written.
    pub(super) expected: Box<[Box<str>]>,
    comparisons: Box<[Comparison]>,
    /// No value is a number or moment, though the operator compares such: it is false, negated or not.
    is_unreadable: bool,
}

impl Condition {
    /// Reads a condition. The error says what makes the policy invalid.
    pub(super) fn new(operator: &str, key: &str, values: &[&str], variables: bool) -> Result<Self, String> {
        let parsed = Operator::parse(operator)?;
        let comparisons: Result<Box<[_]>, String> =
            values.iter().map(|value| Comparison::new(parsed.base, value, variables)).collect();
        let comparisons = comparisons?;
        Ok(Self {
            is_unreadable: matches!(parsed.base, Base::Numeric(_) | Base::Date(_))
                && !comparisons.is_empty()
                && comparisons.iter().all(|one| *one == Comparison::Never),
            operator: parsed,
            operator_text: operator.into(),
            key: key.into(),
            folded: key.to_lowercase().into(),
            expected: values.iter().map(|value| Box::from(*value)).collect(),
            comparisons,
        })
    }

    /// What the request has for the key.
    pub(super) fn actual<'a>(&self, context: &'a Context) -> &'a [String] {
        context.values(&self.folded)
    }

    /// Whether the condition holds.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let actual = self.actual(context);
        if self.operator.base == Base::Null {
            return self.null_holds(actual.is_empty());
        }
        match self.operator.set {
            None => self.single_holds(actual, context),
            Some(set) => self.set_holds(set, actual, context),
        }
    }

    /// `Null` under `ForAllValues` or `ForAnyValue` is constant.
    fn null_holds(&self, absent: bool) -> bool {
        match self.operator.set {
            Some(set) => set == Set::ForAllValues,
            None => self.comparisons.iter().any(|comparison| comparison.is_null_test(absent)),
        }
    }

    /// Without a set operator: a key with several values is undefined territory and does not match.
    fn single_holds(&self, actual: &[String], context: &Context) -> bool {
        let Operator { negated, if_exists, .. } = self.operator;
        match actual {
            [] if self.comparisons.is_empty() => if_exists,
            [] => if_exists || negated,
            [_] if self.comparisons.is_empty() || self.is_unreadable => false,
            [value] => self.any_matches(value, context) != negated,
            _ => false,
        }
    }

    /// For a negated operator every value of the request is compared with none of the policy's.
    fn set_holds(&self, set: Set, actual: &[String], context: &Context) -> bool {
        let Operator { negated, if_exists, .. } = self.operator;
        // What is empty is no value to a set operator: AWS calls it a null data set.
        let mut values = actual.iter().filter(|value| !value.is_empty());
        match set {
            Set::ForAllValues => values.all(|value| self.value_holds(value, negated, context)),
            Set::ForAnyValue if if_exists && actual.is_empty() => true,
            Set::ForAnyValue => values.any(|value| self.value_holds(value, negated, context)),
        }
    }

    fn value_holds(&self, value: &str, negated: bool, context: &Context) -> bool {
        !self.is_unreadable && self.any_matches(value, context) != negated
    }

    fn any_matches(&self, value: &str, context: &Context) -> bool {
        self.comparisons.iter().any(|comparison| comparison.matches(value, context))
    }
}

#[cfg(test)]
mod tests;
