//! Rows of CSV (RFC 4180, and what programs make of it).

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::value::RawValue;

use crate::model::read_as::{Charset, Gathered, HeaderRow, MOST_COLUMNS, MOST_HELD, Rows, Want, raw};

/// Characters of a name that come back in an error.
const MOST_SHOWN: usize = 60;
/// The mark before UTF-8 has as many bytes.
const MARK: usize = 3;

/// How a file is written.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The first row.
    pub header: HeaderRow,
    /// Stands between fields; default `,`.
    pub delimiter: Option<u8>,
    /// Stands round fields; default `"`.
    pub quote: Option<u8>,
    /// Only these columns, in this order.
    pub columns: Option<Vec<String>>,
    /// The charset of the fields.
    pub charset: Charset,
}

/// Reads rows as bytes come.
pub struct CsvReader {
    options: CsvOptions,
    core: Reader,
    gathered: Gathered,
    /// Names of all columns, once they are known.
    names: Option<Vec<String>>,
    /// Which columns are shown.
    shown: Option<Vec<usize>>,
    output: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    fields: usize,
    /// Bytes that were read of the row under way.
    row_bytes: u64,
    /// Ends of lines among them.
    row_lines: u64,
    /// Bytes before it.
    row_start: u64,
    /// Line that the row under way begins in.
    line: u64,
    /// The first bytes, until a mark can be told from content.
    first: Option<Vec<u8>>,
    enough: bool,
}

impl std::fmt::Debug for CsvReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CsvReader").field("options", &self.options).finish_non_exhaustive()
    }
}

impl CsvReader {
    /// Up to `limit` rows.
    pub fn new(options: CsvOptions, limit: u64) -> Result<CsvReader, String> {
        let core = ReaderBuilder::new()
            .delimiter(options.delimiter.unwrap_or(b','))
            .quote(options.quote.unwrap_or(b'"'))
            .build();
        let mut reader = CsvReader {
            core,
            gathered: Gathered::new(limit),
            names: None,
            shown: None,
            output: vec![0; 4096],
            written: 0,
            ends: vec![0; MOST_COLUMNS + 1],
            fields: 0,
            row_bytes: 0,
            row_lines: 0,
            row_start: 0,
            line: 1,
            first: Some(Vec::new()),
            enough: false,
            options,
        };
        match &reader.options.header {
            HeaderRow::Names(names) => reader.name(names.clone())?,
            HeaderRow::There(false) if reader.options.columns.is_some() => {
                return Err("`columns` needs names: give them as `header`".to_owned());
            }
            HeaderRow::There(_) => {}
        }
        Ok(reader)
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Want, String> {
        let Some(mut first) = self.first.take() else { return self.parse(bytes) };
        first.extend_from_slice(bytes);
        if first.len() < MARK {
            self.first = Some(first);
            return Ok(Want::More);
        }
        self.parse(&first)
    }

    /// The rows. `whole` says that the bytes came to their end, and not to a bound.
    pub fn finish(mut self, whole: bool) -> Result<Rows, String> {
        if let Some(first) = self.first.take() {
            self.parse(&first)?;
        }
        if whole && !self.enough && self.row_bytes > 0 {
            // no more bytes: what is there is the last row
            self.step(&[])?;
        }
        if !whole && !self.enough && self.gathered.rows.is_empty() {
            return Err(format!(
                "the row at line {} is longer than one read may be: check `quote`, or read the object as `text` with \
                 `range`",
                self.line
            ));
        }
        let next = (self.enough || !whole).then_some(self.row_start);
        let columns = self.shown_names();
        Ok(Rows { columns, header: self.names, rows: self.gathered.rows, next })
    }

    fn shown_names(&self) -> Option<Vec<String>> {
        let names = self.names.as_ref()?;
        let Some(shown) = &self.shown else { return Some(names.clone()) };
        Some(shown.iter().filter_map(|at| names.get(*at).cloned()).collect())
    }

    fn parse(&mut self, mut bytes: &[u8]) -> Result<Want, String> {
        while !bytes.is_empty() && !self.enough {
            if self.row_bytes == 0 {
                // ends of lines between two rows belong to none
                let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
                let (between, rest) = bytes.split_at(blank);
                self.row_start += blank as u64;
                self.line += lines(between);
                bytes = rest;
                // whatever is there now is a row for the next read
                self.enough = self.gathered.is_full() && !bytes.is_empty();
            }
            if !bytes.is_empty() && !self.enough {
                let taken = self.step(bytes)?;
                bytes = bytes.get(taken..).unwrap_or_default();
            }
        }
        Ok(if self.enough { Want::Enough } else { Want::More })
    }

    /// Reads up to the end of a row, of the bytes, or of the room.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, String> {
        loop {
            let output = self.output.get_mut(self.written..).unwrap_or_default();
            let ends = self.ends.get_mut(self.fields..).unwrap_or_default();
            let (result, taken, written, fields) = self.core.read_record(bytes, output, ends);
            self.written += written;
            self.fields += fields;
            self.row_bytes += taken as u64;
            self.row_lines += lines(bytes.get(..taken).unwrap_or_default());
            match result {
                ReadRecordResult::OutputFull if taken == 0 => {
                    let room = (self.output.len() * 2).min(MOST_HELD);
                    if room == self.output.len() {
                        return Err(self.at("is longer than one read may be: read the object as `text`"));
                    }
                    self.output.resize(room, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.at(&format!(
                        "has more than {MOST_COLUMNS} columns: check `delimiter`, or read the object as `text`"
                    )));
                }
                ReadRecordResult::Record => {
                    self.row()?;
                    self.row_start += self.row_bytes;
                    self.line += self.row_lines;
                    (self.row_bytes, self.row_lines, self.written, self.fields) = (0, 0, 0, 0);
                    return Ok(taken);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    return Ok(taken);
                }
            }
        }
    }

