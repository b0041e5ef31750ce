//! Puts together what is known: what came with the request, what the bucket said, who asks, and what IAM said.

use std::sync::Arc;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::documents::Document;
use crate::app::policy_check::facts::{Facts, Named, Principal, Read, Requests};
use crate::app::policy_check::identity::Asking;
use crate::app::policy_check::live::{self, BucketSaid};
use crate::app::policy_check::parts::{self, Part, part};
use crate::app::policy_check::predict::{BOUNDARY, SESSION_POLICY};
use crate::app::policy_check::{closed, identity};
use crate::app::{App, Error, Resource};
use crate::aws::ErrorKind;
use crate::aws::iam::IamPolicies;
use crate::finding::Finding;
use crate::model::name::Name;
use crate::model::policy_check::{PartState, PolicyCheckWanted, PolicyPart, PolicyText};
use crate::model::provider::Profile;

/// What came with the request.
pub(super) struct Given {
    principal: Option<String>,
    identity: Option<Vec<Document>>,
    boundary: Option<Document>,
    session: Option<Document>,
}

/// What the caller may.
#[derive(Debug, Clone, Copy)]
pub(super) struct May {
    /// Have the bucket and IAM asked.
    pub(super) read: bool,
    /// See the texts of policies that IAM has: they tell about more than the resource.
    pub(super) see: bool,
}

/// All that is known, and how.
pub(super) struct Gathered {
    pub(super) facts: Facts,
    pub(super) accounts: Accounts,
    pub(super) asking: Asking,
    pub(super) parts: Vec<PolicyPart>,
    /// The texts of the identity's policies, for findings.
    pub(super) texts: Vec<PolicyText>,
    pub(super) bucket: String,
    pub(super) profile: &'static Profile,
}

/// Whose the key is that the resource reads with.
struct Key {
    /// Whether it is of the one who asks.
    is_own: bool,
    own: Principal,
}

impl Key {
    /// Whether the one who asks is of the bucket's account, when this is known of the one who read its policy.
    fn proves(&self, proved: Option<bool>, asking: &Principal) -> Option<bool> {
        if self.is_own {
            return proved;
        }
        let (Principal::Known { arn: asking, .. }, Principal::Known { arn: own, .. }) = (asking, &self.own)
        else {
            return None;
        };
        let is_neighbour = asking.split(':').nth(4) == own.split(':').nth(4);
        if proved? { Some(is_neighbour) } else { is_neighbour.then_some(false) }
    }
}

/// Policies of the identity.
#[derive(Default)]
struct Own {
    named: Vec<Named>,
    whole: bool,
}

impl Given {
    /// What cannot be used is refused before anything is sent.
    pub(super) fn read(wanted: &PolicyCheckWanted, accounts: &mut Accounts) -> Result<Given, Error> {
        if let Some(principal) = &wanted.principal
            && !identity::is_identity(&accounts.lend(principal))
        {
            let text = format!("`{principal}` is no ARN of a user, role, session or root");
            return Err(Error::invalid(vec![Finding::error("INVALID_REQUEST", "principal", text)]));
        }
        let mut one = |value: &Option<Box<serde_json::value::RawValue>>, path: &str| {
            value.as_ref().map(|value| Document::given(value, path, accounts)).transpose()
        };
        let boundary = one(&wanted.permission_boundary, "permission_boundary")?;
        let session = one(&wanted.session_policy, "session_policy")?;
        let identity = wanted.identity_policies.as_ref().map(|values| {
            let numbered = values.iter().enumerate();
            let read = numbered
                .map(|(at, value)| Document::given(value, &format!("identity_policies[{at}]"), accounts));
            read.collect::<Result<Vec<_>, _>>()
        });
        Ok(Given { principal: wanted.principal.clone(), identity: identity.transpose()?, boundary, session })
    }
}

