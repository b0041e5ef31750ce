//! Where something stands: in the text, and in the configuration that was made of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::rule::List;

/// A place in a text, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = CorsPlace)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Place {
    /// The first character.
    pub const START: Place = Place { line: 1, column: 1 };

    /// Steps over a character.
    pub(super) fn pass(&mut self, c: char) {
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
    }
}

/// A part of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Document,
    Rule(usize),
    Id(usize),
    MaxAge(usize),
    List(usize, List),
    Value(usize, List, usize),
}

impl Spot {
    /// The path of it, for example `rules[0].allowed_origins[1]`.
    pub(super) fn path(self) -> String {
        match self {
            Spot::Document => "rules".to_owned(),
            Spot::Rule(rule) => format!("rules[{rule}]"),
            Spot::Id(rule) => format!("rules[{rule}].id"),
            Spot::MaxAge(rule) => format!("rules[{rule}].max_age_seconds"),
            Spot::List(rule, list) => format!("rules[{rule}].{}", list.as_str()),
            Spot::Value(rule, list, value) => format!("rules[{rule}].{}[{value}]", list.as_str()),
        }
    }
}

/// Where the parts of a configuration stand in the text; empty for one that was not read from text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) document: Option<Place>,
    pub(super) rules: Vec<RulePlaces>,
}

/// Where the parts of a rule stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RulePlaces {
    pub(super) rule: Option<Place>,
    pub(super) id: Option<Place>,
    pub(super) max_age: Option<Place>,
    pub(super) lists: [ListPlaces; 4],
}

/// Where a list and its values stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ListPlaces {
    pub(super) list: Option<Place>,
    pub(super) values: Vec<Place>,
}

impl RulePlaces {
    pub(super) fn list(&self, list: List) -> &ListPlaces {
        let [origins, methods, headers, exposed] = &self.lists;
        match list {
            List::AllowedOrigins => origins,
            List::AllowedMethods => methods,
            List::AllowedHeaders => headers,
            List::ExposeHeaders => exposed,
        }
    }

    pub(super) fn list_mut(&mut self, list: List) -> &mut ListPlaces {
        let [origins, methods, headers, exposed] = &mut self.lists;
        match list {
            List::AllowedOrigins => origins,
            List::AllowedMethods => methods,
            List::AllowedHeaders => headers,
            List::ExposeHeaders => exposed,
        }
    }
}

impl Places {
    /// Where the spot stands, or else what holds it.
    pub(super) fn find(&self, spot: Spot) -> Option<Place> {
        let rule = |rule: usize| self.rules.get(rule);
        let found = match spot {
            Spot::Document => None,
            Spot::Rule(at) => rule(at).and_then(|found| found.rule),
            Spot::Id(at) => rule(at).and_then(|found| found.id.or(found.rule)),
            Spot::MaxAge(at) => rule(at).and_then(|found| found.max_age.or(found.rule)),
            Spot::List(at, list) => rule(at).and_then(|found| found.list(list).list.or(found.rule)),
            Spot::Value(at, list, value) => {
                let place = rule(at).and_then(|found| found.list(list).values.get(value).copied());
                place.or_else(|| self.find(Spot::List(at, list)))
            }
        };
        found.or(self.document)
    }
}
