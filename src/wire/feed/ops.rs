//! The ops of a page: one JSON object each, read by itself, so that one bad op spoils no other.

use std::time::Duration;

use serde_json::value::RawValue;

use super::fields::{FieldError, Fields, needed};
use crate::domain::{
    Account, AccountKey, AccountName, Bps, Bytes, CloudCommand, CloudId, CodeKey, DataCap, Hint, Listed,
    Normal, Op, Payment, Person, PhoneTail, Plan, PlanId, PlanNumber, PlanSource, Reference, ReferenceKey,
    Row, RowName, SiteKey, Terms, Wall, Wish,
};
use std::collections::BTreeMap;

/// Languages of a title.
const TITLES_MAX: usize = 32;
const TITLE_MAX: usize = 200;
const PRICE_MAX: usize = 32;
const PIN_HASH_MAX: usize = 256;
/// 100 years: longer spans are slips of the keyboard.
const LONGEST: u64 = 36_500 * 86_400;

/// The ops that were understood, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ops {
    pub known: Vec<Op>,
    pub refused: Vec<RefusedOp>,
    /// Ops of a kind that this version does not know.
    pub skipped: u32,
    /// Fields that this version does not know.
    pub skipped_fields: u32,
}

/// An op of a known kind that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedOp {
    /// Where it stands in the page, from 0.
    pub place: usize,
    /// The cloud's name of it, as far as it has one.
    pub id: Option<CloudId>,
    pub why: FieldError,
}

impl Ops {
    /// Reads them one by one. Codes, references and names become keys under `site`, and are not kept.
    pub(super) fn read(raw: &[&RawValue], site: &SiteKey) -> Self {
        let mut ops = Self::default();
        for (place, raw) in raw.iter().enumerate() {
            let Some(mut fields) = Fields::of(raw.get()) else {
                ops.refuse(
                    place,
                    None,
                    FieldError { field: "op", what: "is no object with each field once" },
                );
                continue;
            };
            let id = match fields.parse("id") {
                Ok(id) => id,
                Err(why) => {
                    ops.refuse(place, None, why);
                    continue;
                }
            };
            match read(&mut fields, id.clone(), site) {
                Ok(Some(op)) => {
                    ops.known.push(op);
                    ops.skipped_fields = ops.skipped_fields.saturating_add(fields.left());
                }
                Ok(None) => ops.skipped = ops.skipped.saturating_add(1),
                Err(why) => ops.refuse(place, id, why),
            }
        }
        ops
    }

    fn refuse(&mut self, place: usize, id: Option<CloudId>, why: FieldError) {
        self.refused.push(RefusedOp { place, id, why });
    }
}

/// `None`: of a kind that is not known.
fn read(fields: &mut Fields<'_>, id: Option<CloudId>, site: &SiteKey) -> Result<Option<Op>, FieldError> {
    let op: String = fields.need("op")?;
    if op == "do" {
        let order = order(fields, site)?;
        let id = needed("id", id)?;
        return Ok(order.map(|order| match order {
            Order::Do(command) => Op::Do { id, command },
            Order::About(person, wish) => Op::About { id, person, wish },
        }));
    }
    let kind: String = fields.need("kind")?;
    match op.as_str() {
        "put" => Ok(row(fields, &kind, id.as_ref(), site)?.map(|row| Op::Put { id, row })),
        "del" => Ok(name(fields, &kind, id.as_ref(), site)?.map(|name| Op::Delete { id, name })),
        _ => Ok(None),
    }
}

fn row(
    fields: &mut Fields<'_>,
    kind: &str,
    id: Option<&CloudId>,
    site: &SiteKey,
) -> Result<Option<Row>, FieldError> {
    Ok(Some(match kind {
        "plan" => Row::Plan(Box::new(plan(fields, plan_id(id)?)?)),
        "voucher" => {
            let (key, hint) = voucher(fields, site)?;
            let (plan, batch) = (sold_plan(fields)?, fields.parse("batch")?);
            Row::Voucher(Listed { key, hint, plan, batch, activate_by: time(fields, "activate_by")? })
        }
        "payment" => {
            let (key, hint) = payment(fields, site)?;
            let (plan, paid_at) = (sold_plan(fields)?, time(fields, "paid_at")?);
            let phone_last4 = fields.read("phone_last4", PhoneTail::of)?;
            Row::Payment(Payment { key, hint, plan, paid_at, phone_last4, mac: fields.parse("mac")? })
        }
        "account" => {
            let key = account(fields, site)?;
            let pin_hash = needed("pin_hash", fields.read("pin_hash", pin_hash)?)?;
            Row::Account(Account { key, pin_hash, plan: sold_plan(fields)? })
        }
        _ => return Ok(None),
    }))
}

