//! Files of vouchers: what they must look like, and how they are cut into requests.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::Failure;
use super::csv::{Row, Rows};
use super::invocations::LONGEST_CODE;
use crate::wire::control::{Code, ImportRow, RowError, TypedCode};

const HEADER: &str = "code,plan,batch,activate_by";
/// Bytes of a file: a million rows, more than any site has.
const LARGEST: u64 = 64 << 20;
/// Bytes of a field: longer than any name or code.
const LONGEST_FIELD: usize = LONGEST_CODE;

/// The rows of a file, and what is wrong with the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Vouchers {
    pub(super) rows: Vec<ImportRow>,
    pub(super) errors: Vec<RowError>,
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Vouchers, Failure> {
    let name = path.display();
    let bytes = bytes_of(path).map_err(|error| {
        let denied = error.kind() == ErrorKind::PermissionDenied;
        let code = if denied { Code::NoPermission } else { Code::BadFile };
        Failure::new(code, format!("{name} cannot be read: {error}"), "name a CSV file that can")
    })?;
    let refused = |why: &str| {
        let remedy = format!("save it as CSV, in UTF-8, with commas, and with the first line {HEADER}");
        Failure::new(Code::BadFile, format!("{name}: {why}"), remedy)
    };
    if bytes.len() as u64 > LARGEST {
        return Err(refused("larger than 64 MiB"));
    }
    vouchers(&bytes).map_err(|why| refused(&why))
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Cuts rows into parts whose requests have at most `max` bytes.
pub(super) fn parts(rows: Vec<ImportRow>, max: usize) -> Vec<Vec<ImportRow>> {
    let mut parts = Vec::new();
    let mut room = 0;
    for row in rows {
        // Fields hold no control characters, so JSON doubles them at worst; the names of fields take the rest.
        let texts =
            [Some(row.code.reveal()), Some(&row.plan), row.batch.as_deref(), row.activate_by.as_deref()];
        let size = 100 + 2 * texts.into_iter().flatten().map(str::len).sum::<usize>();
        if size > room {
            parts.push(Vec::new());
            // The frame of the request takes some, too.
            room = max - 100;
        }
        room -= size;
        if let Some(part) = parts.last_mut() {
            part.push(row);
        }
    }
    parts
}

fn vouchers(bytes: &[u8]) -> Result<Vouchers, String> {
    let mut rows = Rows::of(bytes);
    let columns = match rows.next() {
        None => return Err("the file is empty".to_owned()),
        Some(Row { line, fields: Err(why) }) => return Err(format!("line {line}: {why}")),
        Some(Row { line, fields: Ok(fields) }) => {
            Columns::of(&fields).map_err(|why| format!("line {line}: {why}"))?
        }
    };
    let mut found = Vouchers::default();
    for Row { line, fields } in rows {
        match fields.map_err(str::to_owned).and_then(|fields| columns.row(line, &fields)) {
            Ok(row) => found.rows.push(row),
            Err(message) => found.errors.push(RowError { line, message }),
        }
    }
    Ok(found)
}

/// Where the header says that each field stands.
struct Columns {
    count: usize,
    code: usize,
    plan: usize,
    batch: Option<usize>,
    activate_by: Option<usize>,
}

impl Columns {
    fn of(header: &[String]) -> Result<Self, String> {
        let names = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>();
        for (at, name) in names.iter().enumerate() {
            if !HEADER.split(',').any(|known| known == name) {
                return Err(format!("{name:.40?} is no column; the header is {HEADER}"));
            }
            if names.iter().skip(at + 1).any(|other| other == name) {
                return Err(format!("the column {name} stands there twice"));
            }
        }
        let find = |name: &str| names.iter().position(|other| other == name);
        let needed = |name: &str| find(name).ok_or_else(|| format!("the column {name} is missing"));
        Ok(Self {
            count: names.len(),
            code: needed("code")?,
            plan: needed("plan")?,
            batch: find("batch"),
            activate_by: find("activate_by"),
        })
    }

    fn row(&self, line: u32, fields: &[String]) -> Result<ImportRow, String> {
        if fields.len() != self.count {
            return Err(format!("{} fields instead of {}", fields.len(), self.count));
        }
        if fields.iter().any(|field| field.len() > LONGEST_FIELD) {
            return Err(format!("a field is longer than {LONGEST_FIELD} bytes"));
        }
        if fields.iter().any(|field| field.contains(char::is_control)) {
            return Err("a field holds a control character or a line end".to_owned());
        }
        let field = |at: usize| {
            let text = fields.get(at).map_or("", |field| field.trim());
            (!text.is_empty()).then(|| text.to_owned())
        };
        Ok(ImportRow {
            line,
            code: TypedCode::new(field(self.code).ok_or("the code is missing")?),
            plan: field(self.plan).ok_or("the plan is missing")?,
            batch: self.batch.and_then(field),
            activate_by: self.activate_by.and_then(field),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::{REQUEST_MAX, Request, encode};

    fn row(line: u32, code: &str, plan: &str, batch: Option<&str>, activate_by: Option<&str>) -> ImportRow {
        ImportRow {
            line,
            code: TypedCode::new(code.to_owned()),
            plan: plan.to_owned(),
            batch: batch.map(str::to_owned),
            activate_by: activate_by.map(str::to_owned),
        }
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let found = vouchers(
            b"\xef\xbb\xbfcode,plan,batch,activate_by\r\n4821 9937 05, hour,B1,2027-01-31T00:00:00Z\r\n\"1\",day,,\r\n",
        );
        let rows = vec![
            row(2, "4821 9937 05", "hour", Some("B1"), Some("2027-01-31T00:00:00Z")),
            row(3, "1", "day", None, None),
        ];
        assert_eq!(found.unwrap().rows, rows);
        assert_eq!(vouchers(b"Plan,CODE\nhour,1").unwrap().rows, [row(2, "1", "hour", None, None)]);
    }

    #[test]
    fn wrong_rows_are_told_by_line_and_the_others_kept() {
        let found =
            vouchers(b"code,plan\n1,hour\n2\n,hour\n3,\n\"4\n5\",hour\n6,hour,x\n7,\"h\n8,hour\n").unwrap();
        assert_eq!(found.rows, [row(2, "1", "hour", None, None), row(10, "8", "hour", None, None)]);
        let errors =
            found.errors.iter().map(|error| (error.line, error.message.as_str())).collect::<Vec<_>>();
        assert_eq!(
            errors,
            [
                (3, "1 fields instead of 2"),
                (4, "the code is missing"),
                (5, "the plan is missing"),
                (6, "a field holds a control character or a line end"),
                (8, "3 fields instead of 2"),
                (9, "a quote is opened and never closed"),
            ]
        );
    }

    #[test]
    fn files_that_are_something_else_are_refused_whole() {
        for (bytes, why) in [
            (b"".as_slice(), "empty"),
            (b"4821993705,hour\n", "is no column"),
            (b"code;plan\n1;hour\n", "is no column"),
            (b"code,plan,code\n", "twice"),
            (b"code,batch\n", "the column plan is missing"),
            (b"\xff\xfec\0o\0d\0e\0", "line 1: the text is not UTF-8"),
        ] {
            let error = vouchers(bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn large_files_go_in_parts_that_fit_and_nothing_is_lost() {
        let rows =
            (0..3000).map(|line| row(line, &"\"".repeat(200), "hour", Some("B1"), None)).collect::<Vec<_>>();
        let parts = parts(rows.clone(), REQUEST_MAX);
        for part in &parts {
            let frame = encode(&Request::VoucherImport { rows: part.clone() });
            assert!(frame.len() <= REQUEST_MAX, "{}", frame.len());
        }
        assert!(parts.len() < 40, "{}", parts.len());
        assert_eq!(parts.concat(), rows);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = read(Path::new("/nonexistent/x.csv")).unwrap_err();
        assert_eq!(failure.code, Code::BadFile);
        assert!(failure.message.starts_with("/nonexistent/x.csv cannot be read: "), "{}", failure.message);
    }
}
