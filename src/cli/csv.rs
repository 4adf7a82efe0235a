//! Rows of a CSV file (RFC 4180), each with the line on which it begins.
//!
//! Line ends may be LF, CRLF or CR; a byte order mark is skipped, and so are empty lines. A row that is
//! wrong does not spoil those after it. The file is read as it goes, so it may be larger than the memory.

use std::io::{self, Read};

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// From 1.
    pub(super) line: u32,
    /// The fields, or what is wrong.
    pub(super) fields: Result<Vec<String>, &'static str>,
}

/// Bytes of a row, at most: more than four fields of the longest need.
const LONGEST_ROW: usize = 8 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Reads a file row by row, never holding more of it than a chunk and a row.
pub(super) struct Rows<R> {
    source: R,
    held: Vec<u8>,
    /// How much of it is read.
    at: usize,
    /// How much of it may be read for this row.
    until: usize,
    /// Nothing follows what is held.
    ended: bool,
    line: u32,
    /// Why the rest could not be read.
    pub(super) trouble: Option<io::Error>,
}

impl<R: Read> Rows<R> {
    pub(super) fn of(source: R) -> Self {
        let mut rows =
            Self { source, held: Vec::new(), at: 0, until: 0, ended: false, line: 1, trouble: None };
        rows.fill();
        if rows.held.starts_with(b"\xef\xbb\xbf") {
            rows.at = 3;
        }
        rows
    }

    /// Holds a whole row from here on, if it is no longer than a row may be.
    fn fill(&mut self) {
        if !self.ended && self.held.len() - self.at <= LONGEST_ROW {
            self.held.drain(..self.at);
            self.at = 0;
            match self.source.by_ref().take(CHUNK as u64).read_to_end(&mut self.held) {
                Ok(count) => self.ended = count < CHUNK,
                Err(error) => (self.trouble, self.ended) = (Some(error), true),
            }
        }
        self.until = self.held.len();
    }

    fn peek(&self) -> Option<u8> {
        self.held.get(self.at).copied().filter(|_| self.at < self.until)
    }

    fn take(&mut self) -> Option<u8> {
        let first = self.peek()?;
        self.at += 1;
        if first == b'\n' || (first == b'\r' && self.peek() != Some(b'\n')) {
            self.line += 1;
        }
        Some(first)
    }

    fn take_line_end(&mut self) {
        self.fill();
        if self.take() == Some(b'\r') && self.peek() == Some(b'\n') {
            self.take();
        }
    }

