//! What handlers take from a request. A handler's signature declares the role it needs.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use crate::app::{DEFAULT_ENVIRONMENT, Error, Presented};
use crate::http::problem::Failure;
use crate::http::{Api, parameters};
use crate::model::name::Name;
use crate::model::principal::{Caller, Role};

/// The address that a connection came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The id of a request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// A role that a route needs.
pub trait Needed {
    /// The role.
    const ROLE: Role;
}

/// Sees definitions.
#[derive(Debug)]
pub struct Viewer;
/// Runs queries.
#[derive(Debug)]
pub struct User;
/// Changes resources.
#[derive(Debug)]
pub struct Editor;
/// Changes sources and tokens.
#[derive(Debug)]
pub struct Admin;

impl Needed for Viewer {
    const ROLE: Role = Role::Viewer;
}
impl Needed for User {
    const ROLE: Role = Role::User;
}
impl Needed for Editor {
    const ROLE: Role = Role::Editor;
}
impl Needed for Admin {
    const ROLE: Role = Role::Admin;
}

/// The authenticated caller, who has at least the role `R`.
#[derive(Debug)]
pub struct By<R>(pub Caller, PhantomData<R>);

impl<R: Needed> FromRequestParts<Api> for By<R> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let missing =
            Error::Unauthenticated("the request needs the header `Authorization: Bearer` with a token");
        let token = bearer(&parts.headers).ok_or(missing)?;
        let project = query_value(parts, "project");
        let from =
            parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let presented = Presented { token, project: project.as_deref(), from, request_id: &request_id };
        let caller = api.app.authenticate(presented)?;
        if caller.role < R::ROLE {
            return Err(Failure(Error::Forbidden { needs: R::ROLE, has: caller.role }));
        }
        // here, because every route of `/v1` has a role, and who is refused learns nothing from the rest
        parameters::check(parts)?;
        Ok(By(caller, PhantomData))
    }
}

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn query_value(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    if !query.contains(name) {
        return None;
    }
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A value of the query string before it is decoded: what is not UTF-8 must not become another key.
fn raw_value<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let mut pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The environment that the request is about.
#[derive(Debug)]
pub struct Environment(pub Name);

impl FromRequestParts<Api> for Environment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        let given = query_value(parts, "environment");
        let name = given.as_deref().unwrap_or(DEFAULT_ENVIRONMENT);
        Name::parse(name).map(Environment).map_err(|error| Failure(Error::BadRequest(error.to_string())))
    }
}

/// `?dry_run=true`: say what would happen, and change nothing.
#[derive(Debug, Clone, Copy)]
pub struct DryRun(pub bool);

impl FromRequestParts<Api> for DryRun {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        flag(parts, "dry_run").map(DryRun)
    }
}

/// How a definition is saved: `?dry_run=true` saves nothing, `?test=true` tests what was saved.
#[derive(Debug, Clone)]
pub struct Saving {
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
    /// The environment to test it in, if it is to be tested.
    pub test_in: Option<Name>,
}

impl FromRequestParts<Api> for Saving {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let (dry_run, tested) = (flag(parts, "dry_run")?, flag(parts, "test")?);
        if tested && dry_run {
            let text = "`test` goes with no `dry_run`: `POST /v1/resources/test` tests what is not saved";
            return Err(Failure(Error::BadRequest(text.to_owned())));
        }
        let Environment(environment) = Environment::from_request_parts(parts, api).await?;
        Ok(Saving { dry_run, test_in: tested.then_some(environment) })
    }
}

fn flag(parts: &Parts, name: &str) -> Result<bool, Failure> {
    match query_value(parts, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true" | "") => Ok(true),
        Some(_) => Err(Failure(Error::BadRequest(format!("`{name}` is `true` or `false`")))),
    }
}

/// The version in `If-Match`: none for `*`. A change without the header is refused, because it could undo
/// somebody else's.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Option<i64>);

impl FromRequestParts<Api> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        let value = parts.headers.get(header::IF_MATCH).ok_or(Error::PreconditionRequired)?;
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(IfMatch(None));
        }
        let version = text.trim_start_matches("W/").trim_matches('"').parse();
        // an ETag of another form is one that no definition has
        Ok(IfMatch(Some(version.unwrap_or(-1))))
    }
}

/// The ETag of a definition.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The query string, with errors in our shape.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        if query.is_empty() {
            // most requests have none, and finding that out should cost nothing
            let nothing = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
            if let Ok(params) = T::deserialize(nothing) as Result<T, serde::de::value::Error> {
                return Ok(Params(params));
            }
        }
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|query| Params(query.0))
            .map_err(|error| Failure(Error::BadRequest(unreadable(&error))))
    }
}

/// Which parameter cannot be read; the library's own words name Rust types.
fn unreadable(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(found) = at.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            let text = found.inner().to_string();
            let name = |before: &str| text.strip_prefix(before).and_then(|rest| rest.strip_suffix('`'));
            return match (name("duplicate field `"), name("missing field `")) {
                (Some(name), _) => format!("the query parameter `{name}` is there more than once"),
                (_, Some(name)) => format!("the query parameter `{name}` is missing"),
                (None, None) => format!("the query parameter `{}` cannot be read", found.path()),
            };
        }
        cause = at.source();
    }
    "the query string cannot be read".to_owned()
}

/// A segment of the path, percent-decoded once.
#[derive(Debug)]
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Segment<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        axum::extract::Path::<T>::from_request_parts(parts, api).await.map(|path| Segment(path.0)).map_err(
            |error| Failure(Error::BadRequest(format!("the path cannot be read: {}", error.body_text()))),
        )
    }
}

/// A resource's name and an object's key, from the path or from `?key=`.
#[derive(Debug)]
pub struct Object {
    /// The resource.
    pub resource: String,
    /// The key, byte for byte.
    pub key: String,
}

impl FromRequestParts<Api> for Object {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        // the raw path: nothing in a key is a path step, and it is decoded exactly once
        let path = parts.uri.path();
        let mut segments = path.splitn(6, '/').skip(3);
        let (resource, kind, key) = (segments.next(), segments.next(), segments.next());
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| {
                    Failure(Error::BadRequest("the key is not UTF-8 after percent-decoding".to_owned()))
                })
        };
        let resource = decoded(resource.unwrap_or_default())?;
        let key = match kind {
            Some("object" | "uploads") => {
                let given = raw_value(parts, "key")
                    .ok_or_else(|| Failure(Error::BadRequest("name the object: `?key=…`".to_owned())))?;
                decoded(&given.replace('+', " "))?
            }
            _ => decoded(key.unwrap_or_default())?,
        };
        Ok(Object { resource, key })
    }
}

/// The headers, taken and not copied: for handlers whose last argument they are.
#[derive(Debug)]
pub struct Headers(pub HeaderMap);

impl<S: Sync> FromRequestParts<S> for Headers {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Headers(std::mem::take(&mut parts.headers)))
    }
}

/// A header's text.
pub fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The body of a request and its length, when it is known.
pub fn body_and_length(request: Request) -> (HeaderMap, Body, Option<u64>) {
    use axum::body::HttpBody;
    let (parts, body) = request.into_parts();
    let length = body.size_hint().exact();
    (parts.headers, body, length)
}
