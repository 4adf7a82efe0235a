//! Vouchers made, imported, looked up and withdrawn here: what needs the ledger and nothing else, so the
//! same code serves the daemon and the commands that work without one.
//!
//! Owns: reading rows, what a voucher is shown as. Never: keeps a code; only its hash and its last three
//! characters stay. Neighbours: `draw` has the codes; `ask` for the daemon, `app::offline` without one.

use super::ask::{Asked, accepted, parse};
use super::draw::{self, Drawn};
use super::keys::Keys;
use super::ledger::Ledger;
use super::{backup, persons, plans, stock, trail};
use crate::clock::random;
use crate::config::Config;
use crate::domain::{
    Action, Actor, BatchId, CodeForm, CodeKey, Entitlement, Hint, Input, Kind, Mac, Moment, Normal, Now,
    Plan, PlanId, SiteKey, Voucher, VoucherState, Wall,
};
use crate::ordered::OrdSet;
use crate::store::StoreError;
use crate::wire::control::{
    Answer, Code, Failure, Form, ImportRow, Imported, NewVouchers, Request, RowError, Sheet, TypedCode,
    VOUCHERS_MAX, VoucherListed, VoucherMade, VoucherShown, VouchersMade,
};

/// Shortest code that is taken from a file.
const SHORTEST_IMPORTED: usize = 4;

/// Does what `request` asks of the ledger alone.
pub(super) async fn answer(
    ledger: &mut Ledger,
    keys: &Keys,
    config: &Config,
    request: Request,
    by: &Actor,
) -> Asked<Answer> {
    let site = &keys.site;
    Ok(match request {
        Request::VoucherNew(wish) => Answer::VoucherNew(make(ledger, keys, config, &wish, by).await?),
        Request::VoucherShow { code } => {
            let voucher = find(ledger, site, &code).await?;
            Answer::VoucherShow(show(ledger, &voucher).await?)
        }
        Request::VoucherRevoke { code } => {
            let (key, input) = revocation(ledger, site, &code).await?;
            order(ledger, by, Action::VoucherRevoke, input).await?;
            Answer::VoucherRevoke(show_key(ledger, key).await?)
        }
        Request::VoucherList { batch } => Answer::VoucherList(list(ledger, batch.as_deref()).await?),
        Request::VoucherReprint(wish) => {
            Answer::VoucherReprint(stock::reprint(ledger, keys, config, wish, by).await?)
        }
        Request::VoucherReport { batch } => {
            Answer::VoucherReport(stock::report(ledger, batch.as_deref()).await?)
        }
        Request::VoucherImport { rows, dry_run } => {
            let (outcome, new) = sifted(ledger, site, &rows).await?;
            if !new.is_empty() && !dry_run {
                order(ledger, by, Action::VoucherImport, Input::MakeVouchers { vouchers: new }).await?;
            }
            Answer::VoucherImport(outcome)
        }
        Request::PlanList => Answer::PlanList(plans::list(ledger)),
        Request::Export { whose } => persons::export(ledger, keys, &whose, by).await?,
        Request::Forget { whose } => persons::forget_now(ledger, keys, &whose, by).await?,
        Request::Audit => trail::shown(ledger).await?,
        Request::AuditVerify => trail::verified(ledger).await?,
        Request::Backup => backup::back_up_now(ledger, config, by).await?,
        Request::Status
        | Request::Sessions
        | Request::Login { .. }
        | Request::Logout(_)
        | Request::Topup { .. }
        | Request::Extend { .. }
        | Request::Refund { .. }
        | Request::Move { .. }
        | Request::Merge { .. }
        | Request::Doctor { .. }
        | Request::Clock
        | Request::ClockReset
        | Request::KeyRotate
        | Request::Metrics
        | Request::Sync
        | Request::SyncNow
        | Request::Enrol(_) => {
            return Err(Failure::new(
                Code::Usage,
                "this command needs the running daemon",
                "leave --offline out, and start the daemon with: lango run",
            ));
        }
    })
}

