//! The cloud of `tests/cloud` on loopback.

#[path = "../cloud/process.rs"]
mod process;

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use process::Process;

pub(crate) const SITE: &str = "kariakoo-01";

/// A cloud that serves one site; ends with this value.
pub(crate) struct Cloud(Process);

impl Cloud {
    pub(crate) fn start() -> Self {
        Self(Process::start(SITE, "127.0.0.1", 0, Box::new(|command| command.spawn().unwrap())))
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn plan(&self, id: &str) {
        self.tell("plan", json!([id]), json!({ "metered_s": 3600 }));
    }

    /// The status of each request to `path`, as far as they have ended.
    pub(crate) fn statuses(&self, path: &str) -> Vec<Value> {
        self.requests(path).iter().map(|one| one["status"].clone()).collect()
    }

    /// The numbers of the events that it has, in their order.
    pub(crate) fn events(&self) -> Vec<u64> {
        let events = self.list("events", json!([]), json!({}));
        events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    }
}

impl Deref for Cloud {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Cloud {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}
