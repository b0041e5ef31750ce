//! JSON bodies whose field `operation` says which other fields they have.
//!
//! serde reads such an enum by keeping the whole body first, and what is wrong in it has no path then. Here the body is
//! read twice: for its operation, and then straight into that operation's options. So an error names its field, and a
//! large text is not copied.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, IntoDeserializer,
    MapAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::http::Api;
use crate::http::json_body;
use crate::http::problem::Problem;

/// The field that says what the others are.
pub(super) const TAG: &str = "operation";

/// A body, and its bytes as they came. `T` is an enum whose variants have the names of the operations, each with its
/// options.
#[derive(Debug)]
pub struct TaggedBody<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest<Api> for TaggedBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let most = api.app.config.server.max_json_bytes;
        let read = async {
            let bytes = json_body::something(request, most).await?;
            let value = parse(&bytes)?;
            Ok(TaggedBody { value, bytes })
        };
        read.await.map_err(|refusal: Box<Problem>| refusal.into_response())
    }
}

/// What every such body has.
#[derive(Deserialize)]
struct Named {
    operation: String,
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<Problem>> {
    let Named { operation } = json_body::parse(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let body = Body { operation: &operation, fields: &mut reader };
    serde_path_to_error::deserialize(body)
        .map_err(|error| Box::new(json_body::refusal(error.path(), error.inner(), Some(TAG))))
}

/// The body as an enum.
struct Body<'a, D> {
    operation: &'a str,
    fields: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Body<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Body<'_, D> {
    type Error = D::Error;
    type Variant = Options<D>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Options<D>), D::Error> {
        let operation: StrDeserializer<'_, D::Error> = self.operation.into_deserializer();
        Ok((seed.deserialize(operation)?, Options(self.fields)))
    }
}

/// The fields beside the operation's name.
struct Options<D>(D);

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Options<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        Err(no_options())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, D::Error> {
        Err(no_options())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }
}

fn no_options<E: Error>() -> E {
    E::custom("an operation has its options in an object")
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Options<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(WithoutTag(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Shows an object's fields but for the tag.
struct WithoutTag<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for WithoutTag<V> {
    type Value = V::Value;

    fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(text)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(WithoutTag(fields))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutTag<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(name) = self.0.next_key::<String>()? {
            if name != TAG {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            self.0.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::{Problem, parse};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only read")]
    enum Asked {
        Get(Box<Options>),
        GetTags(Options),
        List { prefix: Option<String> },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Options {
        key: String,
        #[serde(default)]
        range: Option<String>,
        #[serde(default)]
        conditions: Vec<Options>,
        #[serde(default)]
        labels: BTreeMap<String, u8>,
    }

    fn refused(body: &str) -> Problem {
        *parse::<Asked>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_operation_may_stand_anywhere_and_is_no_option() {
        for body in [
            r#"{"operation": "get", "key": "a"}"#,
            r#"{"key": "a", "labels": {"operation": 1}, "operation": "get"}"#,
            r#"{"key": "a", "oper\u0061tion": "get"}"#,
        ] {
            assert!(matches!(parse(body.as_bytes()).unwrap(), Asked::Get(_)), "{body}");
        }
        let listed = parse(br#"{"operation": "list", "prefix": "a"}"#).unwrap();
        assert!(matches!(listed, Asked::List { prefix: Some(_) }));
    }

    #[test]
    fn the_field_is_named_and_what_it_takes() {
        let known = "expected one of `key`, `range`, `conditions`, `labels`";
        let near = "expected one of `range`, `key`, `conditions`, `labels`";
        let cases = [
            (r#"{"operation": "get"}"#, "key", "the field is missing".to_owned()),
            (
                r#"{"operation": "get", "key": "a", "range": 5}"#,
                "range",
                "expected a text, and this is a number".to_owned(),
            ),
            (
                r#"{"operation": "get", "key": "a", "conditions": [{"key": "a"}, {"key": false}]}"#,
                "conditions[1].key",
                "expected a text, and this is true or false".to_owned(),
            ),
            (
                r#"{"operation": "get", "key": "a", "conditions": [{}]}"#,
                "conditions[0].key",
                "the field is missing".to_owned(),
            ),
            (
                r#"{"operation": "get", "key": "a", "labels": {"x": 300}}"#,
                "labels.x",
                "expected a whole number from 0 to 255".to_owned(),
            ),
            (
                r#"{"operation": "get", "key": "a", "other": 5}"#,
                "other",
                format!("there is no such field: {known}"),
            ),
            (
                r#"{"operation": "get", "key": "a", "ranges": 5}"#,
                "ranges",
                format!("there is no such field: {near}"),
            ),
            (
                r#"{"operation": "get", "key": "a", "key": "b"}"#,
                "key",
                "the field is there more than once".to_owned(),
            ),
            (r#"{"key": "a"}"#, "operation", "the field is missing".to_owned()),
            (
                r#"{"operation": "get", "operation": "get", "key": "a"}"#,
                "operation",
                "the field is there more than once".to_owned(),
            ),
            (r#"{"operation": 7}"#, "operation", "expected a text, and this is a number".to_owned()),
            (
                r#"{"operation": "gettags", "key": "a"}"#,
                "operation",
                "an unknown word, expected one of `get_tags`, `get`, `list`".to_owned(),
            ),
            (r#"["get"]"#, "", "expected an object, and this is a list".to_owned()),
            ("7", "", "expected an object, and this is a number".to_owned()),
        ];
        for (body, path, message) in cases {
            let problem = refused(body);
            let finding = problem.errors.first().unwrap();
            assert_eq!((finding.path.as_str(), finding.message.as_str()), (path, message.as_str()), "{body}");
            assert!(problem.detail.contains(&message) && problem.detail.contains(path), "{problem:?}");
        }
    }

    #[test]
    fn no_value_comes_back() {
        for body in [
            r#"{"operation": "PLANTED"}"#,
            r#"{"operation": {"PLANTED": 1}}"#,
            r#"{"operation": "get", "key": {"PLANTED": 1}}"#,
            r#"{"operation": "get", "key": "a", "labels": {"x": "PLANTED"}}"#,
        ] {
            let told = format!("{:?}", refused(body));
            assert!(!told.contains("PLANTED"), "{body}: {told}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for body in ["{", r#"{"operation": "get", "key": "a"} x"#, "not json"] {
            assert_eq!(refused(body).errors.first().unwrap().code, "NOT_JSON", "{body}");
        }
    }
}
