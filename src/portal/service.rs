//! Answers one request of a guest.
//!
//! `captive` says what the request means; here the device is found, the form read and checked (origin,
//! then size and encoding, then device, then token), the desk asked, the page written. A redirect to the
//! portal does none of that.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::{Request, StatusCode, Version, header};

use super::connection::Visit;
use super::dress::Dress;
use super::entry::Entry;
use super::frame::{Frame, localized};
use super::pages::{self, Internet};
use super::response::{self, Reply};
use super::{desk, form};
use crate::captive::{
    Access, AfterLogin, Answer, Asked, Awaited, Door, Form, Head, Hosts, Notice, Outage, Page, PlanCard,
    SamePage, Standing, Strings, after_login, answer, api, origin_is_ours, same_page, secure_origin,
};
use crate::config::{Config, Policy};
use crate::domain::{self, Mac, Now, Refusal, SessionView, TermsVersion, Uplink};

/// The response to `request`.
pub(super) async fn respond(visit: Rc<Visit>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    visit.progress.begin();
    // Who serves in its place has other doors.
    let is_left = visit.context.desk.is_closed();
    let must_close = visit.progress.is_last() || is_left;
    let config = Arc::clone(&visit.context.config.borrow());
    let (head, here) = (head(&request), visit.here(&config));
    let (answer, asked) = answer(&head, here, &config.gateway.language);
    let wanted = same_page(&head, here);
    let dress = visit.context.wardrobe.dress(&config);
    let guest = Guest { visit: &visit, config: &config, dress: &dress, asked };
    if !matches!(answer, Answer::Read(_)) && !request.body().is_end_stream() {
        visit.leaves_unread();
    }
    let response = match answer {
        Answer::ToPortal(url) => match (wanted, guest.stale_device().await) {
            (Some(wanted), Some(mac)) => guest.led_back(&wanted, mac),
            (Some(_) | None, Some(_) | None) => response::to_portal(&url),
        },
        Answer::Refuse(notice) => guest.refused(notice, None, &Entry::none()),
        Answer::Show(page) => guest.show(page).await,
        Answer::Read(form) => guest.take(form, request).await,
    };
    visit.progress.answered();
    let response = if visit.by() == Door::Plain && config.gateway.tls.is_some() {
        response::that_may_lead_to(
            &secure_origin(&config.gateway.portal_name, config.gateway.https_port),
            response,
        )
    } else {
        response
    };
    Ok(if must_close { response::closing(response) } else { response })
}

/// The bytes of the page of `notice`, for a request that was never read.
pub(super) fn bare_notice(visit: &Visit, notice: Notice) -> Vec<u8> {
    let config = Arc::clone(&visit.context.config.borrow());
    let asked = Asked::unread(&config.gateway.language);
    let dress = visit.context.wardrobe.dress(&config);
    let page = pages::notice(Frame::new(&asked, &config, &dress, "/"), notice, None, &Entry::none());
    response::raw(response::refusal(notice, asked.language.tag, &dress, String::new()), &page)
}

fn head(request: &Request<Incoming>) -> Head<'_> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    Head {
        method: request.method().as_str(),
        authority: request.uri().authority().map(|authority| authority.as_str()),
        path: request.uri().path(),
        query: request.uri().query(),
        hosts: match (hosts.next(), hosts.next()) {
            (None, _) if request.version() < Version::HTTP_11 => Hosts::Missing,
            (Some(host), None) => Hosts::One(host.to_str().unwrap_or_default()),
            (None | Some(_), _) => Hosts::Improper,
        },
        accept_language: headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    }
}

/// The guest of one request.
struct Guest<'a> {
    visit: &'a Visit,
    config: &'a Config,
    dress: &'a Dress,
    asked: Asked,
}

