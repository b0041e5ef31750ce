//! Listing: pages of the store one after the other, relative to the resource's prefix. Objects and their versions go the
//! same way.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_util::task::AbortOnDropHandle;

use crate::app::connection::{Connection, Freshness};
use crate::app::objects::list_rows::{Mark, Sifted, Wanted};
use crate::app::objects::sign::{DOTS, may_sign_rows, sign_get_url};
use crate::app::objects::{Outcome, full_key, versions};
use crate::app::{App, Error, Resource};
use crate::aws::s3::{ListPage, ListRequest};
use crate::aws::{AwsError, ErrorKind};
use crate::model::hex::hex;
use crate::model::list_filter::First;
use crate::model::name::Name;
use crate::model::object::{ListOptions, ObjectPage};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::version::VersionMarker;

/// Rows that a list answers when none are asked for.
const DEFAULT_LIMIT: u64 = 1_000;
/// Rows of one answer that is gathered in memory; a stream has no such bound.
pub const MOST_GATHERED: u64 = 100_000;
/// Rows of the store that are read for one answer that is gathered or ordered.
const MOST_SCANNED: u64 = 1_000_000;

/// Stands between what a cursor is of and where it leads.
const MARK: char = '.';

/// A page, the store's id of the request, and what it was read with.
type Fetched = ((ObjectPage, Option<String>), Arc<Connection>);

/// A list that is read page by page. While one page is written the next one is read: never more than one, and none
/// any more when the list is dropped.
pub struct Listing {
    app: Arc<App>,
    resource: Arc<Resource>,
    environment: Name,
    request: ListOptions,
    wanted: Wanted,
    /// What its cursors begin with.
    scope: String,
    left: u64,
    /// Rows that are kept of an order.
    room: u64,
    ready: Option<ObjectPage>,
    ahead: Option<AbortOnDropHandle<Result<Fetched, Error>>>,
    done: bool,
    /// A row whose URL clients would change.
    dotted: Option<String>,
    scanned: u64,
    /// Rows of the store that may be read.
    scan: u64,
    /// How fresh its secrets were.
    pub freshness: Freshness,
}

impl App {
    /// Lists up to `limit` rows, gathered.
    pub async fn list(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        mut options: ListOptions,
    ) -> Result<Outcome<ObjectPage>, Error> {
        options.limit = Some(options.limit.unwrap_or(DEFAULT_LIMIT).min(MOST_GATHERED));
        let mut listing = self.begin_list(caller, name, environment, options, MOST_SCANNED).await?;
        let freshness = listing.freshness;
        let mut all = ObjectPage::default();
        while let Some(page) = listing.next().await? {
            all.objects.extend(page.objects);
            all.prefixes.extend(page.prefixes);
            all.truncated = page.truncated;
            all.cursor = page.cursor;
            (all.scanned, all.read_everything, all.notes) = (page.scanned, page.read_everything, page.notes);
        }
        Ok(Outcome { value: all, freshness })
    }

    /// Opens a list whose pages are read one at a time; without a limit it goes to the end. The first page is
    /// read here, so that an error is an answer of its own.
    pub async fn open_list(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: ListOptions,
    ) -> Result<Listing, Error> {
        self.begin_list(caller, name, environment, options, u64::MAX).await
    }

    async fn begin_list(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        mut options: ListOptions,
        scan: u64,
    ) -> Result<Listing, Error> {
        let scope = scope(&options);
        let wanted = Wanted::of(&mut options)?;
        if let Some(cursor) = options.cursor.take() {
            options.cursor = Some(of_this_list(&scope, &cursor)?);
        }
        let prefix = options.prefix.clone();
        let operation = if options.versions { Operation::Versions } else { Operation::List };
        let mut query = self.begin(caller, name, operation, Some(&prefix)).await?;
        if let Some(expires_in) = options.sign_expires_in {
            may_sign_rows(&query, expires_in)?;
            query.note = Some(format!("each row with a URL for {expires_in} s"));
        }
        // what is ordered is gathered, even for a stream, and read to the end
        let ordered = wanted.sort.is_some();
        let limit = options.limit.unwrap_or(u64::MAX);
        let mut listing = Listing {
            app: Arc::clone(self),
            resource: Arc::clone(&query.resource),
            environment: environment.clone(),
            left: if ordered { u64::MAX } else { limit },
            room: limit.min(MOST_GATHERED),
            scan: if ordered { scan.min(MOST_SCANNED) } else { scan },
            request: options,
            wanted,
            scope,
            ready: None,
            ahead: None,
            done: false,
            dotted: None,
            scanned: 0,
            freshness: Freshness::default(),
        };
        if limit == 0 {
            listing.done = true;
            return Ok(listing);
        }
        let first = listing.read_page().await;
        let first = self.end(&query, first, |(_, request_id)| (None, request_id.clone())).await?;
        listing.freshness = first.freshness;
        listing.ready = Some(first.value.0);
        Ok(listing)
    }
}