/// Does what closes nobody's session, and notes who wanted it.
pub(super) async fn order(ledger: &mut Ledger, by: &Actor, action: Action, input: Input) -> Asked<()> {
    let order = trail::ordered(by, action, input);
    accepted(ledger.transact(vec![order]).await.replies.into_iter().next())
}

async fn make(
    ledger: &mut Ledger,
    keys: &Keys,
    config: &Config,
    wish: &NewVouchers,
    by: &Actor,
) -> Asked<VouchersMade> {
    let plan: PlanId = parse(&wish.plan)?;
    let sheet = sheet_of(ledger, config, &plan)?;
    if !(1..=VOUCHERS_MAX).contains(&wish.count) {
        let message = format!("{} vouchers at once are too many or none", wish.count);
        return Err(Failure::new(Code::Usage, message, format!("--count takes 1 to {VOUCHERS_MAX}")));
    }
    let made = draw_codes(ledger, keys, &plan, wish).await?;
    let now = ledger.clock.now();
    let batch = batch_name(now.wall);
    let voucher = |made: &Drawn| Voucher {
        kind: Kind::Voucher,
        id: None,
        proof: None,
        key: made.key,
        plan: plan.clone(),
        batch: Some(batch.clone()),
        activate_by: None,
        made: now.wall,
        hint: made.hint.clone(),
        entitlement: None,
        state: VoucherState::Unused,
    };
    let vouchers = made.iter().map(voucher).collect();
    order(ledger, by, Action::VoucherNew, Input::MakeVouchers { vouchers }).await?;
    Ok(shown(made, &plan, &batch, sheet))
}

/// Codes as they are handed out, this once.
pub(super) fn shown(made: Vec<Drawn>, plan: &PlanId, batch: &BatchId, sheet: Sheet) -> VouchersMade {
    let shown = made.into_iter().map(|made| VoucherMade {
        code: made.code,
        plan: plan.to_string(),
        batch: batch.to_string(),
    });
    VouchersMade { vouchers: shown.collect(), sheet }
}

pub(super) async fn draw_codes(
    ledger: &Ledger,
    keys: &Keys,
    plan: &PlanId,
    wish: &NewVouchers,
) -> Asked<Vec<Drawn>> {
    let (count, prefix) = (wish.count as usize, wish.prefix.as_deref().unwrap_or(""));
    let form = match wish.form {
        Form::Digits => CodeForm::Digits,
        Form::WeakDigits => CodeForm::WeakDigits,
        Form::Letters => CodeForm::Letters,
        Form::SelfVerifying => {
            let plan = plan_of(ledger, plan)?;
            return draw::self_verifying(ledger, &keys.site, keys.issuing.last(), plan, count).await;
        }
    };
    draw::listed(ledger, &keys.site, form, prefix, count).await
}

pub(super) fn sheet_of(ledger: &Ledger, config: &Config, plan: &PlanId) -> Asked<Sheet> {
    let plan = plan_of(ledger, plan)?;
    let gateway = &config.gateway;
    Ok(Sheet {
        portal_name: gateway.portal_name.clone(),
        title: gateway.title.clone(),
        plan_title: plan.title_in(&gateway.language).to_owned(),
        price: plan.price.clone(),
        currency: plan.currency.clone(),
        support_phone: gateway.support_phone.clone(),
    })
}

fn plan_of<'a>(ledger: &'a Ledger, id: &PlanId) -> Asked<&'a Plan> {
    let refusal = || super::ask::refused(&crate::domain::Refusal::NoSuchPlan(id.clone()));
    ledger.gate.plan(id).ok_or_else(refusal)
}

