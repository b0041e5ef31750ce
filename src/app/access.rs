//! Who calls and what they may: tokens, roles, projects, and how many queries run at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::registry::{KnownToken, State};
use crate::app::{App, Error, audit};
use crate::clock::rfc3339;
use crate::model::hex::{hex, write_hex};
use crate::model::name::Name;
use crate::model::principal::{Caller, Project, Role, Token};
use crate::store::{StoreError, TokenRecord, new_id};

/// What every token starts with, so that scanners find leaked ones.
pub const TOKEN_PREFIX: &str = "s3c_";
const TOKEN_RANDOM: usize = 40;
const TOKEN_CHECK: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Failed attempts that one address has a minute.
const FAILURES_PER_MINUTE: u32 = 30;
/// A full server lets a query wait so long for its turn.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// The name of the project that is made on the first start.
pub const DEFAULT_PROJECT: &str = "default";
/// The environment that is meant when none is named.
pub const DEFAULT_ENVIRONMENT: &str = "production";

/// Counts failed attempts per address.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (i64, u32)>>);

impl Failures {
    pub(super) fn blocked(&self, from: IpAddr, now_ms: i64) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(&from)
            .is_some_and(|(since, count)| now_ms - since < 60_000 && *count >= FAILURES_PER_MINUTE)
    }

    pub(super) fn note(&self, from: IpAddr, now_ms: i64) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() > 10_000 {
            failures.retain(|_, (since, _)| now_ms - *since < 60_000);
        }
        let entry = failures.entry(from).or_insert((now_ms, 0));
        if now_ms - entry.0 >= 60_000 {
            *entry = (now_ms, 0);
        }
        entry.1 += 1;
    }
}

/// A query's place; held until its last byte is through.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
    _running: Running,
}

/// One of a token's running queries.
#[derive(Debug)]
struct Running(Arc<AtomicUsize>);

impl Running {
    fn enter(count: &Arc<AtomicUsize>, most: usize) -> Result<Running, Error> {
        let running = Running(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) < most { Ok(running) } else { Err(Error::TooManyQueries) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a request says of its sender.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The bearer token.
    pub token: &'a str,
    /// The project that was named.
    pub project: Option<&'a str>,
    /// The sender's address.
    pub from: IpAddr,
    /// The id of the request.
    pub request_id: &'a str,
}

/// A token to make.
#[derive(Debug, Clone, Copy)]
pub struct WantedToken<'a> {
    /// What it is for.
    pub name: &'a str,
    /// What it may do.
    pub role: Role,
    /// Of the whole installation instead of the caller's project.
    pub whole_installation: bool,
    /// Epoch milliseconds; none does not expire.
    pub expires_ms: Option<i64>,
}

impl App {
    /// The sender of a request, in the project it is about.
    pub fn authenticate(&self, presented: Presented<'_>) -> Result<Caller, Error> {
        let now = self.clock.now_ms();
        let state = self.registry.state();
        // a valid token is always taken: behind a proxy all callers have one address, and a guess of 40 random
        // characters never succeeds anyway
        let Some(token) = find_token(&state, presented.token, now) else {
            if self.failures.blocked(presented.from, now) {
                return Err(Error::TooManyFailures);
            }
            self.failures.note(presented.from, now);
            return Err(Error::Unauthenticated("the token is unknown, expired or revoked"));
        };
        token.used_ms.store(now, Ordering::Relaxed);
        let project = project_of(&state, token, presented.project)?;
        Ok(Caller {
            token_id: Arc::clone(&token.record.id),
            token_name: Arc::clone(&token.record.name),
            role: token.record.role,
            installation: token.record.project_id.is_none(),
            project: project.clone(),
            from: text_of(presented.from),
            request_id: presented.request_id.to_owned(),
            queries: Arc::clone(&token.queries),
        })
    }