    fn row(&mut self) -> Result<(), String> {
        if self.fields > MOST_COLUMNS {
            return Err(self.at(&format!("has more than {MOST_COLUMNS} columns: check `delimiter`")));
        }
        let fields = self.decoded()?;
        if self.names.is_none() && self.options.header == HeaderRow::There(true) {
            return self.name(fields);
        }
        let row = match &self.names {
            None => raw(&fields)?,
            Some(names) if names.len() != fields.len() => {
                return Err(self.at(&format!(
                    "has {} fields and the header has {}: check `delimiter` and `quote`, or read with `\"header\": false`, \
                     which gives rows as lists",
                    fields.len(),
                    names.len()
                )));
            }
            Some(names) => object(names, &fields, self.shown.as_deref())?,
        };
        self.gathered.push(row);
        Ok(())
    }

    fn decoded(&self) -> Result<Vec<String>, String> {
        let mut start = 0;
        let mut fields = Vec::with_capacity(self.fields);
        for (at, end) in self.ends.iter().take(self.fields).enumerate() {
            let bytes = self.output.get(start..*end).unwrap_or_default();
            let text = self.options.charset.decode(bytes).ok_or_else(|| {
                let name = self.options.charset.name();
                self.at(&format!(
                    "is not text in {name} in column {}: name its charset with `charset`",
                    at + 1
                ))
            })?;
            fields.push(text.into_owned());
            start = *end;
        }
        Ok(fields)
    }

    fn name(&mut self, names: Vec<String>) -> Result<(), String> {
        if names.is_empty() || names.len() > MOST_COLUMNS {
            return Err(format!("a header has 1 to {MOST_COLUMNS} names"));
        }
        for (at, name) in names.iter().enumerate() {
            if names.iter().take(at).any(|earlier| earlier == name) {
                return Err(format!(
                    "the header names the column `{}` twice: read with `\"header\": false`, which gives rows as lists",
                    cut(name)
                ));
            }
        }
        if let Some(wanted) = &self.options.columns {
            let places = wanted.iter().map(|name| {
                names.iter().position(|known| known == name).ok_or_else(|| {
                    let known: Vec<String> =
                        names.iter().take(20).map(|name| format!("`{}`", cut(name))).collect();
                    format!("there is no column `{}`: the header has {}", cut(name), known.join(", "))
                })
            });
            self.shown = Some(places.collect::<Result<_, _>>()?);
        }
        self.names = Some(names);
        Ok(())
    }

