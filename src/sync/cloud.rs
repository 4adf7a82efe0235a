//! The requests of the protocol, each as a call that gives what was answered.
//!
//! Owns: paths, heads, gzip, which status means what, the one line that is kept. Never: when to ask, or what
//! follows. Neighbours: `line` carries, `round` asks for the feed and the outbox, `link` looks up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::health::Wire;
use super::line::{Line, Lost, patience};
use super::tls::Tls;
use super::trouble::{Interception, Trouble};
use super::url::{Scheme, Url};
use crate::clock::Clock;
use crate::domain::Cursor;
use crate::wire::enrolment::Token;
use crate::wire::feed::BODY_MAX;
use crate::wire::gzip::{self, GzipError};

/// Smaller bodies gain nothing.
const WORTH_PACKING: usize = 1024;
/// A line that was quiet for longer may be dead without a sign: NAT in between forgets.
const DOUBTFUL: Duration = Duration::from_secs(30);
/// On a line that may be dead, silence means sooner that it is.
const DOUBT: Duration = Duration::from_secs(5);
const ETAG_MAX: usize = 256;

/// Asks the cloud; any number of requests at the same time.
pub(super) struct Cloud {
    url: Url,
    tls: Option<Tls>,
    token: Option<Token>,
    clock: Clock,
    wire: Arc<Wire>,
    /// The line that is not in use.
    kept: Mutex<Option<Line>>,
    /// Where the last line led.
    known: Mutex<Option<SocketAddr>>,
}

/// Which part of the feed is wanted.
pub(super) struct Part {
    pub(super) since: Option<Cursor>,
    pub(super) etag: Option<String>,
    /// How long the cloud may hold the request.
    pub(super) wait: Duration,
}

/// What the feed answers.
pub(super) enum Fed {
    Page {
        body: Vec<u8>,
        signature: Option<String>,
        etag: Option<String>,
    },
    Nothing,
    /// The cursor is too old.
    Gone,
}

/// A request, and the answer's statuses that its caller knows.
struct Question {
    method: Method,
    path: String,
    body: Option<String>,
    etag: Option<String>,
    wait: Duration,
    known: &'static [u16],
}

