//! An authority that makes certificates of the portal, by openssl, and a browser that trusts it: curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::http::{Response, read_response};
use super::phone::Phone;

/// Days from now on in which what is made here is valid.
pub(crate) const VALID_DAYS: i64 = 90;

/// Of which kind a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Ecdsa,
    Rsa,
}

/// The authority; its files lie in a folder of the test.
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        let authority = Self { folder: folder.to_owned() };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem \
             -days 3650 -subj /CN=Lab",
        );
        authority
    }

    /// The file with its own certificate.
    pub(crate) fn root(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// Where the portal's files lie: certificate and key.
    pub(crate) fn files(&self) -> [String; 2] {
        ["portal.crt", "portal.key"].map(|file| self.folder.join(file).display().to_string())
    }

    /// Puts a new certificate for `name` with its key where the portal's files lie, at once each.
    pub(crate) fn issue(&self, name: &str, key: Key) {
        let kind = match key {
            Key::Ecdsa => "ec -pkeyopt ec_paramgen_curve:prime256v1",
            Key::Rsa => "rsa:2048",
        };
        std::fs::write(self.folder.join("names"), format!("subjectAltName=DNS:{name}\n")).unwrap();
        self.openssl(&format!("req -newkey {kind} -nodes -keyout new.key -out new.csr -subj /CN=portal"));
        self.openssl(&format!(
            "x509 -req -in new.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {VALID_DAYS} -extfile names \
             -out new.crt"
        ));
        for (new, file) in [("new.key", "portal.key"), ("new.crt", "portal.crt")] {
            std::fs::rename(self.folder.join(new), self.folder.join(file)).unwrap();
        }
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(&self.folder).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {complaint}");
    }

    /// What curl, which trusts this authority alone, gets of `url` in `phone`, asking for names as phones do;
    /// or the number of its failure. `options` are separated by blanks.
    pub(crate) fn fetch(&self, phone: &Phone, options: &str, url: &str) -> Result<Response, i32> {
        let root = self.root();
        let usual = ["-sS", "-i", "--max-time", "8", "--cacert", &root];
        let arguments: Vec<_> = usual.into_iter().chain(options.split_whitespace()).chain([url]).collect();
        let output = phone.space.output("curl", &arguments);
        match output.status.code() {
            Some(0) => Ok(read_response(&mut output.stdout.as_slice()).expect("a response")),
            code => Err(code.unwrap_or(-1)),
        }
    }
}
