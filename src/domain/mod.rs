//! What was sold, to whom, and what is left of it: every decision Lango makes, and nothing else.
//!
//! Owns: plans, codes, entitlements, sessions, attempts, and the [`Gate`] that decides over them; beside it
//! [`Anomalies`], what a guest network should not show.
//! Never: time (passed in as [`Now`]), randomness (passed in), files, sockets, the kernel, async.
//! Read `gate.rs` first: `decide` reads, `apply` changes, `due` is what time alone brings about,
//! `desired` is what the kernel should hold.

mod acceptance;
mod account;
mod anomalies;
mod attempts;
mod audit;
mod book;
mod bought;
mod claim;
mod cloud;
mod code;
mod downtime;
mod entitlement;
mod feed;
mod gate;
mod holdings;
mod idle;
mod ids;
mod money;
mod number;
mod outbox;
mod owners;
mod pace;
mod person;
mod plan;
mod reckoning;
mod record;
mod reference;
mod refusal;
mod retention;
mod role;
mod roster;
mod self_verifying;
mod session;
mod signing;
mod time;
mod traffic;
mod trials;
mod uplink;
mod view;
mod voucher;

pub use acceptance::{Acceptance, TermsVersion};
pub use account::AccountName;
pub use anomalies::{Anomalies, Anomaly, AnomalyCounts, Sight};
pub use attempts::{Blame, LONGEST_WAIT};
pub use audit::{Action, Actor, Broken, End, Noted, Operator, Verifier};
pub use bought::{Bought, Hindrance, More, Over};
pub use claim::{Awaits, Bridged, Claim};
pub use code::{CodeForm, FormError, Normal, Shape, SiteKey, make_code, shape};
pub use downtime::{Downtime, Moment};
pub use entitlement::{Clockwork, Ending, Entitlement, Origin, Stamp};
pub use feed::{
    Account, CloudCommand, Cursor, Listed, NotACursor, Op, Payment, PhoneTail, Row, RowName, Stand, Walk,
    Wish,
};
pub use gate::{Gate, Limits, Reports};
pub use ids::{
    AccountKey, BatchId, BootId, CloudId, CodeKey, EntitlementId, Hint, IdError, Mac, PlanId, ReferenceKey,
    SessionId,
};
pub use money::Money;
pub use number::{holds_card, phone};
pub use outbox::{Fact, Outcome, Reported, Seq};
pub use person::{
    Alias, Dossier, Forgetter, Forgotten, KnownDevice, Permission, Person, Purchase, Traces, Visit, Whom,
};
pub use plan::{Bps, Bytes, DataCap, Plan, PlanSource, Terms};
pub use reckoning::{Reckoning, Refreshed, Repair, Standing, TimeSource};
pub use record::{
    Decision, Effect, Found, Generation, Input, IssuedCode, Moving, PageKind, Reach, Record, Reply, Restored,
    RowsFrom, SerialState, Shown,
};
pub use reference::{Reference, Sought, seek};
pub use refusal::Refusal;
pub use retention::{Bound, Keeping, Limit, Minimum, OldTrail, Overdue};
pub use role::Role;
pub use self_verifying::{Issued, IssuingKey, KeyNumber, PlanNumber, Serial, UsedSerials};
pub use session::{Closing, Session};
pub use signing::{NotBase64, Signature, SigningKey};
pub use time::{Boot, Now, Trust, Wall};
pub use traffic::{Traffic, Usage};
pub use trials::{Had, TrialsHad};
pub use uplink::{Evidence, Lack, Uplink, UplinkJudge, UplinkState};
pub use view::{Grant, SessionView, TrialView, View};
pub use voucher::{Kind, Proof, Voucher, VoucherState};

use attempts::Attempts;
use audit::Trail;
use book::Book;
use claim::Claims;
use cloud::Cloud;
use holdings::Holdings;
use idle::Idle;
use owners::Owners;
use pace::Pace;
use roster::Roster;
use trials::Trials;
