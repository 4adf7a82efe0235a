//! Responses: the headers that every one carries, and those of each kind.
//!
//! There is no `Date`: the gateway's clock may not know it. Nothing may be stored by a browser, because
//! each answer is about one device at one moment.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};

use super::dress::Dress;
use crate::captive::Notice;

pub(super) type Reply = Response<Full<Bytes>>;

/// For what is no page.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
const HTML: &str = "text/html; charset=utf-8";

/// 302 to `url`, which is ours. The body is there because some systems look at nothing else.
pub(super) fn to_portal(url: &str) -> Reply {
    found(url, format!("<!doctype html><title>Wi-Fi</title><a href=\"{url}\">Wi-Fi</a>\n"))
}

/// 302 to `url`, which the guest asked for.
pub(super) fn back(url: &str) -> Reply {
    found(url, "<!doctype html><title>Wi-Fi</title>\n".to_owned())
}

fn found(url: &str, body: String) -> Reply {
    let mut response = of(StatusCode::FOUND, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    set(headers, header::LOCATION, url);
    response
}

/// A page in that `dress`.
pub(super) fn page(status: StatusCode, language: &'static str, dress: &Dress, body: String) -> Reply {
    let mut response = of(status, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    secure(headers, dress.policy.clone());
    response
}

/// The page of `notice`, with what its status asks for.
pub(super) fn refusal(notice: Notice, language: &'static str, dress: &Dress, body: String) -> Reply {
    let status = StatusCode::from_u16(notice.status()).expect("notices have status codes of three digits");
    let mut response = page(status, language, dress, body);
    let headers = response.headers_mut();
    if let Some(seconds) = notice.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Notice::WrongMethod { allow } = notice {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}

/// 303 to `path`, after a form.
pub(super) fn see_other(path: &str) -> Reply {
    let mut response = of(StatusCode::SEE_OTHER, String::new());
    set(response.headers_mut(), header::LOCATION, path);
    secure(response.headers_mut(), POLICY);
    response
}

/// A page in place of another host's, which is to be tried again. No success and no redirection, for a program
/// would take either for a portal that wants something; and no further request may come by this connection.
pub(super) fn not_yet(language: &'static str, dress: &Dress, body: String, seconds: u64) -> Reply {
    let mut response = closing(page(StatusCode::SERVICE_UNAVAILABLE, language, dress, body));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// RFC 8908.
pub(super) fn captive_json(body: String) -> Reply {
    let mut response = of(StatusCode::OK, body);
    let kind = HeaderValue::from_static("application/captive+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    secure(response.headers_mut(), POLICY);
    response
}

/// Lets a form of the page lead to `origin`, which is ours: where a certificate comes into force while a guest
/// types, what follows the form is there.
pub(super) fn that_may_lead_to(origin: &str, mut response: Reply) -> Reply {
    if let Some(policy) = response.headers_mut().get_mut(header::CONTENT_SECURITY_POLICY) {
        let own = policy.to_str().unwrap_or_default();
        let text = own.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
        *policy = HeaderValue::from_str(&text).expect("our origin is ASCII");
    }
    response
}

/// Ends the connection after this response.
pub(super) fn closing(mut response: Reply) -> Reply {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The bytes on the wire, for a connection that hyper has given up.
pub(super) fn raw(response: Reply, body: &str) -> Vec<u8> {
    let (head, _) = closing(response).into_parts();
    let mut bytes = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", head.status, body.len()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend([b"\r\n", body.as_bytes()].concat());
    bytes
}

fn of(status: StatusCode, body: String) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

fn secure(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

fn set(headers: &mut HeaderMap, name: HeaderName, url: &str) {
    let value = HeaderValue::from_str(url).expect("our URLs are ASCII: addresses, and values escaped");
    headers.insert(name, value);
}
