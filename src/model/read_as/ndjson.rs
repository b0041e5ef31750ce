//! Lines of JSON, one value each.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::model::read_as::json::check_depth;
use crate::model::read_as::{Charset, Gathered, Rows, Want, raw, without_mark};

/// Reads rows as bytes come.
#[derive(Debug)]
pub struct NdjsonReader {
    charset: Charset,
    columns: Option<Vec<String>>,
    gathered: Gathered,
    line: Vec<u8>,
    /// Lines that were read.
    number: u64,
    /// Where the line that is being read begins.
    start: u64,
    enough: bool,
}

impl NdjsonReader {
    /// Up to `limit` rows; of each only those top-level fields, if some are named.
    pub fn new(charset: Charset, limit: u64, columns: Option<Vec<String>>) -> NdjsonReader {
        NdjsonReader {
            charset,
            columns,
            gathered: Gathered::new(limit),
            line: Vec::new(),
            number: 0,
            start: 0,
            enough: false,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Want, String> {
        while !bytes.is_empty() && !self.enough {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            self.line.extend_from_slice(piece);
            bytes = rest;
            if end.is_some() || self.gathered.is_full() {
                self.take_line(end.is_some())?;
            }
        }
        Ok(if self.enough { Want::Enough } else { Want::More })
    }

    /// The rows. `whole` says that the bytes came to their end, and not to a bound.
    pub fn finish(mut self, whole: bool) -> Result<Rows, String> {
        if whole && !self.enough && !self.line.is_empty() {
            self.take_line(true)?;
        }
        if !whole && !self.enough && self.gathered.rows.is_empty() {
            return Err(format!(
                "line {} is longer than one read may be: read it as `text` with `range`",
                self.number + 1
            ));
        }
        let next = (self.enough || !whole).then_some(self.start);
        Ok(Rows { columns: None, header: None, rows: self.gathered.rows, next })
    }

    fn take_line(&mut self, complete: bool) -> Result<(), String> {
        let blank = self.line.iter().all(u8::is_ascii_whitespace);
        if self.gathered.is_full() {
            // whatever is there besides blanks is a row for the next read
            self.enough = !blank;
        }
        if self.enough || !complete {
            return Ok(());
        }
        self.number += 1;
        self.start += self.line.len() as u64;
        let line = std::mem::take(&mut self.line);
        if !blank {
            let row = self.row(&line).map_err(|error| format!("line {}: {error}", self.number))?;
            self.gathered.push(row);
        }
        Ok(())
    }

    fn row(&self, line: &[u8]) -> Result<Box<RawValue>, String> {
        let line = if self.number == 1 { without_mark(line) } else { line };
        let text = self
            .charset
            .decode(line)
            .ok_or_else(|| format!("not text in {}: name its charset with `charset`", self.charset.name()))?;
        check_depth(text.as_bytes())?;
        let broken = |error: serde_json::Error| {
            format!("not JSON: error at column {}; read the object as `text` to see it", error.column())
        };
        let Some(columns) = &self.columns else { return serde_json::from_str(text.trim()).map_err(broken) };
        let mut fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(text.trim()).map_err(|error| {
                if error.is_data() {
                    "not an object, so it has no `columns`: leave them out".to_owned()
                } else {
                    broken(error)
                }
            })?;
        fields.retain(|name, _| columns.contains(name));
        raw(&fields)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NdjsonReader;
    use crate::model::read_as::{Charset, Rows, Want};

    fn read(pieces: &[&[u8]], limit: u64, columns: Option<&[&str]>, whole: bool) -> Result<Rows, String> {
        let columns = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let mut reader = NdjsonReader::new(Charset::default(), limit, columns);
        for piece in pieces {
            if reader.feed(piece)? == Want::Enough {
                break;
            }
        }
        reader.finish(whole)
    }

    fn texts(rows: &Rows) -> Vec<&str> {
        rows.rows.iter().map(|row| row.get()).collect()
    }

    #[test]
    fn lines_are_rows_until_the_limit() {
        let all = b"\xEF\xBB\xBF{\"a\": 1}\r\n\n[2]\n3";
        let rows = read(&[all], 10, None, true).unwrap();
        assert_eq!((texts(&rows), rows.next), (vec!["{\"a\": 1}", "[2]", "3"], None));
        let rows = read(&[all], 2, None, true).unwrap();
        assert_eq!((texts(&rows), rows.next), (vec!["{\"a\": 1}", "[2]"], Some(18)));
        assert_eq!(&all[18..], b"3");
        let rows = read(&[b"1\n2\n\n  \n"], 2, None, true).unwrap();
        assert_eq!((texts(&rows), rows.next), (vec!["1", "2"], None), "blanks are no rows");
        let rows = read(&[b"{\"a\": 1, \"b\": 2.50}\n{}"], 9, Some(&["b", "c"]), true).unwrap();
        assert_eq!(texts(&rows), ["{\"b\":2.50}", "{}"]);
    }

    #[test]
    fn a_read_that_is_cut_goes_on_at_a_row() {
        let rows = read(&[b"1\n2\n33"], 9, None, false).unwrap();
        assert_eq!((texts(&rows), rows.next), (vec!["1", "2"], Some(4)));
        let error = read(&[b"33"], 9, None, false).unwrap_err();
        assert!(error.contains("line 1 is longer"), "{error}");
    }

    #[test]
    fn errors_name_the_line() {
        for (bytes, columns, said) in [
            (b"1\n{\"a\": x}\n".as_slice(), None, "line 2: not JSON: error at column 7"),
            (b"1\n\n\xFC\n", None, "line 3: not text in UTF-8"),
            (b"1\n", Some(["a"].as_slice()), "line 1: not an object"),
        ] {
            let error = read(&[bytes], 9, columns, true).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    proptest! {
        #[test]
        fn pieces_and_pages_give_every_row_once(
            rows in prop::collection::vec(0_u32..1000, 0..12), limit in 1_u64..5, piece in 1_usize..7
        ) {
            let text = rows.iter().map(|row| format!("{row}\n")).collect::<Vec<_>>().concat();
            let mut found = Vec::new();
            let mut from = 0;
            loop {
                let pieces: Vec<&[u8]> = text.as_bytes()[from..].chunks(piece).collect();
                let page = read(&pieces, limit, None, true).unwrap();
                prop_assert!(page.rows.len() as u64 <= limit);
                found.extend(page.rows.iter().map(|row| row.get().parse::<u32>().unwrap()));
                let Some(next) = page.next else { break };
                from += usize::try_from(next).unwrap();
            }
            prop_assert_eq!(found, rows);
        }
    }
}