fn name(
    fields: &mut Fields<'_>,
    kind: &str,
    id: Option<&CloudId>,
    site: &SiteKey,
) -> Result<Option<RowName>, FieldError> {
    Ok(Some(match kind {
        "plan" => RowName::Plan(plan_id(id)?),
        "voucher" => RowName::Voucher(voucher(fields, site)?.0),
        "payment" => RowName::Payment(payment(fields, site)?.0),
        "account" => RowName::Account(account(fields, site)?),
        _ => return Ok(None),
    }))
}

fn plan_id(id: Option<&CloudId>) -> Result<PlanId, FieldError> {
    let id = needed("id", id)?;
    id.as_str().parse().map_err(|_| FieldError { field: "id", what: "is no name of a plan" })
}

fn sold_plan(fields: &mut Fields<'_>) -> Result<PlanId, FieldError> {
    needed("plan", fields.parse("plan")?)
}

fn voucher(fields: &mut Fields<'_>, site: &SiteKey) -> Result<(CodeKey, Hint), FieldError> {
    let typed: Option<String> = fields.get("code")?;
    let hashed = |code: &String| Normal::of(code).map(|normal| (site.voucher(&normal), Hint::of(code)));
    one_of("code", typed.as_ref().map(hashed), fields.parse("key")?.map(|key| (key, Hint::default())))
}

fn payment(fields: &mut Fields<'_>, site: &SiteKey) -> Result<(ReferenceKey, Hint), FieldError> {
    let typed = fields.get::<String>("reference")?.map(|typed| Reference::of(&typed));
    let hashed = |reference: Reference| (site.payment(&reference), Hint::of(reference.as_str()));
    let clear = typed.map(|reference| reference.map(hashed));
    one_of("reference", clear, fields.parse("key")?.map(|key| (key, Hint::default())))
}

fn account(fields: &mut Fields<'_>, site: &SiteKey) -> Result<AccountKey, FieldError> {
    let typed = fields.get::<String>("name")?.map(|typed| AccountName::of(&typed));
    one_of("name", typed.map(|name| name.map(|name| site.account(&name))), fields.parse("key")?)
}

/// What came in the clear, under `field`, or as a key: one of them. In the clear it may make no sense.
fn one_of<T>(field: &'static str, clear: Option<Option<T>>, key: Option<T>) -> Result<T, FieldError> {
    match (clear, key) {
        (None, Some(key)) | (Some(Some(key)), None) => Ok(key),
        (Some(None), None) => Err(FieldError { field, what: "makes no sense" }),
        (None, None) => Err(FieldError { field, what: "is missing, and so is key" }),
        (Some(_), Some(_)) => Err(FieldError { field, what: "stands beside key" }),
    }
}

fn plan(fields: &mut Fields<'_>, id: PlanId) -> Result<Plan, FieldError> {
    let mut plan = Plan::unlimited(id, PlanSource::Cloud);
    plan.title = title(fields)?;
    plan.activate_by = time(fields, "activate_by")?;
    plan.number = number(fields)?;
    plan.terms = terms(fields)?;
    plan.price = fields.read("price", |text| short(text, PRICE_MAX))?.unwrap_or_default();
    plan.currency = fields.read("currency", |text| short(text, PRICE_MAX))?.unwrap_or_default();
    Ok(plan)
}

fn number(fields: &mut Fields<'_>) -> Result<Option<PlanNumber>, FieldError> {
    let unfit = FieldError { field: "number", what: "is not 0 to 15" };
    fields.get("number")?.map(|number| PlanNumber::new(number).ok_or(unfit)).transpose()
}

