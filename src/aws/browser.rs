//! Requests as the browser of somebody else would send them: none of our headers, no redirect followed, and every
//! header of the answer given back.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};

use crate::aws::body::RequestBody;
use crate::aws::http::DirectClient;
use crate::aws::{AwsError, ErrorKind};

const SERVICE: &str = "s3";
/// Bytes of a refusal that are read for its code.
const ERROR_BYTES: usize = 64 * 1024;

/// An answer, without its body.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its headers; those that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The code of a refusal, from its XML.
    pub code: Option<String>,
    /// The bucket's region, where a refusal names it.
    pub region: Option<String>,
}

impl Answered {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request without a body. The URL may hold a signature, so no error shows it. What was not received within
/// `bound` is a timeout.
pub async fn send(
    client: &DirectClient,
    (method, url): (&str, &str),
    headers: &[(&str, &str)],
    bound: Duration,
) -> Result<Answered, AwsError> {
    let request = request((method, url), headers).ok_or_else(|| {
        let text = "the request cannot be made of these texts";
        AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text)
    })?;
    let answered = async {
        let answer = client.request(request).await.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        let (parts, body) = answer.into_parts();
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = parts.headers.iter().filter_map(text).collect();
        let status = parts.status.as_u16();
        let mut answered = Answered { status, headers, code: None, region: None };
        if status >= 300 && method != "HEAD" {
            let body = Limited::new(body, ERROR_BYTES).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let refusal = AwsError::from_answer(SERVICE, status, &parts.headers, &body);
            answered.code = Some(refusal.code);
            answered.region = refusal.region;
        }
        Ok(answered)
    };
    match tokio::time::timeout(bound, answered).await {
        Ok(outcome) => outcome,
        Err(_) => Err(AwsError::timeout(SERVICE, bound.as_millis())),
    }
}

fn request((method, url): (&str, &str), headers: &[(&str, &str)]) -> Option<http::Request<RequestBody>> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.authority()?.as_str().to_owned();
    let mut request = http::Request::builder().method(method).uri(uri).header(http::header::HOST, host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(RequestBody::Empty).ok()
}