    /// Takes a place for a query, or says that there is none.
    pub async fn admit(&self, caller: &Caller) -> Result<Permit, Error> {
        let running = Running::enter(&caller.queries, self.config.server.max_queries_per_token)?;
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Permit { _place: place, _running: running });
        }
        match tokio::time::timeout(QUEUE_WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Permit { _place: place, _running: running }),
            _ => Err(Error::Overloaded("the server runs as many queries as it may: try again in a moment")),
        }
    }

    /// Does work that only computes, off the threads that answer others. It has the place of a query until it is done:
    /// a caller who goes away does not end it.
    pub async fn beside<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        const GIVEN_UP: &str = "the answer could not be computed: send the request again";
        let permit = self.admit(caller).await?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| Error::Overloaded(GIVEN_UP))
    }

    /// Makes a token; its text is shown once and never kept. A dry run makes none, so its text is empty.
    pub async fn create_token(
        &self,
        caller: &Caller,
        wanted: WantedToken<'_>,
        dry_run: bool,
    ) -> Result<(Token, SecretString), Error> {
        if wanted.whole_installation && !caller.installation {
            return Err(Error::InstallationOnly);
        }
        let name = wanted.name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            return Err(Error::BadRequest("`name` must have 1 to 100 characters".to_owned()));
        }
        let now = self.clock.now_ms();
        if wanted.expires_ms.is_some_and(|at| at <= now) {
            return Err(Error::BadRequest("`expires_at` lies in the past".to_owned()));
        }
        let text = if dry_run { SecretString::default() } else { new_token() };
        let project_id = (!wanted.whole_installation).then(|| Arc::clone(&caller.project.id));
        let record = token_record(&text, name, wanted.role, project_id, now, wanted.expires_ms);
        if dry_run {
            return Ok((self.shown_token(&record, 0), text));
        }
        let event = audit::event(caller, "token.create", name, now);
        let sequence = self.store.create_token(&record, &event).await?;
        let shown = self.shown_token(&record, 0);
        self.registry.put_token(sequence, record);
        Ok((shown, text))
    }

    /// The tokens of the caller's project; for a token of the installation also those of the installation.
    pub fn tokens(&self, caller: &Caller) -> Vec<Token> {
        let state = self.registry.state();
        let visible = |token: &KnownToken| match &token.record.project_id {
            Some(project) => *project == caller.project.id,
            None => caller.installation,
        };
        let tokens = state.tokens();
        let shown = tokens.iter().filter(|token| visible(token));
        shown.map(|token| self.shown_token(&token.record, token.used_ms.load(Ordering::Relaxed))).collect()
    }

    /// Revokes a token at once.
    pub async fn revoke_token(&self, caller: &Caller, id: &str, dry_run: bool) -> Result<(), Error> {
        let known = self.tokens(caller).into_iter().any(|token| token.id == id);
        let missing = || Error::NotFound { what: "token", name: id.to_owned() };
        if !known {
            return Err(missing());
        }
        if dry_run {
            return Ok(());
        }
        let event = audit::event(caller, "token.revoke", id, self.clock.now_ms());
        let sequence = self.store.delete_token(id, &event).await.map_err(|error| match error {
            StoreError::NotFound => missing(),
            other => other.into(),
        })?;
        self.registry.remove_token(sequence, id);
        Ok(())
    }

    /// All projects, for a token of the installation; else the caller's own.
    pub fn projects(&self, caller: &Caller) -> Vec<Project> {
        if caller.installation { self.registry.state().projects() } else { vec![caller.project.clone()] }
    }

    /// Makes a project.
    pub async fn create_project(
        &self,
        caller: &Caller,
        name: &Name,
        dry_run: bool,
    ) -> Result<Project, Error> {
        if !caller.installation {
            return Err(Error::InstallationOnly);
        }
        let now = self.clock.now_ms();
        let taken = || Error::Conflict(format!("the project `{name}` exists already"));
        if dry_run {
            if self.registry.state().project(name.as_str()).is_some() {
                return Err(taken());
            }
            return Ok(Project { id: "".into(), name: name.clone(), created_at: rfc3339(now).into() });
        }
        let event = audit::event(caller, "project.create", name.as_str(), now);
        let created = self.store.create_project(name, now, &event).await;
        let (project, sequence) = created.map_err(|error| match error {
            StoreError::Conflict => taken(),
            other => other.into(),
        })?;
        self.registry.put_project(sequence, project.clone());
        Ok(project)
    }

    /// Makes the default project and the first token when there are none; the token's text comes back when it
    /// was made here.
    pub(super) async fn bootstrap(&self) -> Result<Option<SecretString>, Error> {
        let now = self.clock.now_ms();
        if self.registry.state().projects().is_empty() {
            let name = Name::parse(DEFAULT_PROJECT).map_err(|error| Error::BadRequest(error.to_string()))?;
            let event = audit::own_event("project.create", DEFAULT_PROJECT, now);
            let (project, sequence) = self.store.create_project(&name, now, &event).await?;
            self.registry.put_project(sequence, project);
        }
        let given = self.config.bootstrap_token.clone();
        let text = match &given {
            Some(text) if self.registry.state().token(&hash(text.expose_secret())).is_some() => {
                return Ok(None);
            }
            Some(text) => {
                check_form(text.expose_secret()).map_err(Error::BadRequest)?;
                text.clone()
            }
            None if !self.registry.state().tokens().is_empty() => return Ok(None),
            None => new_token(),
        };
        let record = token_record(&text, "bootstrap", Role::Admin, None, now, None);
        let event = audit::own_event("token.create", "bootstrap", now);
        let sequence = self.store.create_token(&record, &event).await?;
        self.registry.put_token(sequence, record);
        Ok(given.is_none().then_some(text))
    }

    fn shown_token(&self, record: &TokenRecord, used_ms: i64) -> Token {
        let state = self.registry.state();
        let project = record.project_id.as_ref().and_then(|id| state.project_by_id(id));
        let used = Some(used_ms).filter(|used| *used > 0).or(record.last_used_ms);
        Token {
            id: record.id.to_string(),
            name: record.name.to_string(),
            project: project.map(|project| project.name.clone()),
            role: record.role,
            last4: record.last4.clone(),
            created_at: rfc3339(record.created_ms),
            expires_at: record.expires_ms.map(rfc3339),
            // to the minute: finer would only tell when somebody works
            last_used_at: used.map(|at| rfc3339(at / 60_000 * 60_000)),
        }
    }

    /// Writes when tokens were last used.
    pub(super) async fn keep_token_uses(&self) {
        let tokens = self.registry.state().tokens();
        let used: Vec<_> = tokens
            .iter()
            .map(|token| (Arc::clone(&token.record.id), token.used_ms.load(Ordering::Relaxed)))
            .filter(|(_, at)| *at > self.clock.now_ms() - 120_000)
            .collect();
        if let Err(error) = self.store.touch_tokens(&used).await {
            tracing::warn!(cause = %error, "the last use of tokens could not be written");
        }
    }
}

