//! Query parameters: a route takes those that its document names, within the bounds that it names, and
//! refuses every other one. A misspelt `dry_run` must not delete, and a misspelt `environment` must not reach
//! production.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use utoipa::Number;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

use crate::app::Error;
use crate::http::{nearness, router};

/// Characters of an unknown name that come back.
const MOST_SHOWN: usize = 64;

/// What the document says, by the route's template and method.
static ROUTES: OnceLock<HashMap<String, Vec<Taken>>> = OnceLock::new();

/// What one method of a route takes.
type Taken = (Method, Vec<Known>);

/// One query parameter of the document.
#[derive(Debug)]
struct Known {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Flag,
    Number { least: Option<i64>, most: Option<i64> },
}

/// Learns what routes take, before the first of them is asked: to make the document takes megabytes, so it is made once.
pub fn learn(document: OpenApi) {
    ROUTES.get_or_init(|| routes(document));
}

/// Refuses what the route's document does not name. A request without a query string costs nothing.
pub fn check(parts: &Parts) -> Result<(), Error> {
    let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
    let Some(route) = parts.extensions.get::<MatchedPath>() else { return Ok(()) };
    let Some(known) = known(route.as_str(), &parts.method) else { return Ok(()) };
    judge(known, query).map_err(Error::BadRequest)
}

fn known(route: &str, method: &Method) -> Option<&'static [Known]> {
    let routes = ROUTES.get_or_init(|| routes(router::documented().to_openapi()));
    let methods = routes.get(route)?;
    let find = |wanted: &Method| methods.iter().find(|(method, _)| method == wanted);
    // a GET route answers HEAD too
    let found = find(method).or_else(|| (method == Method::HEAD).then(|| find(&Method::GET)).flatten());
    found.map(|(_, known)| known.as_slice())
}

fn judge(known: &[Known], query: &str) -> Result<(), String> {
    // what is no UTF-8 would be read as another text
    if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
        return Err("the query string is not UTF-8 after percent-decoding".to_owned());
    }
    let mut seen = vec![false; known.len()];
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let at = known.iter().position(|each| each.name == name).ok_or_else(|| unknown(&name, known))?;
        if seen.get_mut(at).is_some_and(|seen| std::mem::replace(seen, true)) {
            return Err(format!("the query parameter `{name}` is there more than once"));
        }
        known.get(at).map_or(Ok(()), |found| found.check(&value))?;
    }
    Ok(())
}

fn unknown(given: &str, known: &[Known]) -> String {
    let given: String = given.chars().take(MOST_SHOWN).collect();
    let meant = nearest(&given, known).map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
    let names: Vec<String> = known.iter().map(|each| format!("`{}`", each.name)).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let colon = if meant.is_empty() { ":" } else { "" };
    format!("the query parameter `{given}` is not known here{meant}{colon} this route takes {list}")
}

/// The name that was meant, when one is close.
fn nearest<'a>(given: &str, known: &'a [Known]) -> Option<&'a str> {
    let close =
        known.iter().filter_map(|each| Some((nearness::distance(given, &each.name)?, each.name.as_str())));
    close.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

impl Known {
    /// Numbers are read here, so that every list says the same about a limit that it does not take.
    fn check(&self, value: &str) -> Result<(), String> {
        let right = match self.kind {
            Kind::Text => true,
            // a flag may stand alone: `?dry_run`
            Kind::Flag => ["", "true", "false"].contains(&value),
            Kind::Number { least, most } => value.parse::<i64>().is_ok_and(|number| {
                least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
            }),
        };
        if right {
            return Ok(());
        }
        Err(format!("the query parameter `{}` takes {}", self.name, self.range()))
    }

    fn range(&self) -> String {
        match self.kind {
            Kind::Text => "a text".to_owned(),
            Kind::Flag => "`true` or `false`".to_owned(),
            Kind::Number { least: Some(least), most: Some(most) } => {
                format!("a whole number from {least} to {most}")
            }
            Kind::Number { least: Some(least), most: None } => format!("a whole number from {least} on"),
            Kind::Number { least: None, most: Some(most) } => format!("a whole number up to {most}"),
            Kind::Number { least: None, most: None } => "a whole number".to_owned(),
        }
    }
}

fn routes(document: OpenApi) -> HashMap<String, Vec<Taken>> {
    document.paths.paths.into_iter().map(|(path, item)| (path, methods(item))).collect()
}

fn methods(item: PathItem) -> Vec<Taken> {
    let operations = [
        (Method::GET, item.get),
        (Method::HEAD, item.head),
        (Method::PUT, item.put),
        (Method::POST, item.post),
        (Method::PATCH, item.patch),
        (Method::DELETE, item.delete),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| operation.map(|operation| (method, of_query(operation))))
        .collect()
}

