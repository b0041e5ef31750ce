//! Credentials that end: assumed roles and the default chain, cached, shared and renewed before they end.
//!
//! One [`Slot`] stands for one identity; clients that need the same identity share it, so the number of STS
//! calls is the number of distinct roles, not of resources or requests. From half of a session's life a
//! request starts one renewal in the background and goes on with what is there; nobody waits for STS while
//! the old credentials are valid. The SDK's own identity cache is not used: it holds 64 identities and makes
//! every caller wait for a refresh.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as ProvideFuture;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_sts::types::Tag;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;

use crate::aws::capture;
use crate::aws::http::{HttpClients, Way};
use crate::aws::outbound::Route;
use crate::aws::{AwsError, ErrorKind};
use crate::clock::Clock;

/// A failed renewal is tried again after this.
const RENEW_RETRY_MS: i64 = 5_000;
/// Credentials that end sooner are not handed out: a request would outlive them.
const MARGIN_MS: i64 = 10_000;
/// The time one call of STS may take.
const STS_TIMEOUT: Duration = Duration::from_secs(10);
/// A new session must last so much longer than the one that is there to be worth a call of STS.
const WORTH_MS: i64 = 60_000;
/// Seconds that a session lasts when no duration is asked for (STS API reference, `AssumeRole`).
const DEFAULT_DURATION: u32 = 3_600;
/// Beyond this many slots the ones that have ended are let go.
const MANY_SLOTS: usize = 1_000;

/// An access key.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// The id of the key.
    pub id: SecretString,
    /// The key.
    pub secret: SecretString,
    /// For temporary credentials.
    pub token: Option<SecretString>,
}

/// Where an identity begins.
#[derive(Debug, Clone)]
pub enum Base {
    /// A key.
    Key(AccessKey),
    /// Environment, profile, web identity, container, instance.
    Chain,
    /// The session of a role, which assumes the next one.
    Session(Arc<Slot>),
}

/// A role to assume.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// For `sts:ExternalId`.
    pub external_id: Option<String>,
    /// For the audit of the cloud account.
    pub session_name: String,
    /// Seconds.
    pub duration: Option<u32>,
    /// A session policy.
    pub policy: Option<String>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
}

impl AccessKey {
    fn is(&self, other: &AccessKey) -> bool {
        let text = |key: &AccessKey| {
            let token = key.token.as_ref().map(|token| token.expose_secret().to_owned());
            [Some(key.id.expose_secret().to_owned()), Some(key.secret.expose_secret().to_owned()), token]
        };
        text(self) == text(other)
    }
}