fn terms(fields: &mut Fields<'_>) -> Result<Terms, FieldError> {
    let terms = Terms {
        metered: span(fields, "metered_s")?,
        validity: span(fields, "validity_s")?,
        data: DataCap {
            total: some_of(fields, "bytes")?.map(Bytes),
            up: some_of(fields, "bytes_up")?.map(Bytes),
            down: some_of(fields, "bytes_down")?.map(Bytes),
        },
        down: some_of(fields, "down_bps")?.map(Bps),
        up: some_of(fields, "up_bps")?.map(Bps),
        devices: fields.get("devices")?.unwrap_or(1),
        bound_devices: fields.get("bound_devices")?.unwrap_or(0),
        idle_timeout: span(fields, "idle_s")?,
        count_while_uplink_down: fields.get("count_while_uplink_down")?.unwrap_or(false),
    };
    if terms.devices == 0 {
        return Err(FieldError { field: "devices", what: "is none at all" });
    }
    Ok(terms)
}

fn title(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, FieldError> {
    let title: BTreeMap<String, String> = fields.get("title")?.unwrap_or_default();
    let fits = title.len() <= TITLES_MAX
        && title
            .iter()
            .all(|(tag, text)| short(tag, PRICE_MAX).is_some() && short(text, TITLE_MAX).is_some());
    if fits { Ok(title) } else { Err(FieldError { field: "title", what: "makes no sense" }) }
}

/// A number that means a limit. None at all would be a plan that gives nothing, or, read the other way,
/// everything: neither is believed.
fn some_of(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<u64>, FieldError> {
    let storable = |number: &u64| (1..=i64::MAX.unsigned_abs()).contains(number);
    match fields.get(field)? {
        Some(number) if !storable(&number) => {
            Err(FieldError { field, what: "is nothing, or beyond measure" })
        }
        number => Ok(number),
    }
}

fn span(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<Duration>, FieldError> {
    match some_of(fields, field)? {
        Some(seconds) if seconds > LONGEST => Err(FieldError { field, what: "is longer than 100 years" }),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

fn time(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<Wall>, FieldError> {
    fields.read(field, Wall::parse)
}

fn pin_hash(text: &str) -> Option<String> {
    short(text, PIN_HASH_MAX).filter(|text| text.starts_with("$argon2id$"))
}

/// The text, unless it is longer than that many bytes or has control characters.
fn short(text: &str, most: usize) -> Option<String> {
    (text.len() <= most && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

enum Order {
    Do(CloudCommand),
    About(Person, Wish),
}

/// `None`: a command that is not known.
fn order(fields: &mut Fields<'_>, site: &SiteKey) -> Result<Option<Order>, FieldError> {
    let command: String = fields.need("command")?;
    let command = match command.as_str() {
        "forget" => return Ok(Some(Order::About(person(fields, site)?, Wish::Forget))),
        "export" => return Ok(Some(Order::About(person(fields, site)?, Wish::Export))),
        "kick" => CloudCommand::Kick(needed("mac", fields.parse("mac")?)?),
        "grant" => {
            CloudCommand::Grant { mac: needed("mac", fields.parse("mac")?)?, plan: sold_plan(fields)? }
        }
        "block" => CloudCommand::Block(needed("mac", fields.parse("mac")?)?),
        "reload_plans" => CloudCommand::ReloadPlans,
        _ => return Ok(None),
    };
    Ok(Some(Order::Do(command)))
}

fn person(fields: &mut Fields<'_>, site: &SiteKey) -> Result<Person, FieldError> {
    let mac = fields.parse("mac")?;
    let code = fields.read("code", |text| Normal::of(text).map(|code| site.voucher(&code)))?;
    let payment = |text: &str| Reference::of(text).map(|found| CodeKey(site.payment(&found).0));
    let reference = fields.read("reference", payment)?;
    let keys = code.into_iter().chain(reference).collect();
    let person = Person { mac, keys, phone_last4: fields.read("phone_last4", PhoneTail::of)? };
    if person == Person::default() {
        return Err(FieldError {
            field: "mac",
            what: "is missing, and so is everything else that names a guest",
        });
    }
    Ok(person)
}