impl Guest<'_> {
    /// The device of a guest who has no reason any more to be at the captive address: it is the phone's memory
    /// that is at fault.
    async fn stale_device(&self) -> Option<Mac> {
        let context = &self.visit.context;
        if context.view.borrow().uplink.uplink == Uplink::Down || !self.visit.is_captive(self.config) {
            return None;
        }
        let mac = self.visit.device().await?;
        let is_free =
            self.is_listed(mac, Policy::Trusted) || self.session(mac, context.clock.now()).is_some();
        is_free.then_some(mac)
    }

    /// To the page that `mac` wanted: at once, while that may help, and then by a page that tries it later.
    fn led_back(&self, wanted: &SamePage, mac: Mac) -> Reply {
        let context = &self.visit.context;
        if context.sent_back.admit(mac, context.clock.now().boot) {
            return response::back(&wanted.url);
        }
        let origin = self.visit.here(self.config).to_string();
        let body = pages::soon(self.frame_for("/status", mac).leading_to(origin), &wanted.host);
        response::not_yet(self.asked.language.tag, self.dress, body, pages::REFRESH_SOON)
    }

    async fn show(&self, page: Page) -> Reply {
        match page {
            Page::Terms => self.page("/terms", |frame| pages::terms(frame, self.config)),
            Page::Privacy => {
                self.page("/privacy", |frame| pages::privacy(frame, self.config, self.visit.by()))
            }
            Page::Welcome | Page::Status | Page::Api => match self.visit.device().await {
                Some(mac) => self.show_to(mac, page),
                None => self.refused(Notice::NoDevice, None, &Entry::none()),
            },
        }
    }

    fn show_to(&self, mac: Mac, page: Page) -> Reply {
        let now = self.visit.context.clock.now();
        let session = self.session(mac, now);
        if self.is_listed(mac, Policy::Blocked) && page != Page::Api {
            return self.refused(Notice::Blocked, Some(mac), &Entry::none());
        }
        if page == Page::Api {
            let access = match &session {
                Some(session) => Access::Session(session),
                None if self.is_listed(mac, Policy::Trusted) => Access::Trusted,
                None => Access::Held,
            };
            return response::captive_json(api(access, self.visit.here(self.config), now));
        }
        let token = self.visit.context.key.token(mac, now.wall);
        let t = self.t();
        let outage = self.outage(session.as_ref(), now);
        let standing = session.map(|session| Standing::of(&session, &self.config.plans, t, now));
        let awaited = self.awaited(mac);
        let frame = |path| self.frame_for(path, mac);
        let body = match (page, standing, awaited) {
            (Page::Status, Some(standing), _) => pages::status(frame("/status"), standing, outage, &token),
            (Page::Status, None, Some(awaited)) => pages::waiting(frame("/status"), awaited, outage, &token),
            (_, None, None) if self.is_listed(mac, Policy::Trusted) => {
                let outage = outage.map(|outage| Outage { effect: "", ..outage });
                pages::trusted(frame("/"), outage.as_ref())
            }
            (Page::Status, None, None) => pages::offline(frame("/status"), self.internet(outage), &token),
            (_, standing, _) => {
                pages::welcome(frame("/"), self.config, standing, outage, &token, &self.asked.typed)
            }
        };
        response::page(StatusCode::OK, t.language.tag, self.dress, body)
    }

    async fn take(&self, form: Form, request: Request<Incoming>) -> Reply {
        let has_body = !request.body().is_end_stream();
        let from_us = self.comes_from_us(&request);
        let fields = match form::read(request).await {
            Ok(fields) => fields,
            Err(notice) => {
                if has_body {
                    self.visit.leaves_unread();
                }
                return response::closing(self.refused(notice, None, &Entry::none()));
            }
        };
        let Some(mac) = self.visit.device().await else {
            return self.refused(Notice::NoDevice, None, &Entry::none());
        };
        if self.is_listed(mac, Policy::Blocked) {
            return self.refused(Notice::Blocked, Some(mac), &Entry::none());
        }
        let entry = Entry::of(&fields);
        let now = self.visit.context.clock.now();
        let has_token =
            fields.get("token").is_some_and(|token| self.visit.context.key.accepts(token, mac, now.wall));
        if !from_us || !has_token {
            return self.refused(Notice::Stale, Some(mac), &entry);
        }
        if self.config.gateway.terms_required
            && matches!(form, Form::Login | Form::Trial)
            && entry.terms != Some(self.dress.terms.version)
        {
            return self.refused(Notice::Unaccepted, Some(mac), &entry);
        }
        match form {
            Form::Login => self.log_in(mac, &entry).await,
            Form::Logout => self.left(desk::logout(self.visit, mac).await),
            Form::Forget => self.left(desk::forget(self.visit, mac).await),
            Form::Trial => self.try_free(mac, &entry).await,
        }
    }

    async fn log_in(&self, mac: Mac, entry: &Entry) -> Reply {
        let has_phone = entry.given.phone.is_some() && self.config.cloud.is_some();
        if entry.typed.is_empty() && !has_phone && !self.takes_digits_alone(mac, entry) {
            return self.refused(Notice::Empty, Some(mac), &Entry::none());
        }
        let reply = desk::login(self.visit, mac, entry, self.accepted(entry)).await;
        self.let_in(reply, mac, entry)
    }

    async fn try_free(&self, mac: Mac, entry: &Entry) -> Reply {
        let reply = desk::trial(self.visit, mac, self.accepted(entry)).await;
        self.let_in(reply, mac, entry)
    }

    /// What is noted of the terms: nothing, where the operator does not want that.
    fn accepted(&self, entry: &Entry) -> Option<TermsVersion> {
        entry.terms.filter(|_| self.config.gateway.terms_required)
    }

    /// What the desk says to who wants to be let in.
    fn let_in(&self, reply: Option<domain::Reply>, mac: Mac, entry: &Entry) -> Reply {
        let language = self.asked.language.tag;
        response::closing(match after_login(reply) {
            AfterLogin::Online => self.go_to("/status"),
            AfterLogin::Refused(notice) => self.refused(notice, Some(mac), entry),
            AfterLogin::Waiting => {
                let outage = self.outage(None, self.visit.context.clock.now());
                let frame = self.frame_for("/status", mac);
                let body = pages::waiting(frame, Awaited::Payment, outage, &self.token(mac));
                response::page(StatusCode::ACCEPTED, language, self.dress, body)
            }
            AfterLogin::Prove(proof, tried) => {
                let body = pages::prove(self.frame_for("/", mac), proof, tried, &self.token(mac), entry);
                response::page(StatusCode::FORBIDDEN, language, self.dress, body)
            }
            AfterLogin::AskToMove => {
                let body = pages::ask_to_move(self.frame_for("/", mac), &self.token(mac), entry);
                response::page(StatusCode::CONFLICT, language, self.dress, body)
            }
        })
    }

    /// Whether digits of a phone are all that was missing; or were, if the button was pressed twice.
    fn takes_digits_alone(&self, mac: Mac, entry: &Entry) -> bool {
        let is_online = || self.session(mac, self.visit.context.clock.now()).is_some();
        entry.digits_alone().is_some() && (self.awaited(mac) == Some(Awaited::Digits) || is_online())
    }

    /// What the desk says to who wants to leave.
    fn left(&self, reply: Option<domain::Reply>) -> Reply {
        use domain::Reply::{Closed, Done, Online, Refused, Waiting};
        response::closing(match reply {
            Some(Closed(_) | Done | Refused(Refusal::NotOnline)) => self.go_to("/"),
            Some(Online(_) | Waiting | Refused(_)) | None => {
                self.refused(Notice::NotStored, None, &Entry::none())
            }
        })
    }

    /// Whether the browser says that the form is one of ours, or says nothing.
    fn comes_from_us(&self, request: &Request<Incoming>) -> bool {
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let here = self.visit.here(self.config);
        origins.all(|origin| origin.to_str().is_ok_and(|origin| origin_is_ours(origin, here)))
    }

    /// The session of `mac`, unless its time is over and only the desk has not said so yet.
    fn session(&self, mac: Mac, now: Now) -> Option<SessionView> {
        let session = self.visit.context.view.borrow().sessions.get(&mac).cloned()?;
        Some(session).filter(|session| session.time_left(now) != Some(Duration::ZERO))
    }

    /// What is missing for the payment of `mac` to open it.
    fn awaited(&self, mac: Mac) -> Option<Awaited> {
        self.visit.context.view.borrow().waiting.get(&mac).copied().and_then(Awaited::of)
    }

    /// What `mac` may have for free now.
    fn free(&self, mac: Mac) -> Option<PlanCard> {
        let now = self.visit.context.clock.now();
        if self.session(mac, now).is_some() {
            return None;
        }
        let view = self.visit.context.view.borrow();
        let trial = view.trial.as_ref().filter(|trial| trial.had.wait(mac, now).is_none())?;
        Some(PlanCard::of(&trial.plan, self.t()))
    }

    fn outage(&self, session: Option<&SessionView>, now: Now) -> Option<Outage<'_>> {
        let view = self.visit.context.view.borrow();
        if view.is_locked {
            return Some(Outage::locked(self.t()));
        }
        Outage::of(view.uplink, session, self.t(), now)
    }

    fn internet<'a>(&self, outage: Option<Outage<'a>>) -> Internet<'a> {
        match (outage, self.visit.context.view.borrow().uplink.uplink) {
            (Some(outage), _) => Internet::Down(outage),
            (None, Uplink::Up) => Internet::Up,
            (None, Uplink::Unknown | Uplink::Down) => Internet::Unknown,
        }
    }

    /// Whether the operator, or the cloud, treats `mac` so.
    fn is_listed(&self, mac: Mac, policy: Policy) -> bool {
        self.config.devices.iter().any(|listed| listed.mac == mac && listed.policy == policy)
    }

    fn t(&self) -> Strings<'_> {
        self.dress.strings(self.asked.language)
    }

    fn token(&self, mac: Mac) -> String {
        self.visit.context.key.token(mac, self.visit.context.clock.now().wall)
    }

    fn frame(&self, path: &'static str) -> Frame<'_> {
        Frame::new(&self.asked, self.config, self.dress, path)
    }

    fn frame_for(&self, path: &'static str, mac: Mac) -> Frame<'_> {
        self.frame(path).of_device(Some(mac)).awaiting(self.awaited(mac)).offering(self.free(mac))
    }

    fn page(&self, path: &'static str, write: impl FnOnce(Frame<'_>) -> String) -> Reply {
        response::page(StatusCode::OK, self.asked.language.tag, self.dress, write(self.frame(path)))
    }

    /// The page of `notice`; with the field again for `mac`, holding what was typed.
    fn refused(&self, notice: Notice, mac: Option<Mac>, entry: &Entry) -> Reply {
        let token = mac.map(|mac| self.token(mac));
        let frame = mac.map_or_else(|| self.frame("/"), |mac| self.frame_for("/", mac));
        let body = pages::notice(frame, notice, token.as_deref(), entry);
        response::refusal(notice, self.asked.language.tag, self.dress, body)
    }

    fn go_to(&self, path: &str) -> Reply {
        response::see_other(&localized(path, self.asked.language, self.asked.chosen))
    }
}