impl Listing {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<ObjectPage>, Error> {
        let page =
            if self.wanted.sort.is_some() { self.ordered().await? } else { self.in_order_of_keys().await? };
        let Some(mut page) = page else { return Ok(None) };
        page.cursor = page.cursor.map(|cursor| format!("{}{MARK}{cursor}", self.scope));
        match self.request.sign_expires_in {
            Some(expires_in) => self.sign(page, expires_in).await.map(Some),
            None => Ok(Some(page)),
        }
    }

    /// Only rows that are shown are signed.
    async fn sign(&mut self, mut page: ObjectPage, expires_in: u64) -> Result<ObjectPage, Error> {
        let connection = self.app.connect(&self.resource, &self.environment).await?;
        // a delete marker has nothing to read
        for row in page.objects.iter_mut().filter(|row| row.delete_marker != Some(true)) {
            // the prefix itself may be an object, which no key of the resource names
            let Ok(key) = full_key(&connection.prefix, &row.key) else { continue };
            let signed = sign_get_url(&connection, &key, row.version_id.clone(), expires_in).await?;
            (row.url, row.url_expires_at) = (Some(signed.url), Some(signed.expires_at));
            if key.has_dot_segments() && self.dotted.is_none() {
                self.dotted = Some(row.key.clone());
            }
        }
        // the last page says what is said of all
        page.notes.extend(self.dotted.iter().map(|key| format!("`{key}`: {DOTS}")));
        Ok(page)
    }

    async fn in_order_of_keys(&mut self) -> Result<Option<ObjectPage>, Error> {
        let page = match self.ready.take() {
            Some(page) => page,
            None if self.done => return Ok(None),
            None => self.read_page().await?.0.0,
        };
        if !self.done {
            self.ahead = Some(self.begin_page()?);
        }
        Ok(Some(page))
    }

    /// Everything is read, and the first rows of the order are the only page.
    async fn ordered(&mut self) -> Result<Option<ObjectPage>, Error> {
        let Some(sort) = self.wanted.sort.take() else { return Ok(None) };
        let limit = self.room;
        let room = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut first, mut all) = (First::new(sort, room), ObjectPage::default());
        while let Some(page) = self.in_order_of_keys().await? {
            page.objects.into_iter().for_each(|row| first.offer(row));
            all.prefixes.extend(page.prefixes);
            all.read_everything = page.read_everything;
            if all.prefixes.len() as u64 > MOST_GATHERED {
                self.done = true;
                all.read_everything = Some(false);
            }
        }
        self.done = true;
        let (rows, more) = first.into_rows();
        all.objects = rows;
        all.scanned = Some(self.scanned);
        all.notes = self.wanted.notes(self.request.delimiter.is_some());
        if all.read_everything == Some(false) {
            all.notes.push(format!(
                "only the first {} rows in the order of their keys were read, and these are the first of them: ask \
                 with a longer `prefix`",
                self.scanned
            ));
        }
        if more {
            all.notes.push(format!(
                "more rows fit than the limit of {limit}: a list with `sort` has no cursor, so ask for more rows or \
                 with a longer `prefix`"
            ));
        }
        all.truncated = more || all.read_everything == Some(false);
        Ok(Some(all))
    }

    /// Waits for the page that is being read, or reads it.
    async fn read_page(&mut self) -> Result<Fetched, Error> {
        let mark = self.wanted.mark(self.request.cursor.as_deref())?;
        let page = match self.ahead.take() {
            Some(page) => page,
            None => self.begin_page()?,
        };
        let ended = |_| {
            AwsError::new(
                ErrorKind::Internal,
                "s3",
                "InternalError",
                "the list ended unexpectedly: list again",
            )
        };
        let ((page, request_id), connection) = page.await.map_err(ended)??;
        let rows = (page.objects.len() + page.prefixes.len()) as u64;
        self.scanned += rows;
        let page = if self.wanted.is_plain() { page } else { self.sift(page, &mark).await };
        let shown = (page.objects.len() + page.prefixes.len()) as u64;
        self.left = self.left.saturating_sub(shown);
        self.request.cursor.clone_from(&page.cursor);
        self.done = page.cursor.is_none() || self.left == 0 || self.scanned >= self.scan;
        Ok(((page, request_id), connection))
    }

    fn begin_page(&self) -> Result<AbortOnDropHandle<Result<Fetched, Error>>, Error> {
        // of a page that is sifted nobody knows how many rows will be left
        let most =
            if self.wanted.is_plain() { i32::try_from(self.left.min(1000)).unwrap_or(1000) } else { 1000 };
        let token = self.wanted.mark(self.request.cursor.as_deref())?.token;
        let from = if self.request.versions {
            Start::Version(versions::marker(&self.request, token.as_deref())?)
        } else {
            Start::Token(token)
        };
        let (app, resource) = (Arc::clone(&self.app), Arc::clone(&self.resource));
        let (environment, request) = (self.environment.clone(), self.request.clone());
        let page = async move { fetch(&app, &resource, &environment, &request, (from, most)).await };
        Ok(AbortOnDropHandle::new(self.app.tracker.spawn(page)))
    }

    /// Leaves out what the filter does not show, and what lies behind the limit.
    async fn sift(&mut self, page: ObjectPage, mark: &Mark) -> ObjectPage {
        let next = page.cursor.clone();
        let Sifted { objects, prefixes, last, all } = self.wanted.sift(page, mark, self.left).await;
        let cursor = match (all, next) {
            (true, None) => None,
            (true, Some(next)) => Some(Mark { token: Some(next), ..Mark::default() }),
            (false, _) => {
                let (after, version) = last.unzip();
                Some(Mark { token: mark.token.clone(), after, version: version.flatten() })
            }
        };
        let mut notes = self.wanted.notes(self.request.delimiter.is_some());
        if self.scanned >= self.scan && cursor.is_some() {
            notes.push(format!(
                "the list stopped after {} rows of the store: go on with `cursor`, or ask with a longer `prefix`",
                self.scanned
            ));
        }
        ObjectPage {
            objects,
            prefixes,
            truncated: cursor.is_some(),
            read_everything: Some(cursor.is_none()),
            scanned: Some(self.scanned),
            cursor: cursor.map(|mark| mark.to_text()),
            notes,
        }
    }
}

