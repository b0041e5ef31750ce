//! IAM: the policies of an identity, read with the identity's own credentials.
//!
//! A handful of calls of the Query API, signed like the direct path: an SDK of its own would be larger than all of the
//! rest. What may not be read is told and not guessed. Source: IAM API reference.

use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::aws::body::RequestBody;
use crate::aws::http::DirectClient;
use crate::aws::sigv4::{Signed, Signer, Target};
use crate::aws::{AwsError, ErrorKind};

const SERVICE: &str = "iam";
const VERSION: &str = "2010-05-08";
/// The time of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The time of all calls about one identity.
const ALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Calls about one identity: two for each managed policy of it and of its groups, of which there are ten at the most.
const MOST_CALLS: usize = 256;
/// Bytes of all answers about one identity.
const MOST_BYTES_IN_ALL: usize = 4 * 1024 * 1024;
/// Bytes of an answer; a page of policies has far less.
const MOST_BYTES: usize = 512 * 1024;
/// Policies of one identity that are read; IAM allows 20 managed ones, and inline ones of 10 KiB in all.
const MOST_POLICIES: usize = 64;
/// Pages of one list.
const MOST_PAGES: usize = 8;

/// Where IAM is asked.
#[derive(Debug, Clone)]
pub struct IamTarget {
    /// Without a path: `https://iam.amazonaws.com`.
    pub url: String,
    /// What is signed for.
    pub region: String,
}

/// Whose policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamIdentity {
    /// Of this name, without its path.
    User(String),
    /// The same.
    Role(String),
}

/// What could be read.
#[derive(Debug, Clone, Default)]
pub struct IamPolicies {
    /// Names and texts.
    pub policies: Vec<(String, String)>,
    /// The text of the permissions boundary.
    pub boundary: Option<String>,
    /// Why the policies are not all; none when they are.
    pub missing: Option<AwsError>,
    /// The IAM action that was refused.
    pub missing_action: Option<String>,
    /// Why the boundary is not known; none when it is, or there is none.
    pub boundary_missing: Option<AwsError>,
}

/// IAM of one account.
#[derive(Debug, Clone)]
pub struct Iam {
    client: DirectClient,
    target: IamTarget,
    signer: Signer,
    credentials: SharedCredentialsProvider,
}

impl IamTarget {
    /// The endpoint of a region's partition (AWS general reference, IAM endpoints).
    pub fn of_aws(region: &str) -> IamTarget {
        let (host, region) = match region {
            region if region.starts_with("cn-") => ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            region if region.starts_with("us-gov-") => ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
            _ => ("iam.amazonaws.com", "us-east-1"),
        };
        IamTarget { url: format!("https://{host}"), region: region.to_owned() }
    }
}

impl IamIdentity {
    /// Of the ARN of a user, role or session; others have no policies that could be read.
    pub fn of(arn: &str) -> Option<IamIdentity> {
        let (_, resource) = arn.rsplit_once(':')?;
        let (kind, path) = resource.split_once('/')?;
        let last = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        match kind {
            "user" => Some(IamIdentity::User(last.to_owned())),
            "role" => Some(IamIdentity::Role(last.to_owned())),
            "assumed-role" => path.split('/').next().map(|role| IamIdentity::Role(role.to_owned())),
            _ => None,
        }
    }

    /// `User` or `Role`, as names of calls have it.
    fn kind(&self) -> &'static str {
        match self {
            IamIdentity::User(_) => "User",
            IamIdentity::Role(_) => "Role",
        }
    }

    fn name(&self) -> &str {
        match self {
            IamIdentity::User(name) | IamIdentity::Role(name) => name,
        }
    }
}

impl Iam {
    /// Nothing is sent yet.
    pub fn new(client: DirectClient, target: IamTarget, credentials: SharedCredentialsProvider) -> Iam {
        let signer = Signer::of(SERVICE, &target.region);
        Iam { client, target, signer, credentials }
    }

    /// The policies of an identity, those of its groups included. Takes 20 seconds, 256 calls and 4 MiB at the most, and
    /// ends at the first call that does not get through.
    pub async fn policies(&self, identity: &IamIdentity) -> IamPolicies {
        let until = Instant::now() + ALL_TIMEOUT;
        let mut reading =
            Reading { iam: self, found: IamPolicies::default(), until, calls: 0, bytes: 0, ended: None };
        reading.attached(identity.kind(), identity.name()).await;
        if let IamIdentity::User(name) = identity {
            reading.of_groups(name).await;
        }
        reading.boundary(identity).await;
        reading.found
    }

