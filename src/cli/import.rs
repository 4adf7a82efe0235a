//! Files of vouchers: what they must look like, and their rows, one after the other.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::ask::stray;
use super::csv::{Row, Rows};
use super::invocations::LONGEST_CODE;
use super::{Failure, Request};
use crate::domain::Normal;
use crate::wire::control::{Answer, Code, ImportRow, Imported, RowError, TypedCode};

const HEADER: &str = "code,plan,batch,activate_by";
/// Bytes of a file: a million rows, more than any site has.
const LARGEST: u64 = 64 << 20;
/// Errors that are told: more say that the file is another one.
const ERRORS_MAX: usize = 1000;
/// Bytes of a request besides its rows, at most.
const FRAME: usize = 100;
/// Bytes of a field: longer than any name or code.
const LONGEST_FIELD: usize = LONGEST_CODE;

/// The rows of a file, or what is wrong with them.
pub(super) struct Vouchers<R> {
    rows: Rows<R>,
    columns: Columns,
    /// The lines of the codes so far, by a hash: of a million they would fill the memory of a router.
    seen: HashMap<u64, u32>,
    hasher: RandomState,
}

/// Sends the rows of the file at `path`, in requests of at most `max` bytes. What was sent before a failure stays,
/// and is known the next time.
pub(super) fn run(
    path: &Path,
    dry_run: bool,
    max: usize,
    ask: &mut dyn FnMut(Request) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    let mut file = open(path)?;
    let name = path.display().to_string();
    let mut total = Imported { file: name, dry_run, ..Imported::default() };
    let (mut part, mut room) = (Vec::new(), 0);
    for row in file.by_ref() {
        match row {
            Ok(row) => {
                let size = size_of(&row);
                if size > room {
                    add(&mut total, std::mem::take(&mut part), ask)?;
                    // The frame of the request takes some, too.
                    room = max - FRAME;
                }
                room -= size;
                part.push(row);
            }
            Err(error) => total.is_wrong(error),
        }
    }
    add(&mut total, part, ask)?;
    total.errors.sort_by_key(|error| error.line);
    match file.trouble(path) {
        Some(failure) => Err(failure),
        None => Ok(Answer::VoucherImport(total)),
    }
}

fn add(
    total: &mut Imported,
    rows: Vec<ImportRow>,
    ask: &mut dyn FnMut(Request) -> Result<Answer, Failure>,
) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let dry_run = total.dry_run;
    let Answer::VoucherImport(part) = ask(Request::VoucherImport { rows, dry_run })? else {
        return Err(stray());
    };
    total.added += part.added;
    total.skipped += part.skipped;
    part.errors.into_iter().for_each(|error| total.is_wrong(error));
    Ok(())
}

impl Imported {
    /// Counts what is wrong, and keeps it while there is room.
    fn is_wrong(&mut self, error: RowError) {
        self.wrong += 1;
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
    }
}

/// Opens the file at `path`.
pub(super) fn open(path: &Path) -> Result<Vouchers<File>, Failure> {
    let name = path.display();
    let unreadable = |error: std::io::Error| {
        let denied = error.kind() == ErrorKind::PermissionDenied;
        let code = if denied { Code::NoPermission } else { Code::BadFile };
        Failure::new(code, format!("{name} cannot be read: {error}"), "name a CSV file that can")
    };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        return Err(unreadable(ErrorKind::IsADirectory.into()));
    }
    let refused = |line: u32, why: &str| {
        let remedy = format!("save it as CSV, in UTF-8, with commas, and with the first line {HEADER}");
        Failure::new(Code::BadFile, format!("{name}:{line}: header: {why}"), remedy)
    };
    if about.len() > LARGEST {
        return Err(refused(1, "the file is larger than 64 MiB"));
    }
    Vouchers::of(file).map_err(|(line, why)| refused(line, &why))
}

impl<R: Read> Vouchers<R> {
    /// Reads the header; or says on which line what is wrong with it.
    fn of(source: R) -> Result<Self, (u32, String)> {
        let mut rows = Rows::of(source);
        let columns = match (rows.next(), &rows.trouble) {
            (_, Some(error)) => return Err((1, error.to_string())),
            (None, None) => return Err((1, "the file is empty".to_owned())),
            (Some(Row { line, fields: Err(why) }), None) => return Err((line, why.to_owned())),
            (Some(Row { line, fields: Ok(fields) }), None) => {
                Columns::of(&fields).map_err(|why| (line, why))?
            }
        };
        Ok(Self { rows, columns, seen: HashMap::new(), hasher: RandomState::new() })
    }

    /// What kept the rest from being read.
    pub(super) fn trouble(&self, path: &Path) -> Option<Failure> {
        let error = self.rows.trouble.as_ref()?;
        let message = format!("{} cannot be read on: {error}", path.display());
        Some(Failure::new(
            Code::BadFile,
            message,
            "the rows before are done; put it right and import it again",
        ))
    }

    fn judged(&mut self, line: u32, fields: Result<Vec<String>, &str>) -> Result<ImportRow, String> {
        let fields = fields.map_err(|why| format!("row: {why}"))?;
        let row = self.columns.row(line, &fields)?;
        // What is no code is told by whoever stores it.
        let Some(normal) = Normal::of(row.code.reveal()) else { return Ok(row) };
        let first = *self.seen.entry(self.hasher.hash_one(normal.as_str())).or_insert(line);
        if first == line {
            Ok(row)
        } else {
            Err(format!("code: the same as on line {first}; remove one of them"))
        }
    }
}

impl<R: Read> Iterator for Vouchers<R> {
    type Item = Result<ImportRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Row { line, fields } = self.rows.next()?;
        Some(self.judged(line, fields).map_err(|message| RowError { line, message }))
    }
}

