//! Signatures for others to use: URLs and forms, for the resource's public endpoint where it has one.
//!
//! Signature version 4 in the query (S3 API reference, authenticating requests with query parameters) and in forms
//! (the same, browser-based uploads). Nothing is signed that the holder does not need: no checksum of a body that
//! is not there yet, no `x-id`. What comes out is a credential; no type here that holds one can be printed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::aws::credentials::Slot;
use crate::aws::direct::address::{KEPT, KEPT_IN_QUERY, base};
use crate::aws::egress::Endpoint;
use crate::aws::s3::Settings;
use crate::aws::sigv4::{ALGORITHM, date_time, mac, signing_key};
use crate::aws::{AwsError, ErrorKind};
use crate::clock::rfc3339;
use crate::model::object::ObjectKey;
use crate::model::signed::MOST_EXPIRES;

const SERVICE: &str = "s3";

/// Signs for one bucket.
#[derive(Debug)]
pub(super) struct Signer {
    /// Where the holder goes, or why nobody can be sent there.
    place: Result<Place, String>,
    credentials: SharedCredentialsProvider,
    session: Option<std::sync::Arc<Slot>>,
}

#[derive(Debug, Clone)]
struct Place {
    /// Everything before the key, with the last slash.
    base: String,
    region: String,
    service: String,
}

/// A request that somebody else will send.
pub(super) struct Wanted<'a> {
    pub(super) method: &'static str,
    pub(super) key: &'a ObjectKey,
    /// Names and values, not encoded.
    pub(super) query: Vec<(&'static str, String)>,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
    /// Seconds.
    pub(super) expires_in: u64,
}

/// A URL with a signature. Not `Debug`: it is a credential.
pub struct Presigned {
    /// The URL.
    pub url: String,
    /// The headers that the holder must send.
    pub headers: Vec<(String, String)>,
    /// How long it holds.
    pub held: Held,
}

/// A form with a signature. Not `Debug`: it is a credential.
pub struct PresignedForm {
    /// Where it goes.
    pub url: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// How long it holds.
    pub held: Held,
}

/// How long a signature holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Epoch milliseconds.
    pub expires_ms: i64,
    /// Seconds.
    pub expires_in: u64,
    /// Why it is shorter than was asked.
    pub warnings: Vec<String>,
}

/// The fields and conditions of a form, besides those of the signature.
pub(super) struct Form {
    pub(super) key: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) conditions: Vec<Value>,
    /// Seconds.
    pub(super) expires_in: u64,
}

impl Signer {
    /// None for anonymous requests.
    pub(super) fn new(settings: &Settings) -> Option<Signer> {
        let endpoint = settings.public_endpoint.as_ref().or(settings.endpoint.as_ref());
        Some(Signer {
            place: place(&settings.bucket, &settings.region, endpoint, settings.path_style),
            credentials: settings.credentials.clone()?,
            session: settings.session.clone(),
        })
    }