fn of_query(operation: Operation) -> Vec<Known> {
    let parameters = operation.parameters.unwrap_or_default().into_iter().filter_map(|parameter| {
        let RefOr::T(parameter) = parameter else { return None };
        matches!(parameter.parameter_in, ParameterIn::Query).then(|| of_parameter(parameter))
    });
    parameters.collect()
}

fn of_parameter(parameter: Parameter) -> Known {
    let kind = match &parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => kind_of(object),
        _ => Kind::Text,
    };
    Known { name: parameter.name, kind }
}

fn kind_of(object: &Object) -> Kind {
    let is = |wanted: Type| match &object.schema_type {
        SchemaType::Type(only) => *only == wanted,
        SchemaType::Array(several) => several.contains(&wanted),
        SchemaType::AnyValue => false,
    };
    if is(Type::Boolean) {
        return Kind::Flag;
    }
    if is(Type::Integer) {
        let (least, most) = (object.minimum.as_ref(), object.maximum.as_ref());
        return Kind::Number { least: least.and_then(whole), most: most.and_then(whole) };
    }
    Kind::Text
}

fn whole(number: &Number) -> Option<i64> {
    match number {
        Number::Int(number) => i64::try_from(*number).ok(),
        Number::UInt(number) => i64::try_from(*number).ok(),
        // the derive macros write every bound as a fraction
        Number::Float(number) => format!("{number:.0}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::{judge, known};

    fn told(method: &Method, route: &str, query: &str) -> Result<(), String> {
        judge(known(route, method).unwrap(), query)
    }

    #[test]
    fn a_misspelt_parameter_is_refused_with_the_one_that_was_meant() {
        let cases = [
            (Method::DELETE, "/v1/resources/{name}", "dryrun=true", "dry_run"),
            (Method::DELETE, "/v1/resources/{name}/objects/{*key}", "versionId=7", "version"),
            (Method::GET, "/v1/resources/{name}/objects/{*key}", "version-id=7", "version"),
            (Method::POST, "/v1/resources/{name}/query", "enviroment=staging", "environment"),
            (Method::GET, "/v1/resources", "Limit=7", "limit"),
            (Method::GET, "/v1/projects", "projekt=a", "project"),
        ];
        for (method, route, query, meant) in cases {
            let error = told(&method, route, query).unwrap_err();
            let name = query.split('=').next().unwrap();
            let said = format!("`{name}` is not known here, did you mean `{meant}`?");
            assert!(error.contains(&said), "{error}");
            assert!(error.contains("this route takes `"), "{error}");
        }
    }

    #[test]
    fn a_parameter_that_resembles_none_is_refused_without_a_guess() {
        let error = told(&Method::GET, "/v1/resources", "zzzzzz=1").unwrap_err();
        assert!(error.starts_with("the query parameter `zzzzzz` is not known here: this route"), "{error}");
    }

    #[test]
    fn dry_run_is_unknown_where_nothing_reads_it() {
        for method in [Method::PUT, Method::DELETE] {
            told(&method, "/v1/resources/{name}/object", "key=a&dry_run=true").unwrap_err();
        }
    }

    #[test]
    fn what_is_there_twice_or_is_no_text_is_refused() {
        for query in ["key=%FF", "key=a&key=b", "key=a&version=1&version=1"] {
            told(&Method::GET, "/v1/resources/{name}/object", query).unwrap_err();
        }
    }

    #[test]
    fn what_the_document_names_is_taken() {
        told(&Method::DELETE, "/v1/resources/{name}", "dry_run=true&project=a&environment=b").unwrap();
        told(&Method::DELETE, "/v1/resources/{name}", "dry_run").unwrap();
        told(&Method::HEAD, "/v1/resources", "limit=7&filter=a&cursor=b").unwrap();
        told(&Method::GET, "/v1/resources/{name}/object", "key=%C3%BC&version=1").unwrap();
    }

    #[test]
    fn every_list_takes_a_limit_from_one_on() {
        let lists = [
            ("/v1/resources", Some(1000)),
            ("/v1/audit", Some(1000)),
            ("/v1/sources/{name}/secrets", Some(100)),
            ("/v1/resources/{name}/objects", None),
        ];
        for (route, most) in lists {
            let limit = |text: &str| told(&Method::GET, route, &format!("limit={text}"));
            limit("1").unwrap();
            for bad in ["0", "-1", "many", "1.5", ""] {
                let error = limit(bad).unwrap_err();
                assert!(error.contains("`limit` takes a whole number from 1"), "{error}");
            }
            if let Some(most) = most {
                limit(&most.to_string()).unwrap();
                assert!(limit(&(most + 1).to_string()).unwrap_err().ends_with(&format!("from 1 to {most}")));
            }
        }
    }
}