/// `B20261122-4f07a1`: the day, as far as it is known, and something that no other batch has.
pub(super) fn batch_name(now: Wall) -> BatchId {
    let day: String = now.to_string().chars().filter(char::is_ascii_digit).take(8).collect();
    let [a, b, c] = random();
    format!("B{day}-{a:02x}{b:02x}{c:02x}").parse().expect("digits and a dash make a batch name")
}

/// What would come of an import, and the vouchers that it would make.
async fn sifted(ledger: &Ledger, site: &SiteKey, rows: &[ImportRow]) -> Asked<(Imported, Vec<Voucher>)> {
    let now = ledger.clock.now();
    let mut outcome = Imported::default();
    let (mut read, mut seen) = (Vec::new(), OrdSet::new());
    for row in rows {
        match voucher_of(ledger, site, row, now) {
            Ok(voucher) if seen.insert(voucher.key) => read.push(voucher),
            Ok(_) => outcome.skipped += 1,
            Err(message) => outcome.errors.push(RowError { line: row.line, message }),
        }
    }
    let keys = read.iter().map(|voucher| voucher.key).collect();
    let known = ledger.store.find(keys).await.map_err(unreadable)?;
    let (new, old): (Vec<_>, Vec<_>) = read.into_iter().zip(known).partition(|(_, known)| known.is_none());
    outcome.skipped += old.len() as u64;
    outcome.added = new.len() as u64;
    Ok((outcome, new.into_iter().map(|(voucher, _)| voucher).collect()))
}

/// The voucher of a row, or what is wrong with the row.
fn voucher_of(ledger: &Ledger, site: &SiteKey, row: &ImportRow, now: Now) -> Result<Voucher, String> {
    let normal = Normal::of(row.code.reveal())
        .filter(|normal| normal.as_str().len() >= SHORTEST_IMPORTED)
        .ok_or_else(|| format!("code: takes {SHORTEST_IMPORTED} to 32 letters and digits; correct it"))?;
    let plan: PlanId =
        row.plan.parse().map_err(|error| format!("plan: {error}; lango plan list shows the plans"))?;
    if ledger.gate.plan(&plan).is_none() {
        return Err(format!("plan: there is no plan {plan}; lango plan list shows the plans"));
    }
    let batch = row.batch.as_deref().filter(|text| !text.is_empty()).map(str::parse::<BatchId>);
    let activate_by = row.activate_by.as_deref().filter(|text| !text.is_empty());
    Ok(Voucher {
        kind: Kind::Voucher,
        id: None,
        proof: None,
        key: site.voucher(&normal),
        plan,
        batch: batch.transpose().map_err(|error| format!("batch: {error}; name it otherwise"))?,
        activate_by: match activate_by {
            Some(text) => Some(Wall::parse(text).ok_or_else(|| {
                format!("activate_by: {text:.40?} is no time; write it as 2027-01-31T00:00:00Z")
            })?),
            None => None,
        },
        made: now.wall,
        hint: Hint::of(normal.as_str()),
        entitlement: None,
        state: VoucherState::Unused,
    })
}

async fn list(ledger: &Ledger, batch: Option<&str>) -> Asked<Vec<VoucherListed>> {
    let batch = batch.map(parse::<BatchId>).transpose()?;
    let found = ledger.store.list(batch).await.map_err(unreadable)?;
    let now = ledger.clock.now();
    let listed = found.into_iter().map(|voucher| VoucherListed {
        id: voucher.key.to_string(),
        state: state_of(ledger, &voucher, now).word().to_owned(),
        plan: voucher.plan.to_string(),
        batch: voucher.batch.map(|batch| batch.to_string()),
        made: voucher.made.to_string(),
        hint: voucher.hint.to_string(),
    });
    Ok(listed.collect())
}

/// The voucher to withdraw, and the input that does it.
pub(super) async fn revocation(ledger: &Ledger, site: &SiteKey, code: &TypedCode) -> Asked<(CodeKey, Input)> {
    let voucher = find(ledger, site, code).await?;
    Ok((voucher.key, Input::RevokeVoucher { voucher }))
}

