//! The rows of a list that are shown: a filter, an order, and cursors that lead into the middle of a page of the
//! store.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::app::Error;
use crate::model::list_filter::{Matcher, Sort};
use crate::model::object::{ListOptions, ObjectPage, ObjectSummary};

/// Rows that are looked at before other tasks get their turn: a pattern may take long.
const ROWS_A_TURN: usize = 64;

/// What a list shows, and in which order.
pub(super) struct Wanted {
    filter: Option<Matcher>,
    /// None for the order of the store, and once the rows are being put in order.
    pub(super) sort: Option<Sort>,
    plain: bool,
}

/// Where a filtered list goes on: a page of the store, and a row in it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Of the page; none for the first.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// Rows up to this one were looked at.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// In a list of versions, the one of that key.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

/// The rows of a page that are shown.
pub(super) struct Sifted {
    pub(super) objects: Vec<ObjectSummary>,
    pub(super) prefixes: Vec<String>,
    /// The last row that was looked at, and the version of it.
    pub(super) last: Option<(String, Option<String>)>,
    /// Whether every row of the page was looked at.
    pub(super) all: bool,
}

/// A row of a page.
#[expect(clippy::large_enum_variant, reason = "nearly all rows are objects")]
enum Row {
    Object(ObjectSummary),
    Prefix(String),
}

impl Row {
    fn name(&self) -> &str {
        match self {
            Row::Object(object) => &object.key,
            Row::Prefix(prefix) => prefix,
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Row::Object(object) => object.version_id.as_deref(),
            Row::Prefix(_) => None,
        }
    }
}

impl Wanted {
    /// Takes what is ours out of the options, and says what cannot be done.
    pub(super) fn of(options: &mut ListOptions) -> Result<Wanted, Error> {
        let filter = options.filter.take().map(|filter| filter.compile()).transpose();
        let filter = filter.map_err(Error::BadRequest)?;
        let sort = options.sort.filter(|sort| !sort.is_natural());
        if sort.is_some() && options.cursor.is_some() {
            let text = "a list with `sort` begins at its start: leave out `cursor`, and ask for more rows with `limit`";
            return Err(Error::BadRequest(text.to_owned()));
        }
        let plain = filter.is_none() && sort.is_none();
        Ok(Wanted { filter, sort, plain })
    }

    /// Whether pages of the store are pages of the answer.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Where a cursor leads: the store's own, but for filtered lists.
    pub(super) fn mark(&self, cursor: Option<&str>) -> Result<Mark, Error> {
        let Some(cursor) = cursor else { return Ok(Mark::default()) };
        if self.is_plain() {
            return Ok(Mark { token: Some(cursor.to_owned()), ..Mark::default() });
        }
        Mark::parse(cursor).ok_or_else(|| {
            let text = "this cursor is of no list with a `filter`: give the cursor of the same list, or none";
            Error::BadRequest(text.to_owned())
        })
    }

    /// What a reader of the rows should know.
    pub(super) fn notes(&self, grouped: bool) -> Vec<String> {
        let text = "prefixes are not filtered: what lies below them was not read; leave out `delimiter` to look there";
        if grouped && self.filter.is_some() { vec![text.to_owned()] } else { Vec::new() }
    }

    /// The rows that are shown, up to `most`, in the order of the store.
    pub(super) async fn sift(&self, page: ObjectPage, mark: &Mark, most: u64) -> Sifted {
        let objects = page.objects.into_iter().map(Row::Object);
        let mut rows: Vec<Row> = objects.chain(page.prefixes.into_iter().map(Row::Prefix)).collect();
        // stable: versions of one key keep their order
        rows.sort_by(|one, other| one.name().as_bytes().cmp(other.name().as_bytes()));
        rows.drain(..mark.looked_at(&rows));
        let mut sifted = Sifted { objects: Vec::new(), prefixes: Vec::new(), last: None, all: true };
        for (at, row) in rows.into_iter().enumerate() {
            if at % ROWS_A_TURN == ROWS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
            if (sifted.objects.len() + sifted.prefixes.len()) as u64 >= most {
                sifted.all = false;
                break;
            }
            sifted.last = Some((row.name().to_owned(), row.version().map(str::to_owned)));
            match row {
                Row::Object(object) if self.shows(&object) => sifted.objects.push(object),
                Row::Object(_) => {}
                Row::Prefix(prefix) => sifted.prefixes.push(prefix),
            }
        }
        sifted
    }

    fn shows(&self, object: &ObjectSummary) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.fits(object))
    }
}

impl Mark {
    /// How many rows of its page were looked at. Where the version is not there any more, those of its key come again.
    fn looked_at(&self, rows: &[Row]) -> usize {
        let Some(after) = &self.after else { return 0 };
        let place = |row: &Row| row.name().as_bytes().cmp(after.as_bytes());
        if let Some(version) = self.version.as_deref() {
            let same = |row: &Row| place(row).is_eq() && row.version() == Some(version);
            let found = rows.iter().position(same).map(|at| at + 1);
            return found.unwrap_or_else(|| rows.partition_point(|row| place(row).is_lt()));
        }
        rows.partition_point(|row| place(row).is_le())
    }

    /// Opaque to callers.
    pub(super) fn to_text(&self) -> String {
        // two texts can always be written
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn parse(cursor: &str) -> Option<Mark> {
        serde_json::from_slice(&BASE64.decode(cursor).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn a_mark_survives_its_way_through_a_caller() {
        for mark in [
            Mark { token: Some("x\"y".to_owned()), after: Some("ü/a b".to_owned()), version: None },
            Mark { token: None, after: Some(String::new()), version: Some("v".to_owned()) },
            Mark::default(),
        ] {
            assert_eq!(Mark::parse(&mark.to_text()), Some(mark));
        }
        assert_eq!(Mark::parse("not ours"), None);
    }
}