    async fn send(&self, body: Bytes) -> Result<String, AwsError> {
        let uri: http::Uri = format!("{}/", self.target.url.trim_end_matches('/'))
            .parse()
            .map_err(|_| unusable("the endpoint is no URL"))?;
        let credentials = self.credentials.provide_credentials().await.map_err(|error| {
            AwsError::new(ErrorKind::BadCredentials, SERVICE, "CredentialsMissing", error.to_string())
        })?;
        let host = uri.authority().map_or("", http::uri::Authority::as_str);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| unusable("the host cannot be sent"))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let target = Target { method: &Method::POST, path: "/", query: "", payload: Signed::Bytes(&body) };
        self.signer
            .sign(target, &mut headers, &credentials, SystemTime::now())
            .map_err(|_| unusable("the request cannot be signed"))?;
        let mut request = Request::new(RequestBody::Bytes(Some(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response =
            self.client.request(request).await.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        if !parts.status.is_success() {
            let body = body.unwrap_or_default();
            return Err(AwsError::from_answer(SERVICE, parts.status.as_u16(), &parts.headers, &body));
        }
        let body = body.map_err(|error| AwsError::from_chain(SERVICE, &*error))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// What is being read about one identity, and what may still be spent on it.
struct Reading<'a> {
    iam: &'a Iam,
    found: IamPolicies,
    until: Instant,
    calls: usize,
    bytes: usize,
    /// Why nothing more is asked.
    ended: Option<AwsError>,
}

impl Reading<'_> {
    async fn of_groups(&mut self, user: &str) {
        match self.list("ListGroupsForUser", &[("UserName", user)], "GroupName").await {
            Ok(groups) => {
                for group in groups {
                    self.attached("Group", &group).await;
                }
            }
            Err(error) => self.found.lacks("ListGroupsForUser", error),
        }
    }

    /// Inline and managed policies of a user, group or role.
    async fn attached(&mut self, kind: &str, name: &str) {
        let field = format!("{kind}Name");
        let whose = (field.as_str(), name);
        let list = format!("List{kind}Policies");
        match self.list(&list, &[whose], "member").await {
            Ok(names) => {
                for policy in names {
                    let get = format!("Get{kind}Policy");
                    let asked = self.ask(&get, &[whose, ("PolicyName", &policy)]).await;
                    let text = asked.map(|answer| document(&answer, "PolicyDocument"));
                    self.found.take(
                        &get,
                        format!("the policy `{policy}` of {} `{name}`", kind.to_lowercase()),
                        text,
                    );
                }
            }
            Err(error) => self.found.lacks(&list, error),
        }
        let list = format!("ListAttached{kind}Policies");
        match self.list(&list, &[whose], "PolicyArn").await {
            Ok(arns) => {
                for arn in arns {
                    let text = self.managed(&arn).await.map(Some);
                    self.found.take("GetPolicyVersion", format!("the policy `{arn}`"), text);
                }
            }
            Err(error) => self.found.lacks(&list, error),
        }
    }

    async fn boundary(&mut self, identity: &IamIdentity) {
        let (kind, name) = (identity.kind(), identity.name());
        let field = format!("{kind}Name");
        let asked = match self.ask(&format!("Get{kind}"), &[(&field, name)]).await {
            Ok(answer) => match element(&answer, "PermissionsBoundaryArn") {
                Some(arn) => self.managed(&arn).await.map(Some),
                None => Ok(None),
            },
            Err(error) => Err(error),
        };
        match asked {
            Ok(text) => self.found.boundary = text,
            // a store that lacks the call has no boundaries
            Err(error) if error.kind == ErrorKind::Unsupported => {}
            Err(error) => self.found.boundary_missing = Some(error),
        }
    }

    /// The text of a managed policy in its version that counts.
    async fn managed(&mut self, arn: &str) -> Result<String, AwsError> {
        let policy = self.ask("GetPolicy", &[("PolicyArn", arn)]).await?;
        let version = element(&policy, "DefaultVersionId").unwrap_or_else(|| "v1".to_owned());
        let asked = [("PolicyArn", arn), ("VersionId", version.as_str())];
        let answer = self.ask("GetPolicyVersion", &asked).await?;
        document(&answer, "Document").ok_or_else(|| unusable("the answer has no document"))
    }

    /// The texts of an element on every page of a list.
    async fn list(
        &mut self,
        action: &str,
        whose: &[(&str, &str)],
        element_name: &str,
    ) -> Result<Vec<String>, AwsError> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut asked = whose.to_vec();
            asked.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let answer = match self.ask(action, &asked).await {
                // a store that has inline policies only has none of these
                Err(error)
                    if error.kind == ErrorKind::Unsupported
                        && action != "ListUserPolicies"
                        && action != "ListRolePolicies" =>
                {
                    return Ok(all);
                }
                asked => asked?,
            };
            all.extend(elements(&answer, element_name));
            marker = element(&answer, "Marker")
                .filter(|_| element(&answer, "IsTruncated").as_deref() == Some("true"));
            if all.len() > MOST_POLICIES {
                break;
            }
            if marker.is_none() {
                return Ok(all);
            }
        }
        Err(unusable("there are more policies than are read"))
    }