async fn find(ledger: &Ledger, site: &SiteKey, code: &TypedCode) -> Asked<Voucher> {
    match Normal::of(code.reveal()) {
        Some(normal) => find_key(ledger, site.voucher(&normal)).await,
        None => Err(no_such_voucher()),
    }
}

async fn find_key(ledger: &Ledger, key: CodeKey) -> Asked<Voucher> {
    let found = ledger.store.find(vec![key]).await.map_err(unreadable)?;
    found.into_iter().next().flatten().ok_or_else(no_such_voucher)
}

/// The voucher of `key` as it is now.
pub(super) async fn show_key(ledger: &Ledger, key: CodeKey) -> Asked<VoucherShown> {
    let voucher = find_key(ledger, key).await?;
    show(ledger, &voucher).await
}

async fn show(ledger: &Ledger, voucher: &Voucher) -> Asked<VoucherShown> {
    let now = ledger.clock.now();
    let state = state_of(ledger, voucher, now);
    let mut devices = OrdSet::new();
    let mut running = None;
    if let Some(id) = voucher.entitlement {
        running = ledger.gate.entitlement(id);
        devices.extend(ledger.gate.devices_of(id));
        if let Some((_, kept)) = ledger.store.entitlement(id).await.map_err(unreadable)? {
            devices.extend(kept);
        }
    }
    let (seconds_left, bytes_left) = match (state, running) {
        (VoucherState::Unused, _) => whole(ledger, &voucher.plan),
        (VoucherState::Active, Some(entitlement)) => left(entitlement, ledger.gate.moment(now)),
        // What was not capped is not used up either.
        (VoucherState::Active | VoucherState::Spent | VoucherState::Expired | VoucherState::Revoked, _) => {
            (Some(0), whole(ledger, &voucher.plan).1.map(|_| 0))
        }
    };
    Ok(VoucherShown {
        plan: voucher.plan.to_string(),
        batch: voucher.batch.as_ref().map(ToString::to_string),
        state: state.word().to_owned(),
        seconds_left,
        bytes_left,
        devices: devices.iter().map(Mac::to_string).collect(),
    })
}

fn left(entitlement: &Entitlement, moment: Moment) -> (Option<u64>, Option<u64>) {
    (entitlement.time_left(moment).map(|left| left.as_secs()), entitlement.data_left().map(|bytes| bytes.0))
}

fn whole(ledger: &Ledger, plan: &PlanId) -> (Option<u64>, Option<u64>) {
    let Some(terms) = ledger.gate.plan(plan).map(|plan| &plan.terms) else { return (None, None) };
    let time = [terms.metered, terms.validity].into_iter().flatten().min();
    let data = [terms.data.total, terms.data.up, terms.data.down].into_iter().flatten().min();
    (time.map(|time| time.as_secs()), data.map(|bytes| bytes.0))
}

/// The state with time taken into account: a code that was not begun in time is expired.
pub(super) fn state_of(ledger: &Ledger, voucher: &Voucher, now: Now) -> VoucherState {
    let plan = ledger.gate.plan(&voucher.plan);
    let last = [voucher.activate_by, plan.and_then(|plan| plan.activate_by)].into_iter().flatten().min();
    match voucher.state {
        VoucherState::Unused if last.is_some_and(|last| now.wall > last) => VoucherState::Expired,
        state @ (VoucherState::Unused
        | VoucherState::Active
        | VoucherState::Spent
        | VoucherState::Expired
        | VoucherState::Revoked) => state,
    }
}

pub(super) fn no_such_voucher() -> Failure {
    Failure::new(
        Code::NoSuchVoucher,
        "there is no voucher with this code",
        "lango voucher list shows all there are",
    )
}

/// The store could not be read.
pub(super) fn unreadable(error: StoreError) -> Failure {
    Failure::new(Code::Internal, error.to_string(), "lango doctor says what is wrong with the storage")
}
