//! The outbox on the wire: facts as JSON, in batches, and how far they were acknowledged.
//!
//! Owns: the JSON of an event, which is made when the fact is, and kept as it is until the cloud has it;
//! the batches; what an acknowledgement may say. Never: sockets, the store, when to send.
//! Neighbours: `sync` sends, `domain::outbox` has the facts, `feed` is the other direction.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::{
    BootId, CloudId, EntitlementId, Fact, Forgotten, Mac, Outcome, ReferenceKey, Reported, Seq, SessionId,
    Wall,
};

/// Bytes of a batch before compression: on a line of 64 kbit/s a cut costs eight seconds.
pub const BATCH_MAX: usize = 64 * 1024;

/// The JSON of an event, without its number: what the outbox keeps.
pub fn write(reported: &Reported) -> String {
    let event = Event { at: reported.at, clock: reported.clock.word(), what: What::of(&reported.fact) };
    serde_json::to_string(&event).unwrap_or_default()
}

/// `event`, as the outbox kept it, without what it says of a person who is forgotten; `None`: it says nothing. The
/// fact stays, of an alias of the device; what was exported of the person and not sent yet does not.
pub fn without(event: &str, gone: &Forgotten) -> Option<String> {
    let told: Told = serde_json::from_str(event).ok()?;
    if let Some(data) = told.data {
        let names = |text: String| data.get().contains(&format!("\"{text}\""));
        let Forgotten { traces, .. } = gone;
        let is_told = !traces.rows.is_empty()
            || traces.devices.iter().any(|mac| names(mac.to_string()))
            || traces.entitlements.iter().any(|id| names(id.to_string()));
        return is_told.then(|| withheld(event)).flatten();
    }
    let mac: Mac = told.mac?.parse().ok()?;
    let entitlement = told.entitlement.and_then(|id| id.parse().ok());
    let reference = told.reference_key.and_then(|key| key.parse().ok());
    let is_told = gone.traces.devices.contains(&mac)
        || entitlement.is_some_and(|id| gone.traces.has_use(mac, id))
        || reference.is_some_and(|key| gone.traces.has_claim(mac, key));
    is_told.then(|| event.replace(&mac.to_string(), &gone.alias.of(mac).to_string()))
}

/// What is read of an event to see whom it is about.
#[derive(Deserialize)]
struct Told<'a> {
    mac: Option<&'a str>,
    entitlement: Option<&'a str>,
    reference_key: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// An answer whose data must not leave any more.
fn withheld(event: &str) -> Option<String> {
    let mut fields: serde_json::Map<String, Value> = serde_json::from_str(event).ok()?;
    fields.remove("data");
    fields.insert("result".to_owned(), "failed".into());
    fields.insert("why".to_owned(), "the person was forgotten before this was sent".into());
    serde_json::to_string(&fields).ok()
}

/// A body of events under way.
#[derive(Debug)]
pub struct Batch {
    body: String,
    last: Option<Seq>,
    most: usize,
}

impl Batch {
    /// An empty batch of at most `most` bytes, or of one event. `device` names the database.
    pub fn new(device: &str, boot: &BootId, most: usize) -> Self {
        let device = serde_json::Value::from(device);
        Self { body: format!(r#"{{"device":{device},"boot":"{boot}","events":["#), last: None, most }
    }

    /// Adds an event as the outbox kept it; false if it does not fit any more, or is none.
    #[must_use]
    pub fn push(&mut self, seq: Seq, event: &str) -> bool {
        let Some(fields) = event.strip_prefix('{') else { return false };
        let comma = if self.last.is_some() { "," } else { "" };
        let added = format!(r#"{comma}{{"seq":{},{fields}"#, seq.0);
        if self.last.is_some() && self.body.len() + added.len() + CLOSING.len() > self.most {
            return false;
        }
        self.body.push_str(&added);
        self.last = Some(seq);
        true
    }

    /// The number of the last event, and the body; `None` if there is no event.
    pub fn finish(mut self) -> Option<(Seq, String)> {
        let last = self.last?;
        self.body.push_str(CLOSING);
        Some((last, self.body))
    }
}

const CLOSING: &str = "]}";

/// Reads the answer to a batch, of status 200 or 409: up to which number the cloud has all.
///
/// # Errors
/// If it is not as it should be, or acknowledges what was never sent. `sent`: the highest number that was.
pub fn read_acked(body: &[u8], sent: Seq) -> Result<Seq, AckError> {
    #[derive(Deserialize)]
    struct Acked {
        acked: u64,
    }
    let Acked { acked } = serde_json::from_slice(body).map_err(|_| AckError::Malformed)?;
    if acked > sent.0 { Err(AckError::NeverSent { acked: Seq(acked), sent }) } else { Ok(Seq(acked)) }
}

/// Why an acknowledgement does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckError {
    Malformed,
    /// It names a number that no event had yet: it is meant for another gateway, or was made up.
    NeverSent {
        acked: Seq,
        sent: Seq,
    },
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the acknowledgement is malformed"),
            Self::NeverSent { acked, sent } => {
                write!(f, "event {} is acknowledged, and {} was the last that was sent", acked.0, sent.0)
            }
        }
    }
}