impl Question {
    fn post(path: String, body: String, known: &'static [u16]) -> Self {
        Self { method: Method::POST, path, body: Some(body), etag: None, wait: Duration::ZERO, known }
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Cloud {
    /// `roots`: PEM, trusted besides the usual ones.
    pub(super) fn new(
        url: Url,
        token: Option<Token>,
        roots: Option<&[u8]>,
        clock: Clock,
    ) -> Result<Self, Trouble> {
        let tls = match url.scheme {
            Scheme::Https => Some(Tls::new(roots, &clock)?),
            Scheme::Http => None,
        };
        let (kept, known, wire) = (Mutex::default(), Mutex::default(), Arc::default());
        Ok(Self { url, tls, token, clock, wire, kept, known })
    }

    /// Whether whoever answers has shown to be the cloud.
    pub(super) fn is_verified(&self) -> bool {
        self.tls.is_some()
    }

    /// Bytes received and sent.
    pub(super) fn traffic(&self) -> (u64, u64) {
        self.wire.counts()
    }

    pub(super) async fn feed(&self, site: &str, part: Part) -> Result<Fed, Trouble> {
        let mut path = format!("/v1/sites/{site}/feed");
        let since = part.since.map(|cursor| format!("since={cursor}"));
        let wait = (!part.wait.is_zero()).then(|| format!("wait={}", part.wait.as_secs()));
        for (sign, parameter) in ['?', '&'].into_iter().zip([since, wait].into_iter().flatten()) {
            path.push(sign);
            path.push_str(&parameter);
        }
        let known: &[u16] = if part.etag.is_some() { &[200, 304, 410] } else { &[200, 410] };
        let (etag, wait) = (part.etag, part.wait);
        let answer = self.ask(Question { method: Method::GET, path, body: None, etag, wait, known }).await?;
        Ok(match answer.status {
            304 => Fed::Nothing,
            410 => Fed::Gone,
            _ => {
                let head = |name: &str| answer.headers.get(name)?.to_str().ok().map(str::to_owned);
                let etag = head("etag").filter(|etag| etag.len() <= ETAG_MAX);
                Fed::Page { signature: head("lango-signature"), etag, body: answer.body }
            }
        })
    }

    /// The body of the acknowledgement; of status 200 and 409 alike.
    pub(super) async fn events(&self, site: &str, batch: String) -> Result<(u16, Vec<u8>), Trouble> {
        let question = Question::post(format!("/v1/sites/{site}/events"), batch, &[200, 409]);
        self.ask(question).await.map(|answer| (answer.status, answer.body))
    }

    /// The body of what was found; `None`: not known there.
    pub(super) async fn lookup(&self, site: &str, wanted: String) -> Result<Option<Vec<u8>>, Trouble> {
        let question = Question::post(format!("/v1/sites/{site}/lookup"), wanted, &[200, 404]);
        let answer = self.ask(question).await?;
        Ok((answer.status == 200).then_some(answer.body))
    }

    /// The body of the answer with the key of the store; `None`: there is none for the site.
    pub(super) async fn store_key(&self, site: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let (method, path) = (Method::GET, format!("/v1/sites/{site}/key"));
        let known = &[200, 404];
        let question = Question { method, path, body: None, etag: None, wait: Duration::ZERO, known };
        let answer = self.ask(question).await?;
        Ok((answer.status == 200).then_some(answer.body))
    }

    /// The body of the answer to a claim.
    pub(super) async fn enrol(&self, enrolment: String) -> Result<Vec<u8>, Trouble> {
        let question = Question::post("/v1/enrol".into(), enrolment, &[200, 403]);
        let answer = self.ask(question).await?;
        if answer.status == 403 { Err(Trouble::Claim) } else { Ok(answer.body) }
    }

    async fn ask(&self, question: Question) -> Result<Answer, Trouble> {
        let request = self.request(&question)?;
        if let Some(mut line) = self.take() {
            let borne = if line.idle() > DOUBTFUL { DOUBT } else { patience(Duration::ZERO) } + question.wait;
            match line.ask(request.clone(), borne).await {
                Ok(response) => return self.answered(line, response, &question).await,
                // The other side closed it in the meantime, or it is dead: a new one will tell.
                Err(Lost::Unanswered(_)) => {}
                Err(Lost::Broken(trouble)) => return Err(trouble),
            }
        }
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = Line::dial(&self.url, self.tls.as_ref(), known, &self.wire, &self.clock).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.address());
        match line.ask(request, patience(question.wait)).await {
            Ok(response) => self.answered(line, response, &question).await,
            Err(Lost::Unanswered(trouble) | Lost::Broken(trouble)) => Err(trouble),
        }
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, Trouble> {
        let mut request = Request::builder()
            .method(&question.method)
            .uri(format!("{}{}", self.url.base, question.path))
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT_ENCODING, "gzip")
            .header("lango-protocol", "1");
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut bearer = bearer.map_err(|_| Trouble::Denied(401))?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if let Some(etag) = &question.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let mut body = Vec::new();
        if let Some(plain) = &question.body {
            request = request.header(header::CONTENT_TYPE, "application/json");
            body = plain.clone().into_bytes();
            if body.len() > WORTH_PACKING {
                request = request.header(header::CONTENT_ENCODING, "gzip");
                body = gzip::pack(&body);
            }
        }
        request.body(Full::new(body.into())).map_err(|error| Trouble::Cut(error.to_string()))
    }

    async fn answered(
        &self,
        line: Line,
        response: Response<Incoming>,
        question: &Question,
    ) -> Result<Answer, Trouble> {
        let (head, body) = response.into_parts();
        let wanted = meaning(head.status, question.known);
        // A page of somebody in between says more by its head than by a body that is too large.
        let body = if wanted.is_ok() { line.take_in(body).await? } else { Vec::new() };
        wanted?;
        self.keep(line);
        let has_answer = [StatusCode::OK, StatusCode::CONFLICT].contains(&head.status);
        let body = if has_answer { plain(&head.headers, body)? } else { body };
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn take(&self) -> Option<Line> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.filter(Line::is_good)
    }

    fn keep(&self, line: Line) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

fn meaning(status: StatusCode, known: &[u16]) -> Result<(), Trouble> {
    match status.as_u16() {
        status if known.contains(&status) => Ok(()),
        status @ (401 | 403) => Err(Trouble::Denied(status)),
        426 => Err(Trouble::Protocol),
        511 => Err(Trouble::Intercepted(Interception::WebPage)),
        300..=303 | 305..=399 => Err(Trouble::Intercepted(Interception::Redirect)),
        status => Err(Trouble::Status(status)),
    }
}

/// The body as it was before compression, if it can be JSON.
fn plain(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, Trouble> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = match text(header::CONTENT_ENCODING) {
        "" | "identity" => body,
        "gzip" | "x-gzip" => gzip::unpack(&body, BODY_MAX).map_err(|error| match error {
            GzipError::TooLarge => Trouble::TooLarge,
            GzipError::Malformed => Trouble::Encoding(error.to_string()),
        })?,
        other => return Err(Trouble::Encoding(format!("{other:.20?} was not asked for"))),
    };
    let is_page =
        text(header::CONTENT_TYPE).starts_with("text/html") || body.trim_ascii_start().starts_with(b"<");
    if is_page { Err(Trouble::Intercepted(Interception::WebPage)) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_nobody_asked_for_says_what_it_is() {
        let of = |status: u16| meaning(StatusCode::from_u16(status).unwrap(), &[200]).map_err(|t| t.word());
        assert_eq!(of(200), Ok(()));
        for (status, word) in [
            (302, "intercepted"),
            (304, "status"),
            (401, "denied"),
            (403, "denied"),
            (404, "status"),
            (426, "protocol"),
            (503, "status"),
            (511, "intercepted"),
        ] {
            assert_eq!(of(status), Err(word), "{status}");
        }
    }

    #[test]
    fn a_body_that_grows_too_large_or_is_a_web_page_is_refused() {
        let of = |encoding: &str, body: Vec<u8>| {
            let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())]);
            plain(&headers, body).map_err(|trouble| trouble.word())
        };
        assert_eq!(of("identity", b"{}".to_vec()), Ok(b"{}".to_vec()));
        assert_eq!(of("gzip", gzip::pack(b"{}")), Ok(b"{}".to_vec()));
        assert_eq!(of("gzip", gzip::pack(&vec![b' '; BODY_MAX + 1])), Err("too_large"));
        assert_eq!(of("gzip", b"{}".to_vec()), Err("encoding"));
        assert_eq!(of("br", b"{}".to_vec()), Err("encoding"));
        assert_eq!(of("identity", b" <html>".to_vec()), Err("intercepted"));
    }
}