    /// A URL that may be used instead of credentials.
    pub(super) async fn presign(&self, wanted: Wanted<'_>) -> Result<Presigned, AwsError> {
        let place = self.place()?;
        check_headers(&wanted.headers)?;
        let (credentials, now, held) = self.credentials(wanted.expires_in).await?;
        let mut url = format!("{}{}", place.base, utf8_percent_encode(wanted.key.as_str(), KEPT));
        for (name, value) in &wanted.query {
            push(&mut url, name, value);
        }
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(held.expires_in));
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&place.region)
            .name(&place.service)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| unusable(&error))?
            .into();
        let headers = wanted.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(wanted.method, &url, headers, SignableBody::UnsignedPayload);
        let signable = signable.map_err(|error| unusable(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| unusable(&error))?.into_parts();
        for (name, value) in instructions.params() {
            push(&mut url, name, value);
        }
        Ok(Presigned { url, headers: wanted.headers, held })
    }

    /// A form whose conditions the store checks.
    pub(super) async fn form(&self, form: Form) -> Result<PresignedForm, AwsError> {
        let place = self.place()?;
        check_headers(&form.fields)?;
        let (credentials, now, held) = self.credentials(form.expires_in).await?;
        let at = String::from_utf8_lossy(&date_time(epoch_seconds(now))).into_owned();
        let day: String = at.chars().take(8).collect();
        let scope = format!("{day}/{}/{}/aws4_request", place.region, place.service);
        let mut own = vec![
            ("x-amz-algorithm".to_owned(), ALGORITHM.to_owned()),
            ("x-amz-credential".to_owned(), format!("{}/{scope}", credentials.access_key_id())),
            ("x-amz-date".to_owned(), at),
        ];
        if let Some(token) = credentials.session_token() {
            own.push(("x-amz-security-token".to_owned(), token.to_owned()));
        }
        let mut conditions = form.conditions;
        conditions.extend(own.iter().map(|(name, value)| json!({ name: value })));
        let policy =
            json!({"expiration": with_millis(held.expires_ms), "conditions": conditions}).to_string();
        let policy = BASE64.encode(policy);
        let key = signing_key(&credentials, &day, &place.region, &place.service);
        let signature = hex::encode(mac(&*key, policy.as_bytes()));
        let mut fields = form.fields;
        fields.push(("key".to_owned(), form.key));
        fields.extend(own);
        fields.extend([("policy".to_owned(), policy), ("x-amz-signature".to_owned(), signature)]);
        // a bucket in the path is named without a slash behind it; one in the host leaves nothing but the slash
        let bare = place.base.trim_end_matches('/');
        let in_path = bare.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let url = if in_path { bare.to_owned() } else { place.base.clone() };
        Ok(PresignedForm { url, fields, held })
    }

    fn place(&self) -> Result<&Place, AwsError> {
        self.place
            .as_ref()
            .map_err(|why| AwsError::new(ErrorKind::Unsupported, SERVICE, "NotSupportedByProvider", why))
    }

    /// Credentials, the moment of signing, and how long what they sign will hold.
    async fn credentials(&self, asked: u64) -> Result<(Credentials, SystemTime, Held), AwsError> {
        let mut expires_in = asked.min(MOST_EXPIRES);
        let mut warnings = Vec::new();
        if expires_in < asked {
            warnings.push(format!(
                "{asked} seconds were asked for, and a signature holds for {MOST_EXPIRES} (seven days) at the most"
            ));
        }
        let found = if let Some(session) = &self.session {
            session.lasting(i64::try_from(expires_in).unwrap_or(i64::MAX).saturating_mul(1000)).await?
        } else {
            let found = self.credentials.provide_credentials().await;
            found.map_err(|error| AwsError::from_chain(SERVICE, &error))?
        };
        let now = SystemTime::now();
        if let Some(ends) = found.expiry() {
            let left = ends.duration_since(now).map_or(0, |left| left.as_secs());
            if left < expires_in {
                warnings.push(format!(
                    "the credentials that sign end in {left} seconds, and what they signed ends with them: a role with a longer `duration`, or an access key, signs for longer"
                ));
                expires_in = left;
            }
        } else if found.session_token().is_some() {
            warnings.push(
                "the credentials hold a session token whose end is not known: what they signed ends with it"
                    .to_owned(),
            );
        }
        if expires_in == 0 {
            let text = "the credentials end this very second: try again";
            return Err(AwsError::new(ErrorKind::Throttled, SERVICE, "ExpiredToken", text));
        }
        let ends = epoch_seconds(now).saturating_add(expires_in);
        let expires_ms = i64::try_from(ends).unwrap_or(i64::MAX).saturating_mul(1000);
        Ok((found, now, Held { expires_ms, expires_in, warnings }))
    }
}

/// The URL that everything in the bucket begins with, for others; none where only signatures of its own kind lead there.
pub(super) fn public_base(settings: &Settings) -> Option<String> {
    let endpoint = settings.public_endpoint.as_ref().or(settings.endpoint.as_ref());
    place(&settings.bucket, &settings.region, endpoint, settings.path_style).ok().map(|place| place.base)
}