impl std::error::Error for AckError {}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(serialize_with = "text")]
    at: Wall,
    clock: &'static str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum What<'a> {
    Redeemed {
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        key: String,
        plan: &'a str,
        #[serde(serialize_with = "text")]
        entitlement: EntitlementId,
        #[serde(serialize_with = "text")]
        mac: Mac,
    },
    SessionOpened {
        #[serde(serialize_with = "text")]
        session: SessionId,
        #[serde(serialize_with = "text")]
        entitlement: EntitlementId,
        #[serde(serialize_with = "text")]
        mac: Mac,
    },
    Usage {
        #[serde(serialize_with = "text")]
        session: SessionId,
        seconds: u64,
        bytes_up: u64,
        bytes_down: u64,
    },
    SessionClosed {
        #[serde(serialize_with = "text")]
        session: SessionId,
        why: &'static str,
        seconds: u64,
        bytes_up: u64,
        bytes_down: u64,
    },
    Claimed {
        #[serde(serialize_with = "text")]
        reference_key: ReferenceKey,
        #[serde(serialize_with = "text")]
        mac: Mac,
    },
    Done {
        command: &'a str,
        result: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    },
    Refused {
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        why: &'a str,
    },
    Audit {
        row: u64,
        who: &'a str,
        action: &'a str,
        detail: &'a str,
        hash: &'a str,
    },
}

