//! What `lango doctor` looks at itself: what the kernel shows as files, the flash, who serves addresses and names.
//!
//! The daemon does not see these from its jail; it says where to look. Owns: that list. Never: changes anything,
//! or what the daemon knows (`app::doctor`). Within: `machine` reads files of the kernel, `names` asks the resolver.

mod machine;
mod names;

use self::names::Heard;
use crate::wire::control::{Answer, Check, Examined, Health, Surroundings};

type Look = fn(&Seen<'_>) -> Finding;

/// What is looked at, by the name that it has in the answer, and who looks.
const CHECKS: &[(&str, Look)] = &[
    ("forwarding", machine::forwarding),
    ("connections", machine::connections),
    ("dhcp", machine::dhcp),
    ("resolver", names::resolver),
    ("portal_name", names::portal_name),
    ("garden", names::garden),
    ("memory", machine::memory),
    ("room", machine::room),
    ("keeping", machine::keeping),
];

/// What those who look are shown.
struct Seen<'a> {
    place: &'a Surroundings,
    /// What the resolver said of the portal's name.
    heard: Heard,
}

/// How something was found, and what to do.
struct Finding(Health, String, String);

impl Finding {
    fn ok(message: impl Into<String>) -> Self {
        Self(Health::Ok, message.into(), String::new())
    }

    fn warn(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(Health::Warn, message.into(), remedy.into())
    }

    fn fail(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(Health::Fail, message.into(), remedy.into())
    }
}

/// The daemon's answer, with what is seen from here.
pub(super) fn examined(mut answer: Answer) -> Answer {
    if let Answer::Doctor(found) = &mut answer {
        let Examined { checks, surroundings } = &mut **found;
        checks.extend(surroundings.take().iter().flat_map(look));
    }
    answer
}

fn look(place: &Surroundings) -> Vec<Check> {
    let seen = Seen { place, heard: names::ask(place, &place.portal_name) };
    let check = |(name, look): &(&str, Look)| {
        let Finding(state, message, remedy) = look(&seen);
        Check { check: (*name).to_owned(), state, message, remedy }
    };
    CHECKS.iter().map(check).collect()
}