/// Bytes of a row in a request, at most.
pub(super) fn size_of(row: &ImportRow) -> usize {
    // Fields hold no control characters, so JSON doubles them at worst; the names of fields take the rest.
    let texts = [Some(row.code.reveal()), Some(&row.plan), row.batch.as_deref(), row.activate_by.as_deref()];
    100 + 2 * texts.into_iter().flatten().map(str::len).sum::<usize>()
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
            return Err(format!(
                "row: {} fields instead of {}; quote a field that holds a comma",
                fields.len(),
                self.count
            ));
        }
        if fields.iter().any(|field| field.len() > LONGEST_FIELD) {
            return Err(format!("row: a field is longer than {LONGEST_FIELD} bytes; shorten it"));
        }
        if fields.iter().any(|field| field.contains(char::is_control)) {
            return Err("row: a field holds a control character or a line end; remove it".to_owned());
        }
        let field = |at: usize| {
            let text = fields.get(at).map_or("", |field| field.trim());
            (!text.is_empty()).then(|| text.to_owned())
        };
        Ok(ImportRow {
            line,
            code: TypedCode::new(field(self.code).ok_or("code: is missing; fill it in, or remove the row")?),
            plan: field(self.plan).ok_or("plan: is missing; lango plan list shows the plans")?,
            batch: self.batch.and_then(field),
            activate_by: self.activate_by.and_then(field),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::{REQUEST_MAX, encode};

    type Found = Result<Vec<Result<ImportRow, (u32, String)>>, (u32, String)>;

    fn vouchers(bytes: &[u8]) -> Found {
        let told = |row: Result<_, RowError>| row.map_err(|error| (error.line, error.message));
        Vouchers::of(bytes).map(|found| found.map(told).collect())
    }

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
            Ok(row(2, "4821 9937 05", "hour", Some("B1"), Some("2027-01-31T00:00:00Z"))),
            Ok(row(3, "1", "day", None, None)),
        ];
        assert_eq!(found.unwrap(), rows);
        assert_eq!(vouchers(b"Plan,CODE\nhour,1").unwrap(), [Ok(row(2, "1", "hour", None, None))]);
    }

    #[test]
    fn wrong_rows_are_told_by_line_and_the_others_kept() {
        let text =
            b"code,plan\n11,hour\n2\n,hour\n3,\n\"4\n5\",hour\n6,hour,x\n7,\"h\n1-1,hour\n8,hour\n\xff,day\n";
        let (good, wrong): (Vec<_>, Vec<_>) = vouchers(text).unwrap().into_iter().partition(Result::is_ok);
        assert_eq!(good, [Ok(row(2, "11", "hour", None, None)), Ok(row(11, "8", "hour", None, None))]);
        let wrong: Vec<_> = wrong.into_iter().map(Result::unwrap_err).collect();
        let wrong: Vec<_> = wrong.iter().map(|(line, why)| (*line, why.as_str())).collect();
        assert_eq!(
            wrong,
            [
                (3, "row: 1 fields instead of 2; quote a field that holds a comma"),
                (4, "code: is missing; fill it in, or remove the row"),
                (5, "plan: is missing; lango plan list shows the plans"),
                (6, "row: a field holds a control character or a line end; remove it"),
                (8, "row: 3 fields instead of 2; quote a field that holds a comma"),
                (9, "row: a quote is opened and never closed; close it"),
                (10, "code: the same as on line 2; remove one of them"),
                (12, "row: the text is not UTF-8; save the file in UTF-8"),
            ]
        );
    }

    #[test]
    fn files_that_are_something_else_are_refused_whole() {
        for (bytes, line, why) in [
            (b"".as_slice(), 1, "empty"),
            (b"4821993705,hour\n", 1, "is no column"),
            (b"\r\n\ncode;plan\n1;hour\n", 3, "is no column"),
            (b"code,plan,code\n", 1, "twice"),
            (b"code,batch\n", 1, "the column plan is missing"),
            (b"\xff\xfec\0o\0d\0e\0", 1, "the text is not UTF-8"),
        ] {
            let error = vouchers(bytes).unwrap_err();
            assert!(error.0 == line && error.1.contains(why), "{error:?}");
        }
    }

    #[test]
    fn large_files_go_in_parts_that_fit_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.csv");
        let rows = (0..3000).map(|line| format!("{line:04},{}\n", "\"".repeat(402)));
        std::fs::write(&path, format!("code,plan\n{}", rows.collect::<String>())).unwrap();
        let (mut lines, mut parts) = (Vec::new(), 0);
        let mut daemon = |request: Request| {
            let frame = encode(&request);
            assert!(frame.len() <= REQUEST_MAX, "{}", frame.len());
            let Request::VoucherImport { rows, dry_run: true } = request else { panic!("{request:?}") };
            parts += 1;
            lines.extend(rows.iter().map(|row| row.line));
            let errors = rows.iter().map(|row| RowError { line: row.line, message: String::new() });
            Ok(Answer::VoucherImport(Imported { errors: errors.collect(), ..Imported::default() }))
        };
        let Answer::VoucherImport(told) = run(&path, true, REQUEST_MAX, &mut daemon).unwrap() else {
            panic!()
        };
        assert_eq!(lines, (2..3002).collect::<Vec<_>>());
        assert!((20..40).contains(&parts), "{parts}");
        assert_eq!((told.wrong, told.errors.len(), told.dry_run), (3000, ERRORS_MAX, true));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = open(Path::new("/nonexistent/x.csv")).err().unwrap();
        assert_eq!(failure.code, Code::BadFile);
        assert!(failure.message.starts_with("/nonexistent/x.csv cannot be read: "), "{}", failure.message);
    }
}
