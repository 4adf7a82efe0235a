//! The word to phones that there is an API of the portal (RFC 8910), for the DHCP server and the router
//! advertisements of the system to pass on.
//!
//! Owns: two files in `run_dir`. Never: tells those programs anything; no process is started and none is
//! signalled. dnsmasq reads a file in a folder named by `dhcp-optsdir` whenever it changes. What it has read
//! it does not forget when the file is gone, but an empty value takes the place of the former one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// For `dhcp-optsdir` of dnsmasq: option 114.
const FOLDER: &str = "dhcp-opts";
const OPTION: &str = "captive-portal";
/// For `captive_portal_uri` of odhcpd: the address alone, or nothing.
const ADDRESS: &str = "captive-portal-uri";

/// Whether that is the name of a file or folder in `run_dir` that is made here.
pub fn is_of_advert(name: &str) -> bool {
    name == FOLDER || name.strip_prefix('.').unwrap_or(name) == ADDRESS
}

/// The folder of the option.
pub fn advert_folder(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER)
}

/// Advertises `api` in `run_dir` from now on; `None`: nothing.
pub fn advertise(run_dir: &Path, api: Option<&str>) -> io::Result<()> {
    let folder = advert_folder(run_dir);
    if api.is_none() && !folder.join(OPTION).exists() {
        // What was never said need not be taken back.
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let option = api.map_or_else(|| "114\n".to_owned(), |api| format!("114,{api}\n"));
    let address = api.map(|api| format!("{api}\n")).unwrap_or_default();
    put(&folder, OPTION, &option)?;
    put(run_dir, ADDRESS, &address)
}

/// Puts `text` in the place of the file, at once. dnsmasq passes over names that begin with a dot.
fn put(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let unfinished = folder.join(format!(".{name}"));
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_can_be_taken_back_and_what_was_not_said_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path();
        let files = || {
            let read = |name: &str| fs::read_to_string(run_dir.join(name)).ok();
            (read("dhcp-opts/captive-portal"), read("captive-portal-uri"))
        };
        advertise(run_dir, None).unwrap();
        assert_eq!(fs::read_dir(run_dir).unwrap().count(), 0);

        let api = "https://wifi.lango:2443/captive-portal/api";
        advertise(run_dir, Some(api)).unwrap();
        assert_eq!(files(), (Some(format!("114,{api}\n")), Some(format!("{api}\n"))));
        advertise(run_dir, None).unwrap();
        assert_eq!(files(), (Some("114\n".to_owned()), Some(String::new())));
        assert_eq!(fs::read_dir(run_dir.join("dhcp-opts")).unwrap().count(), 1, "nothing unfinished is left");
    }
}