impl<'a> What<'a> {
    fn of(fact: &'a Fact) -> Self {
        match fact {
            Fact::Redeemed { id, name, plan, entitlement, mac } => Self::Redeemed {
                kind: name.kind(),
                id: id.as_ref().map(CloudId::as_str),
                key: name.key(),
                plan: plan.as_str(),
                entitlement: *entitlement,
                mac: *mac,
            },
            Fact::SessionOpened { session, entitlement, mac } => {
                Self::SessionOpened { session: *session, entitlement: *entitlement, mac: *mac }
            }
            Fact::Usage { session, seconds, used } => Self::Usage {
                session: *session,
                seconds: *seconds,
                bytes_up: used.up.0,
                bytes_down: used.down.0,
            },
            Fact::SessionClosed { session, why, seconds, used } => Self::SessionClosed {
                session: *session,
                why: why.word(),
                seconds: *seconds,
                bytes_up: used.up.0,
                bytes_down: used.down.0,
            },
            Fact::Claimed { reference, mac } => Self::Claimed { reference_key: *reference, mac: *mac },
            Fact::Done { command, result } => {
                let (result, why, data) = match result {
                    Outcome::Done => ("ok", None, None),
                    Outcome::Remarked(why) => ("ok", Some(why.as_str()), None),
                    Outcome::Delivered(data) => ("ok", None, serde_json::from_str(data).ok()),
                    Outcome::Failed(why) => ("failed", Some(why.as_str()), None),
                };
                Self::Done { command: command.as_str(), result, why, data }
            }
            Fact::Refused { cursor, id, why } => Self::Refused {
                cursor: cursor.map(|cursor| cursor.to_string()),
                id: id.as_ref().map(CloudId::as_str),
                why,
            },
            Fact::Noted(row) => Self::Audit {
                row: row.seq,
                who: &row.who,
                action: &row.action,
                detail: &row.detail,
                hash: &row.hash,
            },
        }
    }
}

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{
        Alias, Bytes, Closing, CodeKey, Cursor, Forgetter, PlanId, RowName, Traces, Traffic, Trust,
    };

    const MAC: Mac = Mac::new([2, 0x77, 0, 0, 0, 1]);

    fn said(fact: Fact) -> Value {
        let reported = Reported { at: Wall::from_secs(1_795_299_451), clock: Trust::Trusted, fact };
        serde_json::from_str(&write(&reported)).unwrap()
    }

    /// What every event begins with, and what else this one says.
    fn event(more: Value) -> Value {
        let mut event = json!({"at": "2026-11-21T22:17:31Z", "clock": "trusted"});
        event.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        event
    }

    #[test]
    fn facts_are_told_as_the_protocol_has_them() {
        let name = RowName::Voucher(CodeKey([0x9f; 16]));
        let plan: PlanId = "hour".parse().unwrap();
        let (session, entitlement, mac) = (SessionId(310), EntitlementId(77), MAC);
        let told = [
            (
                Fact::Redeemed { id: "v-82".parse().ok(), name, plan, entitlement, mac },
                json!({"type": "redeemed", "kind": "voucher", "id": "v-82", "key": "9f".repeat(16), "plan": "hour",
                       "entitlement": "e-77", "mac": "02:77:00:00:00:01"}),
            ),
            (
                Fact::SessionOpened { session, entitlement, mac },
                json!({"type": "session_opened", "session": "s-310", "entitlement": "e-77",
                       "mac": "02:77:00:00:00:01"}),
            ),
            (
                Fact::Usage { session, seconds: 300, used: Traffic { up: Bytes(1200), down: Bytes(90211) } },
                json!({"type": "usage", "session": "s-310", "seconds": 300, "bytes_up": 1200, "bytes_down": 90211}),
            ),
            (
                Fact::SessionClosed {
                    session,
                    why: Closing::Spent,
                    seconds: 3600,
                    used: Traffic { up: Bytes(9), down: Bytes(8) },
                },
                json!({"type": "session_closed", "session": "s-310", "why": "spent", "seconds": 3600,
                       "bytes_up": 9, "bytes_down": 8}),
            ),
            (
                Fact::Claimed { reference: ReferenceKey([1; 16]), mac },
                json!({"type": "claimed", "reference_key": "01".repeat(16), "mac": "02:77:00:00:00:01"}),
            ),
            (
                Fact::Done { command: "c-17".parse().unwrap(), result: Outcome::Done },
                json!({"type": "done", "command": "c-17", "result": "ok"}),
            ),
            (
                Fact::Done {
                    command: "c-18".parse().unwrap(),
                    result: Outcome::Failed("no such plan".into()),
                },
                json!({"type": "done", "command": "c-18", "result": "failed", "why": "no such plan"}),
            ),
            (
                Fact::Done { command: "c-19".parse().unwrap(), result: Outcome::Remarked("nothing".into()) },
                json!({"type": "done", "command": "c-19", "result": "ok", "why": "nothing"}),
            ),
            (
                Fact::Done {
                    command: "c-20".parse().unwrap(),
                    result: Outcome::Delivered(r#"{"devices":[{"mac":"02:77:00:00:00:01"}]}"#.into()),
                },
                json!({"type": "done", "command": "c-20", "result": "ok",
                       "data": {"devices": [{"mac": "02:77:00:00:00:01"}]}}),
            ),
            (
                Fact::Refused {
                    cursor: Some(Cursor { epoch: 7, seq: 1042 }),
                    id: None,
                    why: "a \"quoted\"\nline".into(),
                },
                json!({"type": "refused", "cursor": "7.1042", "why": "a \"quoted\"\nline"}),
            ),
        ];
        for (fact, expected) in told {
            assert_eq!(said(fact), event(expected));
        }
    }

    /// The bytes of the outbox are counted, so an alias is as long as what it stands for.
    #[test]
    fn a_forgotten_person_is_told_of_under_an_alias() {
        let reported = |fact| write(&Reported { at: Wall::from_secs(1), clock: Trust::Trusted, fact });
        let (session, entitlement, mac) = (SessionId(310), EntitlementId(77), MAC);
        let opened = reported(Fact::SessionOpened { session, entitlement, mac });
        let claimed = reported(Fact::Claimed { reference: ReferenceKey([1; 16]), mac });
        let alias = Alias::new([7; 32]);
        let gone = |traces| Forgotten { traces, alias, who: Forgetter::Keeper };
        let by_mac = gone(Traces { devices: [MAC].into(), ..Traces::default() });
        let by_code = gone(Traces { entitlements: [EntitlementId(77)].into(), ..Traces::default() });
        let by_claim = gone(Traces { references: [ReferenceKey([1; 16])].into(), ..Traces::default() });
        let said = |event: &str| Some(event.replace("02:77:00:00:00:01", &alias.of(MAC).to_string()));
        assert_eq!((without(&opened, &by_mac), without(&claimed, &by_mac)), (said(&opened), said(&claimed)));
        assert_eq!((without(&opened, &by_code), without(&claimed, &by_code)), (said(&opened), None));
        assert_eq!((without(&opened, &by_claim), without(&claimed, &by_claim)), (None, said(&claimed)));
        assert_eq!(said(&opened).map(|event| event.len()), Some(opened.len()));
        let data = |mac: &str| {
            let result = Outcome::Delivered(format!(r#"{{"devices":[{{"mac":"{mac}"}}],"audit":[]}}"#));
            reported(Fact::Done { command: "c-1".parse().unwrap(), result })
        };
        let withheld = without(&data("02:77:00:00:00:01"), &by_mac).unwrap();
        assert!(!withheld.contains("data") && withheld.contains(r#""result":"failed""#), "{withheld}");
        assert_eq!(without(&data("02:77:00:00:00:02"), &by_mac), None);
    }

    #[test]
    fn an_untrusted_time_says_so() {
        let fact = Fact::Done { command: "c-1".parse().unwrap(), result: Outcome::Done };
        let reported = Reported { at: Wall::from_secs(0), clock: Trust::Floor, fact };
        let event: Value = serde_json::from_str(&write(&reported)).unwrap();
        assert_eq!((&event["at"], &event["clock"]), (&json!("1970-01-01T00:00:00Z"), &json!("floor")));
    }

    #[test]
    fn a_batch_is_one_body_of_events_in_order() {
        let mut batch = Batch::new("gw-5f1c", &"b-91".parse().unwrap(), BATCH_MAX);
        assert!(batch.push(Seq(1235), r#"{"type":"usage","seconds":1}"#));
        assert!(batch.push(Seq(1240), r#"{"type":"usage","seconds":2}"#));
        assert!(!batch.push(Seq(1241), "not an event"));
        let (last, body) = batch.finish().unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(last, Seq(1240));
        assert_eq!(
            body,
            json!({"device": "gw-5f1c", "boot": "b-91", "events": [
                {"seq": 1235, "type": "usage", "seconds": 1},
                {"seq": 1240, "type": "usage", "seconds": 2},
            ]})
        );
    }

    #[test]
    fn a_batch_ends_before_it_is_too_long_but_holds_one_event_at_least() {
        let boot = "b-1".parse().unwrap();
        assert_eq!(Batch::new("gw", &boot, 100).finish(), None);
        let long = format!(r#"{{"why":"{}"}}"#, "x".repeat(200));
        let mut batch = Batch::new("gw", &boot, 100);
        assert!(batch.push(Seq(1), &long));
        assert!(!batch.push(Seq(2), r#"{"a":1}"#));
        let mut batch = Batch::new("gw", &boot, 100);
        while batch.push(Seq(1), r#"{"a":1}"#) {}
        let (_, body) = batch.finish().unwrap();
        assert!(body.len() <= 100 && body.len() > 80, "{}", body.len());
    }

    #[test]
    fn only_what_was_sent_can_be_acknowledged() {
        assert_eq!(read_acked(br#"{"acked":1240}"#, Seq(1240)), Ok(Seq(1240)));
        assert_eq!(read_acked(br#"{"acked":0,"new":true}"#, Seq(1240)), Ok(Seq(0)));
        let beyond = AckError::NeverSent { acked: Seq(1241), sent: Seq(1240) };
        assert_eq!(read_acked(br#"{"acked":1241}"#, Seq(1240)), Err(beyond));
        for bad in ["", "{}", "[]", r#"{"acked":-1}"#, r#"{"acked":"7"}"#, r#"{"acked":1.5}"#, "<html>"] {
            assert_eq!(read_acked(bad.as_bytes(), Seq(9)), Err(AckError::Malformed), "{bad}");
        }
    }
}
