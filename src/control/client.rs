//! The side of the commands: connect, ask, wait for the answer.
//!
//! Owns: a connection, and why there is no answer. Never: prints, or knows what was asked.
//! Neighbours: `cli` asks. Blocking, since a command has nothing else to do.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wire::control::{ByUbus, FrameError, Lines, RESPONSE_MAX, Request, Response, decode, encode};

/// Longest silence of the daemon: making 10,000 vouchers on slow flash takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// As long for a round with the cloud: the first one over a slow line.
const PATIENCE_WITH_CLOUD: Duration = Duration::from_secs(15 * 60);

/// A connection to a running daemon. Several requests may follow one another.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    lines: Lines,
    /// `None`: as long as what is asked may take.
    limit: Option<Duration>,
    ubus: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens at the path.
    NotRunning(PathBuf, io::Error),
    /// The socket is there, but not for this user.
    Denied(PathBuf),
    /// The daemon went away, or is silent.
    Lost(PathBuf, io::Error),
    /// What came is no answer.
    Garbled(PathBuf, FrameError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path, error) => write!(f, "no daemon listens at {}: {error}", path.display()),
            Self::Denied(path) => write!(f, "no permission to use {}", path.display()),
            Self::Lost(path, error) => write!(f, "the daemon at {} gave no answer: {error}", path.display()),
            Self::Garbled(path, error) => {
                write!(f, "the answer of the daemon at {} cannot be read: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// Connects to the daemon whose socket is at `path`.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        match UnixStream::connect(path) {
            Ok(stream) => {
                let lines = Lines::new(RESPONSE_MAX);
                Ok(Self { stream, path: path.to_owned(), lines, limit: None, ubus: None })
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(ClientError::Denied(path.to_owned()))
            }
            Err(error) => Err(ClientError::NotRunning(path.to_owned(), error)),
        }
    }

    /// The same, for one who cannot wait longer than `limit`, whatever is asked.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same, for a session of ubus: of `user`, or of somebody if that is empty.
    #[must_use]
    pub fn by_ubus(self, user: String) -> Self {
        Self { ubus: Some(user), ..self }
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        // A daemon that refuses a request closes its side early; its answer says more than the failed write.
        let long = matches!(request, Request::SyncNow | Request::Enrol(_));
        let patience = if long { PATIENCE_WITH_CLOUD } else { PATIENCE };
        let patience = Some(self.limit.unwrap_or(patience));
        let set =
            self.stream.set_read_timeout(patience).and_then(|()| self.stream.set_write_timeout(patience));
        set.map_err(|error| self.lost(error))?;
        let mut lines = self.ubus.clone().map(|ubus| encode(&ByUbus { ubus })).unwrap_or_default();
        lines.extend(encode(request));
        let written = self.stream.write_all(&lines);
        match self.receive() {
            Err(ClientError::Lost(path, error)) => {
                Err(ClientError::Lost(path, written.err().unwrap_or(error)))
            }
            other => other,
        }
    }

    fn receive(&mut self) -> Result<Response, ClientError> {
        let mut chunk = [0; 16 * 1024];
        loop {
            let garbled = |error| ClientError::Garbled(self.path.clone(), error);
            if let Some(line) = self.lines.take_line().map_err(garbled)? {
                return decode(&line).map_err(garbled);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.lost(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.lines.feed(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn lost(&self, error: io::Error) -> ClientError {
        ClientError::Lost(self.path.clone(), error)
    }
}
