//! The CORS engine: reads a bucket's CORS configuration, says what is wrong with it, what a store answers and what a
//! browser then does, and which configuration a use needs.
//!
//! What it does: [`parse()`] makes a [`Document`] of a text in any form; [`CorsConfiguration::print`] writes one;
//! [`validate()`] gives findings; [`evaluate()`] follows the request of a page through a [`Profile`] of a store to a
//! [`Verdict`]; [`recommend()`] gives the smallest configuration for stated uses, and [`extend()`] what to add to a present
//! one. [`judge()`] is the browser's part alone, for answers that a store really gave, and [`differences()`] sets them
//! beside those that were to be expected.
//!
//! What it must not do: send anything, read a clock, know a resource, import another module of the crate.
//!
//! Invariants: no input makes it panic; every text is bounded before it is read and every list before it is compared;
//! each recommendation has been evaluated, for every stated use, before it is given.

mod answer_headers;
mod browser;
mod compare;
mod cursor;
mod evaluate;
mod finding;
mod from_json;
mod from_xml;
mod json;
mod matching;
mod names;
mod page;
mod parse;
mod pattern;
mod place;
mod print;
mod profile;
mod profiles;
mod received;
mod recommend;
mod repair;
mod rule;
mod safelist;
mod store;
mod validate;
mod verdict;
mod xml;

#[cfg(test)]
mod tests;

pub use answer_headers::CorsHeaders;
pub use browser::PreflightCache;
pub use compare::{answers_like, differences, has_origin_twice};
pub use evaluate::{Evaluation, Exchange, Hop, evaluate};
pub use finding::{Finding, MAX_FINDINGS, Severity, has_errors};
pub use matching::{Question, RuleOutcome, RuleTrace, find_rule, trace};
pub use page::{Credentials, Header, Initiator, PageRequest, Redirect, RedirectBy, Upload};
pub use parse::{Document, Form, MAX_TEXT_BYTES, parse};
pub use pattern::{Case, MAX_REQUESTED_HEADERS, Patterns};
pub use profile::{
    ActualMethod, AllowCredentials, AllowHeaders, AllowMethods, AllowOrigin, Answers, Choice, Fallback,
    MethodNames, OwnOrigins, Permissive, PermittedHeaders, Profile, Scope, UnlistedHeaders, Vary,
};
pub use received::{Actual, Received, Sending, judge, sending};
pub use recommend::{
    Extension, Operation, RecommendError, Recommendation, Signing, Use, extend, recommend, requests,
};
pub use repair::Repair;
pub use rule::{CorsConfiguration, CorsRule, List, MAX_ID_CHARACTERS, MAX_RULES, MAX_XML_BYTES, METHODS};
pub use safelist::READABLE_HEADERS;
pub use store::{Bucket, StoreAnswer, StoreError, StoreRequest, answer};
pub use validate::{Expectation, validate};
pub use verdict::Verdict;
