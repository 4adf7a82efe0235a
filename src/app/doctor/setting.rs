//! What the operator has written, as the files are now.
//!
//! Never: puts it in force; a SIGHUP does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Finding, Seen};
use crate::app::base::keep_out;
use crate::app::enrolment;
use crate::config::Cloud;
use crate::portal;
use crate::store::is_of_store;

const BY_OTHERS: u32 = 0o007;

/// Whether what is in force is what the file says.
pub(super) fn configuration(seen: &Seen<'_>) -> Vec<Finding> {
    let file = seen.desk.path.display();
    let parsed = match enrolment::load(&seen.desk.path) {
        Ok((parsed, _)) => parsed,
        Err(error) => {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            return vec![Finding::fail(
                format!("{file} has errors now, and what was read before is in force: {first}"),
                "lango check shows all of them; a daemon that is restarted now does not come back",
            )];
        }
    };
    let mut now = parsed.config;
    keep_out(&mut now, &seen.desk.ledger.gate);
    vec![if now == *seen.config {
        Finding::ok(format!("what is in force is what {file} says"))
    } else {
        Finding::warn(
            format!("{file} has been changed since it was read"),
            "/etc/init.d/lango reload puts it in force (or send the daemon a SIGHUP)",
        )
    }]
}

/// Whether secrets can be read by whoever has a shell here.
pub(super) fn permissions(seen: &Seen<'_>) -> Vec<Finding> {
    let config = &seen.config;
    let token = |cloud: &Cloud| cloud.token_file.clone().unwrap_or_else(|| Cloud::TOKEN_FILE.into());
    let of_the_cloud = config.cloud.as_ref().map(token);
    let of_https = config.gateway.tls.as_ref().map(|tls| tls.key.clone());
    let given = [config.gateway.site_key_file.clone(), of_https, of_the_cloud];
    let open: Vec<_> = secrets(&config.gateway.state_dir)
        .chain(given.into_iter().flatten())
        .filter(|path| mode(path).is_some_and(|mode| mode & BY_OTHERS != 0))
        .map(|path| path.display().to_string())
        .collect();
    vec![if open.is_empty() {
        Finding::ok("nobody else can read keys, tokens and the database")
    } else {
        Finding::warn(
            format!("every user of this machine can read {}", open.join(", ")),
            format!("chmod 600 {}", open.join(" ")),
        )
    }]
}

/// What the store has written. Who reads it can be the gateway, sell in its name, or see who its guests are.
fn secrets(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_ours = |name: &OsStr| name.to_str().is_some_and(is_of_store);
    entries.filter(move |entry| is_ours(&entry.file_name())).map(|entry| entry.path())
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.permissions().mode())
}

/// Guests are promised to be told who keeps what is known of them.
pub(super) fn controller(seen: &Seen<'_>) -> Vec<Finding> {
    let controller = &seen.config.gateway.controller;
    vec![if controller.is_empty() {
        Finding::warn(
            "the privacy page does not say who answers for what is stored of guests",
            "option controller 'Name Ltd, info@example.net'",
        )
    } else {
        Finding::ok(format!("the privacy page names {controller}"))
    }]
}

/// The operator's own parts of the pages, as their files are now.
pub(super) fn theme(seen: &Seen<'_>) -> Vec<Finding> {
    let gateway = &seen.config.gateway;
    if gateway.portal_dir.is_none() {
        return Vec::new();
    }
    let notices = portal::check_theme(gateway);
    let [first, further @ ..] = notices.as_slice() else {
        return vec![Finding::ok("the operator's parts of the pages have no fault")];
    };
    let more = if further.is_empty() { String::new() } else { format!(", and {} more", further.len()) };
    let remedy =
        "lango check tells all; mend the files, then send the daemon a SIGHUP. The built-in parts are shown";
    vec![Finding::warn(format!("{first}{more}"), remedy)]
}