impl App {
    /// Asks the bucket, STS and IAM for what was not given.
    pub(super) async fn gather(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        wanted: &PolicyCheckWanted,
        may: May,
    ) -> Result<Gathered, Error> {
        let connection = self.connect(resource, environment).await?;
        let requests = Requests::of(&connection.plan, self.clock.now_ms());
        let mut accounts = Accounts::of(connection.plan.profile);
        let given = Given::read(wanted, &mut accounts)?;
        let closed = closed(&requests, may.read);
        let (said, connection) = if closed.is_some() {
            (None, connection)
        } else {
            let read = self.with_connection(resource, environment, |connection| async move {
                live::read(&connection).await
            });
            let (said, connection) = Box::pin(read).await?;
            (Some(said), connection)
        };
        let plan = &connection.plan;
        let mut asking = self.who_asks(plan, given.principal.as_deref(), &mut accounts).await;
        let own = if given.principal.is_some() {
            self.who_asks(plan, None, &mut accounts).await.principal
        } else {
            asking.principal.clone()
        };
        let is_own = identity::is_own(&asking.principal, &own, requests.owner.as_deref());
        if is_own {
            asking.take_role_of(&own);
        } else {
            asking.known_by.push_str("; the key of the resource is of somebody else, or may be");
        }
        let iam = if given.identity.is_none() && may.read && is_own {
            Box::pin(self.identity_policies(&connection, &asking.principal)).await
        } else {
            None
        };
        let sent = plan.role.as_ref().and_then(|role| role.policy.as_deref()).filter(|_| is_own);
        let foreign_session = identity::has_foreign_session(&asking.principal, plan, is_own);
        let mut requests = requests;
        requests.lasting_key &= is_own;
        let mut gathered = Gathered {
            facts: Facts::of_nothing(asking.principal.clone(), requests, plan.profile),
            accounts,
            asking,
            parts: Vec::new(),
            texts: Vec::new(),
            bucket: plan.bucket.clone(),
            profile: plan.profile,
        };
        let key = Key { is_own, own };
        gathered.bucket_side(said.as_ref(), closed.unwrap_or_default(), &key);
        gathered.own_policies(given.identity, iam.as_ref());
        gathered.boundary(given.boundary, iam.as_ref());
        gathered.session(given.session, sent, foreign_session);
        gathered.owner();
        if !may.see {
            gathered.conceal();
        }
        Ok(gathered)
    }
}

impl Gathered {
    /// Takes away the texts of policies that IAM has, and what quotes them. Their names stay, and which statement decides.
    fn conceal(&mut self) {
        let mut taken = Vec::new();
        let of_iam = self.parts.iter_mut().filter(|part| {
            matches!(part.part, "identity_policies" | "permission_boundary") && part.state != PartState::Given
        });
        for part in of_iam {
            for document in &mut part.documents {
                document.text.clear();
                taken.push(document.name.clone());
            }
        }
        self.texts.retain(|text| !taken.contains(&text.name));
    }

    fn bucket_side(&mut self, said: Option<&BucketSaid>, closed: &str, key: &Key) {
        let Some(said) = said else {
            self.parts.extend([
                parts::not_read::<()>("bucket_policy", closed).shown,
                parts::not_read::<()>("ownership", closed).shown,
                parts::not_read::<()>("public_access_block", closed).shown,
                parts::not_read::<()>("bucket_acl", closed).shown,
            ]);
            return;
        };
        let is_aws = self.facts.is_aws;
        let (policy, same) = parts::bucket_policy(&said.policy, is_aws, &mut self.accounts);
        self.facts.same_account(key.proves(same, &self.facts.principal));
        self.facts.bucket_policy = self.take(policy);
        self.facts.ownership = self.take(parts::ownership(&said.ownership, self.profile));
        self.facts.block = self.take(parts::block(&said.block));
        self.facts.acl = self.take(parts::acl(&said.acl));
    }

    fn take<T>(&mut self, part: Part<T>) -> Read<T> {
        self.parts.push(part.shown);
        part.value
    }

    /// Policies of the identity, as they were given or as IAM has them.
    fn own_policies(&mut self, given: Option<Vec<Document>>, iam: Option<&IamPolicies>) {
        const NAME: &str = "identity_policies";
        if self.facts.principal == Principal::Anonymous {
            self.facts.identity_is_whole = true;
            self.parts.push(part(NAME, PartState::None, "requests are not signed"));
            return;
        }
        let (mut shown, own) = match (given, iam) {
            (Some(documents), _) => {
                let detail = format!("{} came with the request", documents.len());
                let named = documents.iter().enumerate();
                let named = named.map(|(at, document)| (format!("identity policy {}", at + 1), document));
                (part(NAME, PartState::Given, detail), self.named(named))
            }
            (None, Some(iam)) => self.of_iam(iam),
            (None, None) => {
                let why = "nobody could be asked for them: give them as `identity_policies`";
                (part(NAME, PartState::NotRead, why), Own::default())
            }
        };
        shown.documents.clone_from(&self.texts);
        self.parts.push(shown);
        self.facts.identity = own.named;
        self.facts.identity_is_whole = own.whole;
    }