/// An address as text; those of the common kind are written without the detours of formatting.
fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(v4) = address else { return address.to_string() };
    let mut text = String::with_capacity(15);
    for octet in v4.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let skipped = usize::from(octet < 100) + usize::from(octet < 10);
        text.extend(digits.into_iter().skip(skipped).map(|digit| char::from(b'0' + digit)));
    }
    text
}

fn find_token<'a>(state: &'a State, text: &str, now_ms: i64) -> Option<&'a Arc<KnownToken>> {
    let mut digits = [0; 64];
    write_hex(&Sha256::digest(text.as_bytes()), &mut digits);
    let token = state.token(std::str::from_utf8(&digits).ok()?)?;
    let same: bool = token.record.hash.as_bytes().ct_eq(&digits).into();
    let alive = token.record.expires_ms.is_none_or(|ends| ends > now_ms);
    (same && alive).then_some(token)
}

/// A token of a project works only in it: another project looks as if it were not there.
fn project_of<'a>(state: &'a State, token: &KnownToken, asked: Option<&str>) -> Result<&'a Project, Error> {
    let missing = |name: &str| Error::NotFound { what: "project", name: name.chars().take(80).collect() };
    if let Some(id) = &token.record.project_id {
        let own = state.project_by_id(id).ok_or_else(|| missing("unknown"))?;
        return match asked {
            Some(name) if name != own.name.as_str() => Err(missing(name)),
            _ => Ok(own),
        };
    }
    let name = asked.unwrap_or(DEFAULT_PROJECT);
    state.project(name).ok_or_else(|| missing(name))
}

fn token_record(
    text: &SecretString,
    name: &str,
    role: Role,
    project_id: Option<Arc<str>>,
    created_ms: i64,
    expires_ms: Option<i64>,
) -> TokenRecord {
    let text = text.expose_secret();
    let last4 = text.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    TokenRecord {
        id: new_id().into(),
        project_id,
        name: name.into(),
        role,
        hash: hash(text),
        last4,
        created_ms,
        expires_ms,
        last_used_ms: None,
    }
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// `s3c_`, 40 random characters, 6 that check them, so that a scanner can tell a token from noise.
pub fn new_token() -> SecretString {
    let random: [u8; TOKEN_RANDOM] = std::array::from_fn(|_| letter(rand::random_range(0..62)));
    let random: String = random.iter().map(|byte| char::from(*byte)).collect();
    let check = checksum(&random);
    SecretString::from(format!("{TOKEN_PREFIX}{random}{check}"))
}

fn letter(index: usize) -> u8 {
    ALPHABET.get(index).copied().unwrap_or(b'0')
}

fn checksum(random: &str) -> String {
    let digest = Sha256::digest(random.as_bytes());
    digest.iter().take(TOKEN_CHECK).map(|byte| char::from(letter(usize::from(*byte) % 62))).collect()
}

fn check_form(text: &str) -> Result<(), String> {
    let valid = text
        .strip_prefix(TOKEN_PREFIX)
        .and_then(|rest| rest.split_at_checked(TOKEN_RANDOM))
        .is_some_and(|(random, check)| checksum(random) == check);
    if valid {
        return Ok(());
    }
    Err("S3_CONNECTOR_BOOTSTRAP_TOKEN is not a token: make one with `s3-connector token generate`".to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{check_form, new_token, text_of};

    #[test]
    fn addresses_are_written_as_ever() {
        for text in ["0.0.0.0", "127.0.0.1", "10.20.9.255", "100.101.99.5", "::1", "2001:db8::a"] {
            assert_eq!(text_of(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn a_token_checks_itself() {
        let token = new_token();
        assert!(check_form(token.expose_secret()).is_ok());
        assert!(check_form(&format!("{}x", token.expose_secret())).is_err());
        assert!(check_form("s3c_short").is_err());
        assert!(check_form("").is_err());
        assert_ne!(token.expose_secret(), new_token().expose_secret());
    }
}