    fn at_line_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'\r' | b'\n'))
    }

    /// Whether there is more behind what may be read for this row.
    fn is_cut(&self) -> bool {
        self.at >= self.until && self.until < self.held.len()
    }

    fn skip_line(&mut self) {
        self.fill();
        while !self.at_line_end() {
            self.take();
            self.fill();
        }
    }

    fn fields(&mut self) -> Result<Vec<String>, &'static str> {
        let mut fields = Vec::new();
        loop {
            let field = if self.peek() == Some(b'"') { self.quoted()? } else { self.plain()? };
            fields
                .push(String::from_utf8(field).map_err(|_| "the text is not UTF-8; save the file in UTF-8")?);
            if self.at_line_end() {
                return Ok(fields);
            }
            if self.take() != Some(b',') {
                return Err("a closing quote is followed by more text; double each quote inside a field");
            }
        }
    }

    fn plain(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut field = Vec::new();
        while !self.at_line_end() && self.peek() != Some(b',') {
            match self.take() {
                Some(b'"') => {
                    return Err(
                        "a quote stands inside a field that does not begin with one; quote the whole field",
                    );
                }
                other => field.extend(other),
            }
        }
        Ok(field)
    }

    fn quoted(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut field = Vec::new();
        self.take();
        loop {
            match self.take() {
                None => return Err("a quote is opened and never closed; close it"),
                Some(b'"') if self.peek() != Some(b'"') => return Ok(field),
                Some(b'"') => field.extend(self.take()),
                Some(other) => field.push(other),
            }
        }
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.fill();
        while matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.take_line_end();
            self.fill();
        }
        self.peek()?;
        let (at, line) = (self.at, self.line);
        self.until = self.until.min(at + LONGEST_ROW);
        let mut fields = self.fields();
        if self.is_cut() && fields.is_ok() {
            fields = Err("the row is longer than 8 KiB; is a line end missing?");
        }
        if fields.is_err() {
            // Go on after the first line of what is wrong, so that an open quote does not swallow the file.
            (self.at, self.line) = (at, line);
            self.skip_line();
        }
        self.take_line_end();
        Some(Row { line, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u32, Result<Vec<String>, &'static str>)> {
        Rows::of(bytes).map(|row| (row.line, row.fields)).collect()
    }

    fn good(line: u32, fields: &[&str]) -> (u32, Result<Vec<String>, &'static str>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn rows_have_their_fields_and_lines() {
        for (text, rows) in [
            ("", vec![]),
            ("\u{feff}a,b\r\n1,2\r\n", vec![good(1, &["a", "b"]), good(2, &["1", "2"])]),
            ("a\n\n\n1", vec![good(1, &["a"]), good(4, &["1"])]),
            ("a\rb\r", vec![good(1, &["a"]), good(2, &["b"])]),
            (",\n", vec![good(1, &["", ""])]),
            ("\"x, \"\"y\"\"\",z\n", vec![good(1, &["x, \"y\"", "z"])]),
            ("\"two\nlines\",z\nnext", vec![good(1, &["two\nlines", "z"]), good(3, &["next"])]),
            ("\"two\r\nlines\"\r\nnext", vec![good(1, &["two\r\nlines"]), good(3, &["next"])]),
            ("\"\"", vec![good(1, &[""])]),
        ] {
            assert_eq!(read(text.as_bytes()), rows, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_row_is_told_by_its_line_and_the_next_is_read() {
        for (bytes, why) in [
            (
                b"ok\na\"b\nok".as_slice(),
                "a quote stands inside a field that does not begin with one; quote the whole field",
            ),
            (b"ok\n\"a\"b\nok", "a closing quote is followed by more text; double each quote inside a field"),
            (b"ok\n\"a,b\nok", "a quote is opened and never closed; close it"),
            (b"ok\n\xff\xfe\nok", "the text is not UTF-8; save the file in UTF-8"),
        ] {
            assert_eq!(read(bytes), [good(1, &["ok"]), (2, Err(why)), good(3, &["ok"])]);
        }
    }

    /// However the chunks fall, and however long a line is.
    #[test]
    fn a_long_file_is_read_in_pieces_and_a_long_row_is_told() {
        let row =
            |number: u32| format!("{number},\"two\r\nlines of {}\"\r\n", "x".repeat(number as usize % 97));
        let mut text = (0..5000).map(row).collect::<String>();
        text.push_str(&format!("{}\nlast\n\"{}\nend", "y".repeat(200_000), "z,".repeat(100_000)));
        let rows = Rows::of(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(rows.len(), 5004);
        for (number, row) in rows.iter().take(5000).enumerate() {
            assert_eq!(row.line, 1 + 2 * number as u32);
            assert_eq!(row.fields.as_ref().unwrap()[0], number.to_string());
        }
        let said = rows.iter().skip(5000).map(|row| (row.line, row.fields.clone())).collect::<Vec<_>>();
        let long = Err("the row is longer than 8 KiB; is a line end missing?");
        let open = Err("a quote is opened and never closed; close it");
        assert_eq!(said, [(10_001, long), good(10_002, &["last"]), (10_003, open), good(10_004, &["end"])]);
    }

    #[test]
    fn a_file_that_cannot_be_read_to_its_end_says_so() {
        struct Torn(bool);
        impl Read for Torn {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("unplugged"));
                }
                into[..4].copy_from_slice(b"a\nb\n");
                Ok(4)
            }
        }
        let mut rows = Rows::of(Torn(false));
        assert_eq!(rows.by_ref().count(), 2);
        assert_eq!(rows.trouble.unwrap().to_string(), "unplugged");
    }
}
