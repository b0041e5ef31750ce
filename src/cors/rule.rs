//! A CORS configuration and its rules: the same value for every form that it is written in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rules that a configuration may have (API reference, `PutBucketCors`).
pub const MAX_RULES: usize = 100;
/// Characters of a rule's id (API reference, `CORSRule`).
pub const MAX_ID_CHARACTERS: usize = 255;
/// Bytes of a configuration in the form that S3 takes, which is XML (API reference, `PutBucketCors`).
pub const MAX_XML_BYTES: usize = 64 * 1024;
/// What a rule may allow (API reference, `CORSRule`).
pub const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// Which pages of other origins may do what with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsConfiguration {
    /// 1 to 100 rules; the first one that fits the whole request counts.
    pub rules: Vec<CorsRule>,
}

/// One rule (API reference, `CORSRule`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CorsConfigurationRule)]
pub struct CorsRule {
    /// A name, at most 255 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For example `https://app.example.com`; one `*` stands for any text.
    #[schema(example = json!(["https://app.example.com"]))]
    pub allowed_origins: Vec<String>,
    /// Some of `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    #[schema(example = json!(["GET", "PUT"]))]
    pub allowed_methods: Vec<String>,
    /// Headers that a preflight may ask for; one `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_headers: Vec<String>,
    /// Headers of the answer that scripts may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Seconds that a browser may keep the answer to a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub max_age_seconds: Option<i32>,
}

/// One of the lists of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsList)]
pub enum List {
    /// The origins that may ask.
    AllowedOrigins,
    /// The methods that they may use.
    AllowedMethods,
    /// The headers that they may send.
    AllowedHeaders,
    /// The headers that they may read.
    ExposeHeaders,
}

impl List {
    /// Every list, in the order that S3 prints them.
    pub const ALL: [List; 4] =
        [List::AllowedHeaders, List::AllowedMethods, List::AllowedOrigins, List::ExposeHeaders];

    /// The name of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            List::AllowedOrigins => "allowed_origins",
            List::AllowedMethods => "allowed_methods",
            List::AllowedHeaders => "allowed_headers",
            List::ExposeHeaders => "expose_headers",
        }
    }

    /// The name in the JSON of S3.
    pub fn s3_name(self) -> &'static str {
        match self {
            List::AllowedOrigins => "AllowedOrigins",
            List::AllowedMethods => "AllowedMethods",
            List::AllowedHeaders => "AllowedHeaders",
            List::ExposeHeaders => "ExposeHeaders",
        }
    }

    /// The name of one value in the XML of S3.
    pub fn xml_name(self) -> &'static str {
        match self {
            List::AllowedOrigins => "AllowedOrigin",
            List::AllowedMethods => "AllowedMethod",
            List::AllowedHeaders => "AllowedHeader",
            List::ExposeHeaders => "ExposeHeader",
        }
    }
}

impl CorsRule {
    /// The values of a list.
    pub fn list(&self, list: List) -> &Vec<String> {
        match list {
            List::AllowedOrigins => &self.allowed_origins,
            List::AllowedMethods => &self.allowed_methods,
            List::AllowedHeaders => &self.allowed_headers,
            List::ExposeHeaders => &self.expose_headers,
        }
    }

    /// The values of a list, to change them.
    pub fn list_mut(&mut self, list: List) -> &mut Vec<String> {
        match list {
            List::AllowedOrigins => &mut self.allowed_origins,
            List::AllowedMethods => &mut self.allowed_methods,
            List::AllowedHeaders => &mut self.allowed_headers,
            List::ExposeHeaders => &mut self.expose_headers,
        }
    }

    /// Whether the rule allows the method; case counts, as it does for S3.
    pub fn allows_method(&self, method: &str) -> bool {
        self.allowed_methods.iter().any(|allowed| allowed == method)
    }

    /// Whether `*` alone is among the origins.
    pub fn is_for_every_origin(&self) -> bool {
        self.allowed_origins.iter().any(|origin| origin == "*")
    }

    /// Whether the header is among those that scripts may read.
    pub fn exposes(&self, header: &str) -> bool {
        self.expose_headers.iter().any(|exposed| exposed.eq_ignore_ascii_case(header))
    }
}