    /// One call, as long as there is anything left to spend and nothing says that the next one would fail too.
    async fn ask(&mut self, action: &str, parameters: &[(&str, &str)]) -> Result<String, AwsError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let asked = self.ask_now(action, parameters).await;
        if let Err(error) = &asked
            && matches!(error.kind, ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Blocked)
        {
            self.ended = Some(error.clone());
        }
        asked
    }

    async fn ask_now(&mut self, action: &str, parameters: &[(&str, &str)]) -> Result<String, AwsError> {
        let all = [("Action", action), ("Version", VERSION)];
        let pairs = all.iter().chain(parameters);
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let body = Bytes::from(body.join("&"));
        let left = self.until.saturating_duration_since(Instant::now()).min(CALL_TIMEOUT);
        if left.is_zero() {
            return Err(AwsError::timeout(SERVICE, ALL_TIMEOUT.as_millis()));
        }
        self.calls += 1;
        if self.calls > MOST_CALLS || self.bytes > MOST_BYTES_IN_ALL {
            let error = unusable("there are more policies than are read");
            self.ended = Some(error.clone());
            return Err(error);
        }
        let answer = tokio::time::timeout(left, self.iam.send(body))
            .await
            .map_err(|_| AwsError::timeout(SERVICE, left.as_millis()))??;
        self.bytes += answer.len();
        Ok(answer)
    }
}

impl IamPolicies {
    fn take(&mut self, action: &str, name: String, text: Result<Option<String>, AwsError>) {
        match text {
            Ok(Some(text)) => self.policies.push((name, text)),
            Ok(None) => self.lacks(action, unusable("the answer has no document")),
            Err(error) => self.lacks(action, error),
        }
    }

    /// The first reason counts.
    fn lacks(&mut self, action: &str, error: AwsError) {
        if self.missing.is_none() {
            self.missing = Some(error);
            self.missing_action = Some(format!("iam:{action}"));
        }
    }
}

/// A document in an answer: IAM percent-encodes it, other stores do not.
fn document(answer: &str, name: &str) -> Option<String> {
    let text = element(answer, name)?;
    let text = text.trim();
    if text.starts_with('{') {
        return Some(text.to_owned());
    }
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

fn element(answer: &str, name: &str) -> Option<String> {
    elements(answer, name).into_iter().next()
}

/// The texts of all elements of a name that have no others within.
fn elements(answer: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = answer.split(&open).skip(1);
    let texts = parts.filter_map(|part| part.split_once(&close).map(|(text, _)| text));
    texts.filter(|text| !text.contains('<')).take(MOST_POLICIES * 4).map(unescaped).collect()
}

fn unescaped(text: &str) -> String {
    let named =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'")];
    let text = named.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain));
    text.replace("&amp;", "&")
}

fn unusable(why: &str) -> AwsError {
    AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", why)
}

#[cfg(test)]
mod tests {
    use super::{IamIdentity, IamTarget, document, elements};

    #[test]
    fn an_identity_is_a_user_or_a_role() {
        let role = Some(IamIdentity::Role("app".to_owned()));
        assert_eq!(IamIdentity::of("arn:aws:iam::111122223333:role/team/app"), role);
        assert_eq!(IamIdentity::of("arn:aws:sts::111122223333:assumed-role/app/s3c"), role);
        let user = Some(IamIdentity::User("u".to_owned()));
        assert_eq!(IamIdentity::of("arn:aws:iam::111122223333:user/a/b/u"), user);
        for none in ["arn:aws:iam::111122223333:root", "anonymous", "arn:aws:iam::1:user/"] {
            assert_eq!(IamIdentity::of(none), None, "{none}");
        }
    }

    #[test]
    fn documents_are_read_as_iam_writes_them_and_as_others_do() {
        let encoded = "<R><PolicyDocument>%7B%22Version%22%3A%222012-10-17%22%7D</PolicyDocument></R>";
        assert_eq!(document(encoded, "PolicyDocument").unwrap(), r#"{"Version":"2012-10-17"}"#);
        let plain = "<R><PolicyDocument>{&quot;a&quot;:&quot;%7B &amp;lt;&quot;}</PolicyDocument></R>";
        assert_eq!(document(plain, "PolicyDocument").unwrap(), r#"{"a":"%7B &lt;"}"#);
        let list = "<A><member><PolicyName>n</PolicyName><PolicyArn>one</PolicyArn></member><member><PolicyArn>two</PolicyArn></member></A>";
        assert_eq!(elements(list, "PolicyArn"), ["one", "two"]);
        assert_eq!(elements("<member>a</member><member/><member>b", "member"), ["a"]);
    }

    #[test]
    fn each_partition_has_its_endpoint() {
        assert_eq!(IamTarget::of_aws("eu-central-1").url, "https://iam.amazonaws.com");
        assert_eq!(IamTarget::of_aws("cn-north-1").region, "cn-north-1");
        assert_eq!(IamTarget::of_aws("us-gov-east-1").url, "https://iam.us-gov.amazonaws.com");
    }
}
