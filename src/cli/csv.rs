//! Rows of a CSV file (RFC 4180), each with the line on which it begins.
//!
//! Line ends may be LF, CRLF or CR; a byte order mark is skipped, and so are empty lines. A row that is
//! wrong does not spoil those after it.

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// From 1.
    pub(super) line: u32,
    /// The fields, or what is wrong.
    pub(super) fields: Result<Vec<String>, &'static str>,
}

/// Reads `bytes` row by row.
pub(super) struct Rows<'a> {
    rest: &'a [u8],
    line: u32,
}

impl<'a> Rows<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), line: 1 }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' || (*first == b'\r' && self.peek() != Some(b'\n')) {
            self.line += 1;
        }
        Some(*first)
    }

    fn take_line_end(&mut self) {
        if self.take() == Some(b'\r') && self.peek() == Some(b'\n') {
            self.take();
        }
    }

    fn at_line_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'\r' | b'\n'))
    }

    fn fields(&mut self) -> Result<Vec<String>, &'static str> {
        let mut fields = Vec::new();
        loop {
            let field = if self.peek() == Some(b'"') { self.quoted()? } else { self.plain()? };
            fields.push(String::from_utf8(field).map_err(|_| "the text is not UTF-8")?);
            if self.at_line_end() {
                return Ok(fields);
            }
            if self.take() != Some(b',') {
                return Err("a closing quote is followed by more text");
            }
        }
    }

    fn plain(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut field = Vec::new();
        while !self.at_line_end() && self.peek() != Some(b',') {
            match self.take() {
                Some(b'"') => return Err("a quote stands inside a field that does not begin with one"),
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
                None => return Err("a quote is opened and never closed"),
                Some(b'"') if self.peek() != Some(b'"') => return Ok(field),
                Some(b'"') => field.extend(self.take()),
                Some(other) => field.push(other),
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.take_line_end();
        }
        self.peek()?;
        let (rest, line) = (self.rest, self.line);
        let fields = self.fields();
        if fields.is_err() {
            // Go on after the first line of what is wrong, so that an open quote does not swallow the file.
            (self.rest, self.line) = (rest, line);
            while !self.at_line_end() {
                self.take();
            }
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
            (b"ok\na\"b\nok".as_slice(), "a quote stands inside a field that does not begin with one"),
            (b"ok\n\"a\"b\nok", "a closing quote is followed by more text"),
            (b"ok\n\"a,b\nok", "a quote is opened and never closed"),
            (b"ok\n\xff\xfe\nok", "the text is not UTF-8"),
        ] {
            assert_eq!(read(bytes), [good(1, &["ok"]), (2, Err(why)), good(3, &["ok"])]);
        }
    }
}