impl Base {
    /// Whether both are one identity: what one may read and write, so may the other.
    pub fn is(&self, other: &Base) -> bool {
        match (self, other) {
            (Base::Key(one), Base::Key(other)) => one.is(other),
            (Base::Chain, Base::Chain) => true,
            (Base::Session(one), Base::Session(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Role {
    /// Whether both come to one session: a policy that pins a session to a bucket makes it another.
    pub fn is(&self, other: &Role) -> bool {
        (&self.arn, &self.external_id, &self.policy, &self.tags)
            == (&other.arn, &other.external_id, &other.policy, &other.tags)
    }
}

/// Where STS is asked.
#[derive(Debug, Clone)]
pub struct StsTarget {
    /// The region that is signed for.
    pub region: String,
    /// Another endpoint than the region's own.
    pub endpoint: Option<String>,
    /// The endpoint's port.
    pub port: u16,
    /// Trust for the endpoint's certificate.
    pub ca_pem: Option<String>,
    /// The way there.
    pub route: Option<Arc<Route>>,
}

/// One identity whose credentials end.
pub struct Slot {
    /// What it is found by.
    digest: [u8; 32],
    origin: Origin,
    clock: Clock,
    tracker: TaskTracker,
    current: ArcSwapOption<Session>,
    flight: tokio::sync::Mutex<()>,
    last_failure: Mutex<Option<(i64, AwsError)>>,
    next_renewal_ms: AtomicI64,
    /// STS gave a shorter session than was asked for.
    capped: AtomicBool,
}

enum Origin {
    Role { client: Box<aws_sdk_sts::Client>, role: Role },
    Chain { provider: tokio::sync::OnceCell<SharedCredentialsProvider>, region: String },
}

struct Session {
    credentials: Credentials,
    since_ms: i64,
    renew_ms: i64,
    ends_ms: i64,
}

/// All identities, and what is needed to ask for more.
pub struct Identities {
    slots: Arc<Mutex<HashMap<[u8; 32], Arc<Slot>>>>,
    salt: [u8; 32],
    http: Arc<HttpClients>,
    clock: Clock,
    tracker: TaskTracker,
    /// Tells what is known, and asks nobody.
    silent: bool,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Identities(..)")
    }
}

impl Identities {
    /// Knows none yet.
    pub fn new(http: Arc<HttpClients>, clock: Clock, tracker: TaskTracker) -> Identities {
        Identities { slots: Arc::default(), salt: rand::random(), http, clock, tracker, silent: false }
    }

    /// The same identities, of which STS is not asked: a call ends with [`NOT_SENT`](crate::aws::capture::NOT_SENT).
    #[must_use]
    pub fn silent(&self) -> Identities {
        Identities {
            slots: Arc::clone(&self.slots),
            salt: self.salt,
            http: Arc::clone(&self.http),
            clock: self.clock.clone(),
            tracker: self.tracker.clone(),
            silent: true,
        }
    }

    /// The credentials of a base without a role, for an SDK client.
    pub fn base(&self, base: &Base, region: &str) -> SharedCredentialsProvider {
        match base {
            Base::Key(key) => SharedCredentialsProvider::new(static_credentials(key)),
            Base::Chain => SharedCredentialsProvider::new(SlotProvider(self.chain(region))),
            Base::Session(slot) => slot.provider(),
        }
    }

    /// The shared identity of the service itself.
    pub fn chain(&self, region: &str) -> Arc<Slot> {
        let digest = self.digest(&["chain", region]);
        self.slot(digest, || Origin::Chain {
            provider: tokio::sync::OnceCell::new(),
            region: region.to_owned(),
        })
    }

    /// When the session ends that is there for a role, in epoch milliseconds; none where there is none that is valid.
    /// Nobody is asked, and nothing is renewed.
    pub fn session_ends_ms(&self, base: &Base, role: &Role, target: &StsTarget) -> Option<i64> {
        self.held(self.role_digest(base, role, target)).map(|session| session.ends_ms)
    }

    /// Whether the default chain's credentials have a session token; none where they are not known.
    pub fn chain_has_token(&self, region: &str) -> Option<bool> {
        let session = self.held(self.digest(&["chain", region]))?;
        Some(session.credentials.session_token().is_some())
    }

    fn held(&self, digest: [u8; 32]) -> Option<Arc<Session>> {
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()?;
        let now = self.clock.now_ms();
        slot.current.load_full().filter(|_| slot.is_valid(now))
    }

    /// The shared session of a role.
    pub fn role(&self, base: &Base, role: &Role, target: &StsTarget) -> Result<Arc<Slot>, AwsError> {
        let digest = self.role_digest(base, role, target);
        let client = self.sts(base, target)?;
        Ok(self.slot(digest, || Origin::Role { client: Box::new(client), role: role.clone() }))
    }

    fn role_digest(&self, base: &Base, role: &Role, target: &StsTarget) -> [u8; 32] {
        let tags = serde_json::to_string(&role.tags).unwrap_or_default();
        let duration = role.duration.unwrap_or_default().to_string();
        let session = match base {
            Base::Session(slot) => hex::encode(slot.digest),
            Base::Key(_) | Base::Chain => String::new(),
        };
        let (id, secret, token) = match base {
            Base::Key(key) => (
                key.id.expose_secret(),
                key.secret.expose_secret(),
                key.token.as_ref().map_or("", |token| token.expose_secret()),
            ),
            Base::Chain => ("chain", "", ""),
            Base::Session(_) => ("session", session.as_str(), ""),
        };
        self.digest(&[
            id,
            secret,
            token,
            &role.arn,
            role.external_id.as_deref().unwrap_or_default(),
            &role.session_name,
            role.policy.as_deref().unwrap_or_default(),
            &tags,
            &duration,
            &target.region,
            target.endpoint.as_deref().unwrap_or_default(),
            target.ca_pem.as_deref().unwrap_or_default(),
            target.route.as_ref().map_or("", |route| route.name().as_str()),
        ])
    }

    fn slot(&self, digest: [u8; 32], origin: impl FnOnce() -> Origin) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&digest) {
            return Arc::clone(slot);
        }
        if slots.len() >= MANY_SLOTS {
            let now = self.clock.now_ms();
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_valid(now));
        }
        let slot = Arc::new(Slot {
            digest,
            origin: origin(),
            clock: self.clock.clone(),
            tracker: self.tracker.clone(),
            current: ArcSwapOption::empty(),
            flight: tokio::sync::Mutex::new(()),
            last_failure: Mutex::new(None),
            next_renewal_ms: AtomicI64::new(0),
            capped: AtomicBool::new(false),
        });
        slots.insert(digest, Arc::clone(&slot));
        slot
    }

    /// Keys are told apart by a digest that is salted anew in every process: a key is never kept as a map's key.
    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        let mut hasher = Sha256::new().chain_update(self.salt);
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().into()
    }

