//! Reads the body of a form, within its limits.
//!
//! 4 KiB are enough for a code, a token and a long SMS. A length that is announced too large is refused
//! before anything is read; a longer body in chunks where it passes the limit.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{Request, header};

use crate::captive::{Notice, Pairs};

/// Bytes of a form, at most.
const LONGEST: usize = 4 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of the form that `request` carries.
pub(super) async fn read(request: Request<Incoming>) -> Result<Pairs, Notice> {
    if !is_form(&request) {
        return Err(Notice::Malformed);
    }
    let body = request.into_body();
    if body.size_hint().lower() > LONGEST as u64 {
        return Err(Notice::TooLarge);
    }
    match Limited::new(body, LONGEST).collect().await {
        Ok(body) => Pairs::parse(&body.to_bytes()).map_err(|_| Notice::Malformed),
        Err(error) if error.is::<LengthLimitError>() => Err(Notice::TooLarge),
        Err(_) => Err(Notice::Malformed),
    }
}

/// Browsers always say what they send; a program that says nothing is believed.
fn is_form(request: &Request<Incoming>) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => true,
        (Some(value), None) => {
            let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case(FORM)
        }
        (Some(_), Some(_)) => false,
    }
}
