//! A configuration and the store that it names, for commands that work without a daemon.

use std::path::{Path, PathBuf};
use std::process::Output;

use super::daemon::lango;

pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// With a plan `hour`, and nothing in the store.
    pub(crate) fn new() -> Self {
        Self::with("config plan 'hour'\n\toption metered '1h'\n")
    }

    /// With these plans.
    pub(crate) fn with(plans: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let dir = place.0.path().display();
        let text = format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{dir}/state'\n\
             \toption run_dir '{dir}/run'\n\n{plans}"
        );
        std::fs::write(place.config(), text).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("conf")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("state/lango.db")
    }

    /// A file beside the store.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    pub(crate) fn offline(&self, args: &[&str]) -> Output {
        let config = self.config().display().to_string();
        lango(&[args, &["--offline", "--config", &config]].concat())
    }
}