    /// Who the credentials belong to, as STS says: the ARN.
    pub async fn caller_identity(&self, base: &Base, target: &StsTarget) -> Result<String, AwsError> {
        if self.silent {
            return Err(capture::not_sent("sts"));
        }
        let client = self.sts(base, target)?;
        let answer = tokio::time::timeout(STS_TIMEOUT, client.get_caller_identity().send())
            .await
            .map_err(|_| AwsError::timeout("sts", STS_TIMEOUT.as_millis()))?
            .map_err(|error| AwsError::from_sdk("sts", &error))?;
        Ok(answer.arn().unwrap_or("unknown").to_owned())
    }

    /// A regional STS client. It is not kept: it is used once a session.
    fn sts(&self, base: &Base, target: &StsTarget) -> Result<aws_sdk_sts::Client, AwsError> {
        let way = Way { port: target.port, ca_pem: target.ca_pem.as_deref(), route: target.route.as_ref() };
        let http = self.http.get(way).map_err(|error| {
            AwsError::new(ErrorKind::InvalidRequest, "sts", "InvalidRequest", error.to_string())
        })?;
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(target.region.clone()))
            .credentials_provider(self.base(base, &target.region))
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(
                aws_sdk_sts::config::timeout::TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_timeout(STS_TIMEOUT)
                    .build(),
            )
            .http_client(http);
        if let Some(endpoint) = &target.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(aws_sdk_sts::Client::from_conf(config.build()))
    }
}

/// Credentials of a key, as the SDK wants them.
pub fn static_credentials(key: &AccessKey) -> Credentials {
    Credentials::new(
        key.id.expose_secret(),
        key.secret.expose_secret(),
        key.token.as_ref().map(|token| token.expose_secret().to_owned()),
        None,
        "s3-connector",
    )
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Slot(..)")
    }
}

impl Slot {
    /// For an SDK client.
    pub fn provider(self: &Arc<Self>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(SlotProvider(Arc::clone(self)))
    }

    fn is_valid(&self, now: i64) -> bool {
        self.current.load().as_ref().is_some_and(|session| session.ends_ms - MARGIN_MS > now)
    }

    /// Credentials that are valid now. Renews in the background from half of their life; waits only when there
    /// are none, and then all who wait share one call and its outcome.
    pub async fn credentials(self: &Arc<Self>) -> Result<Credentials, AwsError> {
        let asked_ms = self.clock.now_ms();
        if let Some(valid) = self.current(asked_ms) {
            return Ok(valid);
        }
        let _flight = self.flight.lock().await;
        if let Some(valid) = self.current(self.clock.now_ms()) {
            return Ok(valid);
        }
        if let Some((at_ms, error)) = &*self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
            && *at_ms >= asked_ms
        {
            return Err(error.clone());
        }
        self.fetch().await
    }

    /// Credentials for what shall hold for `wanted_ms`: a new session is asked for when the one that is there ends
    /// before, and a new one would last markedly longer. What comes may still end before.
    pub async fn lasting(self: &Arc<Self>, wanted_ms: i64) -> Result<Credentials, AwsError> {
        let held = self.credentials().await?;
        if !self.is_worth_renewing(wanted_ms) {
            return Ok(held);
        }
        let _flight = self.flight.lock().await;
        // whoever was before us in the lock may have done it
        if !self.is_worth_renewing(wanted_ms) {
            return self.current(self.clock.now_ms()).map_or(Ok(held), Ok);
        }
        let fetched = self.fetch().await;
        if self.is_worth_renewing(wanted_ms) && fetched.is_ok() {
            self.capped.store(true, Ordering::Relaxed);
        }
        fetched.or_else(|error| {
            tracing::warn!(
                code = error.code,
                message = error.message,
                "credentials that last longer could not be had; those that are there are used"
            );
            Ok(held)
        })
    }

    fn is_worth_renewing(&self, wanted_ms: i64) -> bool {
        let session = self.current.load();
        let Some(session) = session.as_ref().filter(|session| session.ends_ms != i64::MAX) else {
            return false;
        };
        let given = session.ends_ms.saturating_sub(session.since_ms);
        let life = match &self.origin {
            Origin::Role { role, .. } if !self.capped.load(Ordering::Relaxed) => {
                i64::from(role.duration.unwrap_or(DEFAULT_DURATION)) * 1000
            }
            _ => given,
        };
        let rest = session.ends_ms.saturating_sub(self.clock.now_ms());
        rest < wanted_ms && life.saturating_sub(rest) >= WORTH_MS
    }

    fn current(self: &Arc<Self>, now: i64) -> Option<Credentials> {
        let session = self.current.load();
        let session = session.as_ref().filter(|session| session.ends_ms - MARGIN_MS > now)?;
        if now >= session.renew_ms {
            self.renew(now);
        }
        Some(session.credentials.clone())
    }

