//! The SDK's HTTP client over an outbound route.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;

use crate::aws::outbound::Connect;

type Tunnels = Client<HttpsConnector<Connect>, SdkBody>;

/// As the SDK wants a client.
pub(super) fn sdk_client(client: Tunnels) -> SharedHttpClient {
    http_client_fn(move |settings, _| {
        let read_timeout = settings.read_timeout();
        SharedHttpConnector::new(Tunnelled { client: client.clone(), read_timeout })
    })
}

#[derive(Debug, Clone)]
struct Tunnelled {
    client: Tunnels,
    /// Until the head of an answer.
    read_timeout: Option<Duration>,
}

impl HttpConnector for Tunnelled {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let (answer, read_timeout) = (self.client.request(request), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let answer = match read_timeout {
                Some(most) => tokio::time::timeout(most, answer)
                    .await
                    .map_err(|error| ConnectorError::timeout(error.into()))?,
                None => answer.await,
            };
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = answer.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
