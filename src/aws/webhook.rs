//! Sends a message to a webhook: one POST through the egress rules, with a short deadline. Redirects are not followed and
//! nothing of the answer but its status is looked at.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};

use crate::aws::body::RequestBody;
use crate::aws::http::{HttpClients, Way};
use crate::aws::{AwsError, ErrorKind};

const SERVICE: &str = "webhook";
/// From the look-up of the name to the status.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// The header of the signature, as events that come in have it.
const SIGNATURE: HeaderName = HeaderName::from_static("x-s3-connector-signature");

/// Sends `body`, with the signature if there is one; gives the status, whatever it is.
pub async fn post(
    clients: &HttpClients,
    url: &str,
    body: Bytes,
    signature: Option<&str>,
) -> Result<StatusCode, AwsError> {
    // here as well as when it was saved: literal addresses never come to the resolver, and the rules may have changed
    let endpoint =
        clients.egress().check_webhook(url).map_err(|blocked| AwsError::blocked(SERVICE, &blocked))?;
    let client = clients.direct(Way::straight(endpoint.port)).map_err(|error| unusable(&error))?;
    let request = request(url, body, signature).map_err(|error| unusable(&*error))?;
    let answer = tokio::time::timeout(TIMEOUT, client.request(request))
        .await
        .map_err(|_| AwsError::timeout(SERVICE, TIMEOUT.as_millis()))?
        .map_err(|error| AwsError::from_chain(SERVICE, &error))?;
    Ok(answer.status())
}

fn request(
    url: &str,
    body: Bytes,
    signature: Option<&str>,
) -> Result<Request<RequestBody>, Box<dyn std::error::Error + Send + Sync>> {
    // what the rules were asked about is what is sent: the one parser knows spellings that the other refuses
    let uri: http::Uri = url::Url::parse(url)?.as_str().parse()?;
    let host = uri.authority().map_or("", http::uri::Authority::as_str).to_owned();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(HOST, HeaderValue::from_str(&host)?)
        .header(USER_AGENT, concat!("s3-connector/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, body.len());
    if let Some(signature) = signature {
        request = request.header(SIGNATURE, HeaderValue::from_str(signature)?);
    }
    Ok(request.body(RequestBody::Bytes(Some(body)))?)
}

fn unusable(error: &dyn std::error::Error) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
}
