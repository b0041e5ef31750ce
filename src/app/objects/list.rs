//! Listing: pages of the store one after the other, relative to the resource's prefix.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::app::connection::{Connection, Freshness};
use crate::app::objects::Outcome;
use crate::app::{App, Error, Resource};
use crate::aws::s3::{ListPage, ListRequest};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::{ListOptions, ObjectPage};
use crate::model::operation::Operation;
use crate::model::principal::Caller;

/// Rows that a list answers when none are asked for.
const DEFAULT_LIMIT: u64 = 1_000;
/// Rows of one answer that is gathered in memory; a stream has no such bound.
const MOST_GATHERED: u64 = 100_000;
/// A page, the store's id of the request, and what it was read with.
type Fetched = ((ObjectPage, Option<String>), Arc<Connection>);

/// A list that is read page by page. While one page is written the next one is read: never more than one, and none
/// any more when the list is dropped.
pub struct Listing {
    app: Arc<App>,
    resource: Arc<Resource>,
    environment: Name,
    request: ListOptions,
    left: u64,
    ready: Option<ObjectPage>,
    ahead: Option<AbortOnDropHandle<Result<Fetched, Error>>>,
    done: bool,
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
        let mut listing = self.open_list(caller, name, environment, options).await?;
        let freshness = listing.freshness;
        let mut all = ObjectPage::default();
        while let Some(page) = listing.next().await? {
            all.objects.extend(page.objects);
            all.prefixes.extend(page.prefixes);
            all.truncated = page.cursor.is_some();
            all.cursor = page.cursor;
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
        let prefix = options.prefix.clone();
        let query = self.begin(caller, name, Operation::List, Some(&prefix)).await?;
        let mut listing = Listing {
            app: Arc::clone(self),
            resource: Arc::clone(&query.resource),
            environment: environment.clone(),
            left: options.limit.unwrap_or(u64::MAX),
            request: options,
            ready: None,
            ahead: None,
            done: false,
            freshness: Freshness::default(),
        };
        if listing.left == 0 {
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
        let page = match self.ready.take() {
            Some(page) => page,
            None if self.done => return Ok(None),
            None => self.read_page().await?.0.0,
        };
        if !self.done {
            self.ahead = Some(self.begin_page());
        }
        Ok(Some(page))
    }

    /// Waits for the page that is being read, or reads it.
    async fn read_page(&mut self) -> Result<Fetched, Error> {
        let page = match self.ahead.take() {
            Some(page) => page,
            None => self.begin_page(),
        };
        let ended =
            |_| AwsError::new(ErrorKind::Internal, "s3", "InternalError", "the list ended unexpectedly");
        let fetched = page.await.map_err(ended)??;
        let page = &fetched.0.0;
        let rows = (page.objects.len() + page.prefixes.len()) as u64;
        self.left = self.left.saturating_sub(rows);
        self.request.cursor.clone_from(&page.cursor);
        self.done = page.cursor.is_none() || self.left == 0;
        Ok(fetched)
    }

    fn begin_page(&self) -> AbortOnDropHandle<Result<Fetched, Error>> {
        let most = i32::try_from(self.left.min(1000)).unwrap_or(1000);
        let (app, resource) = (Arc::clone(&self.app), Arc::clone(&self.resource));
        let (environment, request) = (self.environment.clone(), self.request.clone());
        let page = async move { fetch(&app, &resource, &environment, &request, most).await };
        AbortOnDropHandle::new(self.app.tracker.spawn(page))
    }
}

async fn fetch(
    app: &Arc<App>,
    resource: &Arc<Resource>,
    environment: &Name,
    request: &ListOptions,
    most: i32,
) -> Result<Fetched, Error> {
    let (page, connection) = app
        .with_connection(resource, environment, |connection| async move {
            let root = &connection.prefix;
            let wanted = ListRequest {
                prefix: format!("{root}{}", request.prefix),
                delimiter: request.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
                start_after: request.start_after.as_ref().map(|after| format!("{root}{after}")),
                token: request.cursor.clone(),
                max_keys: most,
            };
            connection.s3.list(wanted).await
        })
        .await?;
    let request_id = page.request_id.clone();
    Ok(((relative(page, &connection.prefix), request_id), connection))
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
    }
}