    fn of_iam(&mut self, iam: &IamPolicies) -> (PolicyPart, Own) {
        const NAME: &str = "identity_policies";
        let documents: Vec<(String, Document)> = iam
            .policies
            .iter()
            .map(|(name, text)| (name.clone(), Document::read(text, &mut self.accounts)))
            .collect();
        let mut own = self.named(documents.iter().map(|(name, document)| (name.clone(), document)));
        own.whole &= iam.missing.is_none();
        let count = iam.policies.len();
        let shown = match &iam.missing {
            None => part(NAME, PartState::Read, format!("IAM has {count}")),
            Some(error) => {
                let state = match error.kind {
                    ErrorKind::AccessDenied => PartState::Denied,
                    ErrorKind::Unsupported => PartState::NotSupported,
                    _ => PartState::Failed,
                };
                let mut shown = part(
                    NAME,
                    state,
                    format!(
                        "not all could be read ({}): give them as `identity_policies`; {count} were read",
                        error.code
                    ),
                );
                shown.action.clone_from(&iam.missing_action);
                shown
            }
        };
        (shown, own)
    }

    /// Those that can be used; with one that cannot be they are not all.
    fn named<'a>(&mut self, documents: impl Iterator<Item = (String, &'a Document)>) -> Own {
        let mut own = Own { named: Vec::new(), whole: true };
        for (name, document) in documents {
            self.texts.push(document.shown_as(&name));
            match document.named(&name) {
                Some(named) => own.named.push(named),
                None => own.whole = false,
            }
        }
        own
    }

    fn boundary(&mut self, given: Option<Document>, iam: Option<&IamPolicies>) {
        const NAME: &str = "permission_boundary";
        let of_iam = iam.and_then(|iam| iam.boundary.as_deref());
        let read = of_iam.map(|text| Document::read(text, &mut self.accounts));
        let state = if given.is_some() { PartState::Given } else { PartState::Read };
        let shown = match (given.or(read), iam.map(|iam| &iam.boundary_missing)) {
            (Some(document), _) => {
                let mut shown = part(NAME, state, "the identity has one");
                shown.documents.push(document.shown_as(BOUNDARY));
                match document.policy {
                    Ok(policy) => self.facts.boundary = Some(policy),
                    Err(why) => {
                        shown.state = PartState::Invalid;
                        shown.detail = format!("it cannot be used: {why}");
                    }
                }
                shown
            }
            (None, Some(None)) => part(NAME, PartState::None, "the identity has none"),
            (None, Some(Some(error))) if error.kind == ErrorKind::AccessDenied => {
                part(NAME, PartState::Denied, "IAM does not say whether there is one")
            }
            _ => part(NAME, PartState::NotRead, "it is not known whether there is one"),
        };
        self.facts.boundary_is_known = self.facts.boundary.is_some() || shown.state == PartState::None;
        self.parts.push(shown);
    }

    /// The policy of the session: as given, or what this service sends when it assumes the role.
    fn session(&mut self, given: Option<Document>, sent: Option<&str>, foreign: bool) {
        const NAME: &str = "session_policy";
        let (document, detail) = match (given, sent) {
            (Some(given), _) => (given, "it came with the request"),
            (None, Some(sent)) => {
                (Document::read(sent, &mut self.accounts), "this service sends it when it assumes the role")
            }
            (None, None) if foreign => {
                let why = "the session is not made by the resource, so its policy is not known: give it as `session_policy`";
                self.parts.push(part(NAME, PartState::NotRead, why));
                return;
            }
            (None, None) => {
                self.facts.session = Read::Is(None);
                self.parts.push(part(NAME, PartState::None, "the resource sends none"));
                return;
            }
        };
        let mut shown = part(NAME, PartState::Given, detail);
        shown.documents.push(document.shown_as(SESSION_POLICY));
        match document.policy {
            Ok(policy) => self.facts.session = Read::Is(Some(policy)),
            Err(why) => {
                shown.state = PartState::Invalid;
                shown.detail = format!("it cannot be used: {why}");
            }
        }
        self.parts.push(shown);
    }

    /// Where accounts are single users, an ACL says whether this one owns the bucket.
    fn owner(&mut self) {
        self.facts.owns_bucket = self.facts.whether_owner();
    }
}
