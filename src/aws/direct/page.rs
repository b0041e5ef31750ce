//! Reads a page of a list (`ListBucketResult` of `ListObjectsV2` and `ListObjects`) straight into rows.
//!
//! A parser for this one document. It is strict about what makes XML well-formed (nesting, ends, entities), takes no
//! document type, and knows the bounds of what it reads: elements nest a few levels deep, a page has so many rows.

#[cfg(test)]
mod tests;
mod xml;

use crate::aws::direct::page::xml::{Child, Piece, Reader, XmlError};
use crate::aws::s3::{ListPage, rfc3339_of_iso, url_decoded};
use crate::model::object::{ObjectSummary, Owner};

/// Rows that a page may have; S3 gives at most a thousand, others more.
const MOST_ROWS: usize = 100_000;

/// Why a page cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it is not a page of a list, but `{0}`")]
    NotAPage(String),
    #[error(transparent)]
    NotXml(#[from] XmlError),
    #[error("it, or an entry of it, has no {0}")]
    Missing(&'static str),
    #[error("it has too many entries")]
    TooLarge,
}

/// Reads a page of a list without tokens: it goes on behind its last row (`ListObjects`, `Marker`). `NextMarker` says the
/// same where it is there at all, but not every store encodes it as it does the rows.
pub(super) fn parse_by_marker(bytes: &[u8]) -> Result<ListPage, PageError> {
    let mut page = parse(bytes)?;
    let last = page.objects.last().map(|object| object.key.clone()).max(page.prefixes.last().cloned());
    page.next = last.or(page.marker.take());
    Ok(page)
}

/// Reads a page that goes on with a token.
pub(super) fn parse(bytes: &[u8]) -> Result<ListPage, PageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PageError::NotText)?;
    let mut reader = Reader::new(text);
    let page = loop {
        match reader.next()?.ok_or_else(|| PageError::NotAPage(String::new()))? {
            Piece::Text(blank) if blank.trim_ascii().is_empty() => {}
            Piece::Start("ListBucketResult") => break reader.page()?,
            Piece::Empty("ListBucketResult") => break ListPage::default(),
            // a store that takes the virtual host for no bucket answers with its list of buckets
            Piece::Start(name) | Piece::Empty(name) => {
                return Err(PageError::NotAPage(name.chars().take(64).collect()));
            }
            _ => return Err(PageError::NotAPage("text".to_owned())),
        }
    };
    while let Some(piece) = reader.next()? {
        if !matches!(piece, Piece::Text(blank) if blank.trim_ascii().is_empty()) {
            return Err(XmlError::Broken("something follows its end").into());
        }
    }
    Ok(page)
}

impl Reader<'_> {
    fn page(&mut self) -> Result<ListPage, PageError> {
        let mut page = ListPage::default();
        let mut encoded = false;
        loop {
            match self.child("ListBucketResult")? {
                None => break,
                Some(Child { empty: true, .. }) => {}
                Some(Child { name, .. }) => match name {
                    "Contents" => page.objects.push(self.object()?),
                    "CommonPrefixes" => page.prefixes.extend(self.common_prefix()?),
                    "IsTruncated" => page.truncated = self.text(name)? == "true",
                    "NextContinuationToken" => page.next = Some(self.text(name)?.into_owned()),
                    "NextMarker" => page.marker = Some(self.text(name)?.into_owned()),
                    "EncodingType" => encoded = self.text(name)? == "url",
                    other => self.skip(other)?,
                },
            }
            if page.objects.len() + page.prefixes.len() > MOST_ROWS {
                return Err(PageError::TooLarge);
            }
        }
        if encoded {
            // a marker is a key, a token is not
            let keys = page.objects.iter_mut().map(|object| &mut object.key);
            keys.chain(&mut page.prefixes).chain(&mut page.marker).try_for_each(decode)?;
        }
        Ok(page)
    }

    fn object(&mut self) -> Result<ObjectSummary, PageError> {
        let (mut key, mut size, mut etag, mut last_modified, mut storage_class, mut owner) =
            (None, None, None, None, None, None);
        while let Some(Child { name, empty }) = self.child("Contents")? {
            if empty {
                continue;
            }
            match name {
                "Key" => key = Some(self.text(name)?.into_owned()),
                "Size" => size = self.text(name)?.trim_ascii().parse().ok(),
                "ETag" => etag = Some(self.text(name)?.into_owned()),
                "LastModified" => last_modified = rfc3339_of_iso(&self.text(name)?),
                "StorageClass" => storage_class = Some(self.text(name)?.into_owned()),
                "Owner" => owner = Some(self.owner()?),
                other => self.skip(other)?,
            }
        }
        Ok(ObjectSummary {
            key: key.ok_or(PageError::Missing("key"))?,
            size: size.unwrap_or(0),
            etag,
            last_modified,
            storage_class,
            owner,
            ..ObjectSummary::default()
        })
    }

    fn owner(&mut self) -> Result<Owner, PageError> {
        let mut owner = Owner { id: None, display_name: None };
        while let Some(Child { name, empty }) = self.child("Owner")? {
            match name {
                "ID" if !empty => owner.id = Some(self.text(name)?.into_owned()),
                "DisplayName" if !empty => owner.display_name = Some(self.text(name)?.into_owned()),
                _ if empty => {}
                other => self.skip(other)?,
            }
        }
        Ok(owner)
    }

    fn common_prefix(&mut self) -> Result<Option<String>, PageError> {
        let mut prefix = None;
        while let Some(Child { name, empty }) = self.child("CommonPrefixes")? {
            match name {
                "Prefix" if !empty => prefix = Some(self.text(name)?.into_owned()),
                _ if empty => {}
                other => self.skip(other)?,
            }
        }
        Ok(prefix)
    }
}

fn decode(text: &mut String) -> Result<(), PageError> {
    *text = url_decoded(std::mem::take(text)).ok_or(PageError::NotText)?;
    Ok(())
}