/// Tells lists apart: a cursor of another one would lead past rows without a word.
fn scope(options: &ListOptions) -> String {
    let ListOptions { prefix, delimiter, filter, versions, .. } = options;
    let digest = Sha256::digest(format!("{prefix:?} {delimiter:?} {filter:?} {versions}"));
    hex(digest.first_chunk::<4>().map_or(&[], |first| first.as_slice()))
}

fn of_this_list(scope: &str, cursor: &str) -> Result<String, Error> {
    let own = cursor.split_once(MARK).filter(|(of, _)| *of == scope);
    own.map(|(_, cursor)| cursor.to_owned()).ok_or_else(|| {
        let text = "the cursor is none of this list: give the one that the page before answered, with the same `prefix`, `delimiter`, `filter` and `versions`, or leave it out";
        Error::BadRequest(text.to_owned())
    })
}

/// Where a page of the store begins.
enum Start {
    Token(Option<String>),
    Version(Option<VersionMarker>),
}

async fn fetch(
    app: &Arc<App>,
    resource: &Arc<Resource>,
    environment: &Name,
    request: &ListOptions,
    (from, most): (Start, i32),
) -> Result<Fetched, Error> {
    let from = &from;
    app.with_connection(resource, environment, |connection| async move {
        let token = match from {
            Start::Version(after) => return versions::page(&connection, request, after.as_ref(), most).await,
            Start::Token(token) => token.clone(),
        };
        let root = &connection.prefix;
        let wanted = ListRequest {
            prefix: format!("{root}{}", request.prefix),
            delimiter: request.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            start_after: request.start_after.as_ref().map(|after| format!("{root}{after}")),
            token,
            max_keys: most,
            fetch_owner: request.fetch_owner,
        };
        let page = connection.s3.list(wanted).await?;
        let request_id = page.request_id.clone();
        Ok((relative(page, root), request_id))
    })
    .await
}

/// Keys without the resource's prefix. What lies outside it is left out, whatever the store answers.
fn relative(page: ListPage, root: &str) -> ObjectPage {
    let objects = page.objects.into_iter().filter_map(|mut object| {
        if !object.key.starts_with(root) {
            return None;
        }
        object.key.drain(..root.len());
        Some(object)
    });
    let prefixes =
        page.prefixes.into_iter().filter_map(|prefix| prefix.strip_prefix(root).map(str::to_owned));
    ObjectPage {
        objects: objects.collect(),
        prefixes: prefixes.collect(),
        truncated: page.next.is_some(),
        cursor: page.next,
        ..ObjectPage::default()
    }
}