    fn at(&self, what: &str) -> String {
        format!("row {} (line {}) {what}", self.gathered.rows.len() + 1, self.line)
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

fn cut(name: &str) -> String {
    name.chars().take(MOST_SHOWN).collect()
}

/// A row as an object whose members stand in the order of the columns.
fn object(names: &[String], fields: &[String], shown: Option<&[usize]>) -> Result<Box<RawValue>, String> {
    let all: Vec<usize> = match shown {
        Some(shown) => shown.to_vec(),
        None => (0..names.len()).collect(),
    };
    let mut text = String::from("{");
    for (position, at) in all.into_iter().enumerate() {
        let (Some(name), Some(field)) = (names.get(at), fields.get(at)) else { continue };
        if position > 0 {
            text.push(',');
        }
        text.push_str(raw(name)?.get());
        text.push(':');
        text.push_str(raw(field)?.get());
    }
    text.push('}');
    RawValue::from_string(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CsvOptions, CsvReader};
    use crate::model::read_as::{Charset, HeaderRow, Rows, Want};

    fn read(options: CsvOptions, pieces: &[&[u8]], limit: u64, whole: bool) -> Result<Rows, String> {
        let mut reader = CsvReader::new(options, limit)?;
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn rows_are_objects_in_the_order_of_the_columns() {
        let file = b"\xEF\xBB\xBFz,a\r\n1,\"x, \"\"y\"\"\nz\"\r\n2,\r\n";
        let rows = read(CsvOptions::default(), &[file], 10, true).unwrap();
        assert_eq!(texts(&rows), [r#"{"z":"1","a":"x, \"y\"\nz"}"#, r#"{"z":"2","a":""}"#]);
        assert_eq!((rows.columns, rows.next), (Some(names(&["z", "a"])), None));
    }

    #[test]
    fn the_first_row_may_be_data_and_names_may_be_given() {
        let file = b"1;2\n3;4;5\n";
        let options =
            CsvOptions { header: HeaderRow::There(false), delimiter: Some(b';'), ..CsvOptions::default() };
        let rows = read(options, &[file], 10, true).unwrap();
        assert_eq!(texts(&rows), [r#"["1","2"]"#, r#"["3","4","5"]"#]);
        assert_eq!(rows.columns, None);
        let options = CsvOptions {
            header: HeaderRow::Names(names(&["a", "b"])),
            delimiter: Some(b';'),
            columns: Some(names(&["b"])),
            ..CsvOptions::default()
        };
        let rows = read(options, &[b"1;2\n"], 10, true).unwrap();
        assert_eq!(texts(&rows), [r#"{"b":"2"}"#]);
        assert_eq!((rows.columns, rows.header), (Some(names(&["b"])), Some(names(&["a", "b"]))));
    }

    #[test]
    fn a_read_that_stops_says_where_the_next_row_begins() {
        let file = b"a\r\n1\r\n2\r\n3\r\n";
        let rows = read(CsvOptions::default(), &[file], 2, true).unwrap();
        assert_eq!((rows.rows.len(), rows.next), (2, Some(9)));
        assert_eq!(file.get(9..), Some(b"3\r\n".as_slice()));
        let rows = read(CsvOptions::default(), &[file], 3, true).unwrap();
        assert_eq!((rows.rows.len(), rows.next), (3, None), "nothing is left");
        let rows = read(CsvOptions::default(), &[&file[..8]], 9, false).unwrap();
        assert_eq!((rows.rows.len(), rows.next), (2, Some(8)), "the end of the line is still to come");
        let error = read(CsvOptions::default(), &[b"a\n\"1"], 9, false).unwrap_err();
        assert!(error.contains("row at line 2 is longer"), "{error}");
    }

    #[test]
    fn fields_are_read_in_their_charset() {
        let options = CsvOptions { charset: Charset::parse("latin1").unwrap(), ..CsvOptions::default() };
        let rows = read(options, &[b"\xE4\n\xFC\n"], 9, true).unwrap();
        assert_eq!(texts(&rows), [r#"{"ä":"ü"}"#]);
    }

    #[test]
    fn errors_name_the_row_and_say_what_to_do() {
        let many = format!("{}\n", "x,".repeat(1001));
        for (file, columns, said) in [
            (
                b"a,b\r\n1,\"2\n\"\r\n1\r\n".as_slice(),
                None,
                "row 2 (line 4) has 1 fields and the header has 2",
            ),
            (b"a,b\n1,\xFC\n", None, "row 1 (line 2) is not text in UTF-8 in column 2"),
            (b"a,a\n1,2\n", None, "the header names the column `a` twice"),
            (b"a,b\n1,2\n", Some(names(&["c"])), "there is no column `c`: the header has `a`, `b`"),
            (many.as_bytes(), None, "row 1 (line 1) has more than 1000 columns"),
        ] {
            let options = CsvOptions { columns, ..CsvOptions::default() };
            let error = read(options, &[file], 9, true).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let options = CsvOptions {
            header: HeaderRow::There(false),
            columns: Some(names(&["a"])),
            ..CsvOptions::default()
        };
        assert!(CsvReader::new(options, 1).unwrap_err().contains("needs names"));
    }

    proptest! {
        #[test]
        fn pieces_and_pages_give_every_row_once(
            fields in prop::collection::vec("[a-z\",\n]{1,5}", 0..10), limit in 1_u64..4, piece in 1_usize..7,
            crlf in any::<bool>()
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = format!("\u{FEFF}name{end}");
            for field in &fields {
                text.push_str(&["\"", &field.replace('"', "\"\""), "\"", end].concat());
            }
            let mut options = CsvOptions::default();
            let (mut found, mut from) = (Vec::new(), 0);
            loop {
                let pieces: Vec<&[u8]> = text.as_bytes()[from..].chunks(piece).collect();
                let page = read(options.clone(), &pieces, limit, true).unwrap();
                prop_assert!(page.rows.len() as u64 <= limit);
                for row in &page.rows {
                    let row: serde_json::Value = serde_json::from_str(row.get()).unwrap();
                    found.push(row["name"].as_str().unwrap().to_owned());
                }
                let Some(next) = page.next else { break };
                from += usize::try_from(next).unwrap();
                options.header = HeaderRow::Names(page.header.unwrap());
            }
            prop_assert_eq!(found, fields);
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..9) {
            let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
            let _ = read(CsvOptions::default(), &pieces, 5, true);
        }
    }
}