    /// Starts one renewal; whoever moves the moment of the next try forward is the one that starts it.
    fn renew(self: &Arc<Self>, now: i64) {
        let next = self.next_renewal_ms.load(Ordering::Relaxed);
        let exchange = self.next_renewal_ms.compare_exchange(
            next,
            now + RENEW_RETRY_MS,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if now < next || exchange.is_err() {
            return;
        }
        let slot = Arc::clone(self);
        self.tracker.spawn(async move {
            let _flight = slot.flight.lock().await;
            if let Err(error) = slot.fetch().await {
                tracing::warn!(
                    code = error.code,
                    message = error.message,
                    "credentials could not be renewed; the old ones are used until they end"
                );
            }
        });
    }

    async fn fetch(&self) -> Result<Credentials, AwsError> {
        let started = self.clock.now_ms();
        let fetched = match &self.origin {
            Origin::Role { client, role } => assume(client, role).await,
            Origin::Chain { provider, region } => from_chain(provider, region).await,
        };
        metrics::counter!("s3_connector_credentials_fetched_total", "outcome" => if fetched.is_ok() { "ok" } else { "error" })
            .increment(1);
        match fetched {
            Ok(credentials) => {
                let now = self.clock.now_ms();
                let ends_ms = credentials.expiry().map_or(i64::MAX, epoch_ms);
                // the jitter keeps replicas from renewing together
                let half = ends_ms.saturating_sub(now) / 2;
                let renew_ms = now.saturating_add(half - half / 10 * i64::from(rand::random::<u8>()) / 255);
                let session = Session { credentials: credentials.clone(), since_ms: now, renew_ms, ends_ms };
                self.current.store(Some(Arc::new(session)));
                Ok(credentials)
            }
            Err(error) => {
                *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((started, error.clone()));
                Err(error)
            }
        }
    }

    /// Lets go of a session that the store refused to a call that began at `began_ms`, unless it is younger than `ms`;
    /// says whether there is a newer one, or will be.
    pub fn refused(&self, began_ms: i64, ms: u64) -> bool {
        let now = self.clock.now_ms();
        if self.current.load().as_ref().is_none_or(|session| session.since_ms > began_ms) {
            return true;
        }
        let young = |session: &Session| now - session.since_ms < i64::try_from(ms).unwrap_or(i64::MAX);
        if self.current.load().as_ref().is_none_or(|session| young(session)) {
            return false;
        }
        self.current.store(None);
        true
    }
}

fn epoch_ms(at: std::time::SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

async fn assume(client: &aws_sdk_sts::Client, role: &Role) -> Result<Credentials, AwsError> {
    let mut request = client
        .assume_role()
        .role_arn(&role.arn)
        .role_session_name(&role.session_name)
        .set_external_id(role.external_id.clone())
        .set_duration_seconds(role.duration.and_then(|seconds| i32::try_from(seconds).ok()))
        .set_policy(role.policy.clone());
    for (key, value) in &role.tags {
        let tag = Tag::builder().key(key).value(value).build();
        request = request.tags(tag.map_err(|error| {
            AwsError::new(ErrorKind::InvalidRequest, "sts", "ValidationError", error.to_string())
        })?);
    }
    let answer = request.send().await.map_err(|error| AwsError::from_sdk("sts", &error))?;
    let given = answer.credentials().ok_or_else(|| {
        AwsError::new(ErrorKind::Internal, "sts", "InternalError", "the answer holds no credentials")
    })?;
    let ends = UNIX_EPOCH
        + Duration::from_millis(
            given.expiration().to_millis().ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
        );
    Ok(Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        Some(ends),
        "s3-connector-role",
    ))
}

/// The chain is built on first use: building it reads the environment and may ask the instance's metadata.
async fn from_chain(
    cell: &tokio::sync::OnceCell<SharedCredentialsProvider>,
    region: &str,
) -> Result<Credentials, AwsError> {
    let provider = cell
        .get_or_init(|| async {
            let chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
                .region(Region::new(region.to_owned()))
                .build()
                .await;
            SharedCredentialsProvider::new(chain)
        })
        .await;
    provider.provide_credentials().await.map_err(|error| {
        AwsError::new(
            ErrorKind::BadCredentials,
            "sts",
            "CredentialsMissing",
            format!("the default chain found no credentials: {}", root(&error)),
        )
    })
}

fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

struct SlotProvider(Arc<Slot>);

impl std::fmt::Debug for SlotProvider {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SlotProvider(..)")
    }
}

impl ProvideCredentials for SlotProvider {
    fn provide_credentials<'a>(&'a self) -> ProvideFuture<'a>
    where
        Self: 'a,
    {
        if let Some(valid) = self.0.current(self.0.clock.now_ms()) {
            return ProvideFuture::ready(Ok(valid));
        }
        ProvideFuture::new(
            async move { self.0.credentials().await.map_err(CredentialsError::provider_error) },
        )
    }
}
