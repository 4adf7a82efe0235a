//! A guest with a phone in the hand: opens the portal, fills its form, taps its buttons.

use std::io;
use std::net::SocketAddr;

use super::http::{Request, Response};
use super::phone::Phone;
use super::portal_v4;

/// The portal as seen from one phone.
pub(crate) struct Browser<'a> {
    phone: &'a Phone,
    portal: SocketAddr,
}

impl<'a> Browser<'a> {
    /// Over IPv4.
    pub(crate) fn of(phone: &'a Phone) -> Self {
        Self { phone, portal: portal_v4() }
    }

    /// By way of another address of the portal.
    pub(crate) fn at(phone: &'a Phone, portal: SocketAddr) -> Self {
        Self { phone, portal }
    }

    /// The value of `Host` and, with `http://` before it, of `Origin`.
    pub(crate) fn host(&self) -> String {
        self.portal.to_string()
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> Response {
        let page = self.phone.get(self.portal, &self.host(), path);
        page.unwrap_or_else(|error| panic!("GET {path} of {}: {error}", self.phone.mac))
    }

    /// The token in the form of the first page.
    pub(crate) fn token(&self) -> String {
        let page = self.get("/");
        page.field("token").unwrap_or_else(|| panic!("no token in {page:?}")).to_owned()
    }

    /// Sends a form, as a browser does that is on the portal's page.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.form(path, fields).with("Origin", &format!("http://{}", self.host()));
        self.send(&request)
    }

    /// The bare request of a form, to be altered.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        Request::form(&self.host(), path, fields)
    }

    /// Sends a request as it is.
    pub(crate) fn send(&self, request: &Request) -> Response {
        let answer = self.phone.send(self.portal, request);
        answer.unwrap_or_else(|error| panic!("{request:?} of {}: {error}", self.phone.mac))
    }

    /// As [`Self::login`], on a network that may break meanwhile.
    pub(crate) fn try_login(&self, code: &str) -> io::Result<Response> {
        let page = self.phone.send(self.portal, &Request::get(&self.host(), "/"))?;
        let token = page.field("token").ok_or(io::ErrorKind::UnexpectedEof)?;
        let request = self.form("/login", &[("code", code), ("token", token)]);
        self.phone.send(self.portal, &request.with("Origin", &format!("http://{}", self.host())))
    }

    /// Types `code` into the form of the first page.
    pub(crate) fn login(&self, code: &str) -> Response {
        self.submit(&[("code", code)])
    }

    /// Fills the form of the first page with `fields` and sends it.
    pub(crate) fn submit(&self, fields: &[(&str, &str)]) -> Response {
        let page = self.get("/");
        let hidden = |name| Some((name, page.field(name)?));
        let token = hidden("token").unwrap_or_else(|| panic!("no token in {page:?}"));
        let filled: Vec<_> = fields.iter().copied().chain([token]).chain(hidden("terms")).collect();
        self.post("/login", &filled)
    }

    /// Types `code`; it must be taken.
    pub(crate) fn must_login(&self, code: &str) {
        let answer = self.login(code);
        assert_eq!(answer.status, 303, "login of {} with {code}: {answer:?}", self.phone.mac);
        assert!(answer.header("location").is_some_and(|to| to.ends_with("/status")), "{answer:?}");
    }

    /// Taps "move here" on the page `asked`, which a login was answered with.
    pub(crate) fn move_here(&self, asked: &Response) -> Response {
        let field = |name| asked.field(name).unwrap_or_else(|| panic!("no {name} in {asked:?}"));
        let fields = ["code", "token", "move"].map(|name| (name, field(name)));
        assert_eq!(fields[2].1, "1");
        self.post("/login", &fields)
    }

    /// Taps "end on this device".
    pub(crate) fn logout(&self) -> Response {
        let token = self.token();
        self.post("/logout", &[("token", &token)])
    }
}