/// The address of a bucket for others: the data path's own rules, else those of the SDK.
fn place(bucket: &str, region: &str, endpoint: Option<&Endpoint>, path_style: bool) -> Result<Place, String> {
    if let Some(base) = base(bucket, region, endpoint, path_style) {
        return Ok(Place { base, region: region.to_owned(), service: SERVICE.to_owned() });
    }
    let parameters = Params::builder()
        .bucket(bucket)
        .region(region)
        .force_path_style(path_style)
        .set_endpoint(endpoint.map(|endpoint| endpoint.url.clone()))
        .build()
        .map_err(|error| error.to_string())?;
    let found = DefaultResolver::new().resolve_endpoint(&parameters).now_or_never();
    let found = found
        .ok_or_else(|| "the address of the bucket is not known".to_owned())?
        .map_err(|error| format!("the bucket has no address to sign for: {error}"))?;
    let scheme = found.properties().get("authSchemes").and_then(|schemes| schemes.as_array()?.first());
    let scheme = scheme.and_then(|scheme| scheme.as_object());
    let text = |name: &str| scheme.and_then(|scheme| scheme.get(name)?.as_string()).map(str::to_owned);
    let name = text("name").or_else(|| found.auth_schemes().first().map(|scheme| scheme.name().to_owned()));
    if name.as_deref().is_some_and(|name| name != "sigv4") {
        return Err("nothing can be signed for directory buckets and access points of several regions: name a bucket or an access point of one region".to_owned());
    }
    Ok(Place {
        base: format!("{}/", found.url().trim_end_matches('/')),
        region: text("signingRegion").unwrap_or_else(|| region.to_owned()),
        service: text("signingName").unwrap_or_else(|| SERVICE.to_owned()),
    })
}

fn push(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.extend(utf8_percent_encode(name, KEPT_IN_QUERY));
    url.push('=');
    url.extend(utf8_percent_encode(value, KEPT_IN_QUERY));
}

/// A header that the holder cannot send as it is would be a URL that never works.
fn check_headers(headers: &[(String, String)]) -> Result<(), AwsError> {
    let fits = |(name, value): &&(String, String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok()
            && HeaderValue::from_str(value).is_ok_and(|value| value.to_str().is_ok())
            && value.trim() == value
    };
    match headers.iter().find(|header| !fits(header)) {
        None => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(80).collect();
            let text = format!("`{name}` is no header, or its value is not visible ASCII: encode it");
            Err(AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", text))
        }
    }
}

fn epoch_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2026-11-01T10:00:00.000Z`, which every store reads.
fn with_millis(at_ms: i64) -> String {
    rfc3339(at_ms / 1000 * 1000).replace('Z', ".000Z")
}

fn unusable(error: &dyn std::error::Error) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{check_headers, place, with_millis};

    #[test]
    fn a_bucket_whose_address_only_the_sdk_knows_is_signed_for_there() {
        let check = |bucket: &str, region: &str, base: &str| {
            let found = place(bucket, region, None, false).unwrap();
            assert_eq!((found.base.as_str(), found.service.as_str()), (base, "s3"), "{bucket} {region}");
        };
        check("b", "eu-central-1", "https://b.s3.eu-central-1.amazonaws.com/");
        check("bucket", "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/");
        check("with.dots", "us-west-2", "https://s3.us-west-2.amazonaws.com/with.dots/");
        let point = "arn:aws:s3:us-west-2:111122223333:accesspoint/p";
        check(point, "us-west-2", "https://p-111122223333.s3-accesspoint.us-west-2.amazonaws.com/");
    }

    #[test]
    fn what_has_signatures_of_its_own_is_not_signed_for() {
        for bucket in ["b--use1-az4--x-s3", "arn:aws:s3::111122223333:accesspoint/m.mrap"] {
            assert!(place(bucket, "us-east-1", None, false).is_err(), "{bucket}");
        }
    }

    #[test]
    fn moments_are_written_as_signatures_want_them() {
        assert_eq!(with_millis(1_793_527_200_999), "2026-11-01T10:00:00.000Z");
    }

    #[test]
    fn a_header_that_nobody_can_send_is_refused() {
        let check = |name: &str, value: &str| check_headers(&[(name.to_owned(), value.to_owned())]);
        check("x-amz-meta-a", "b c").unwrap();
        for (name, value) in [
            ("x-amz-meta-ü", "a"),
            ("x-amz-meta-a", "ü"),
            ("content-type", "a\r\nb: c"),
            ("a b", "c"),
            ("a", " c"),
        ] {
            assert!(check(name, value).is_err(), "{name}: {value}");
        }
    }
}
