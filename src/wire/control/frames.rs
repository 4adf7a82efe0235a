//! Messages as lines, and a stream of bytes cut into lines.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are no message.
#[derive(Debug)]
pub enum FrameError {
    /// The line is longer than so many bytes.
    TooLong(usize),
    Json(serde_json::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "longer than {max} bytes"),
            Self::Json(error) => write!(f, "not a message of this protocol: {error}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The line of a message, with its line end.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // JSON escapes line ends inside texts, so the only one is the one put here.
    let mut line = serde_json::to_vec(message).expect("messages have text keys and cannot fail to serialize");
    line.push(b'\n');
    line
}

/// The message of a line, with or without its line end.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(line).map_err(FrameError::Json)
}

/// Cuts a stream of bytes into lines, never holding more than one line may have plus what was fed last.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How many of them are known to hold no line end.
    searched: usize,
    max: usize,
}

impl Lines {
    /// `max`: bytes of the longest line, with its end.
    pub fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), searched: 0, max }
    }

    /// Appends what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next line without its end; `None`: more has to be fed. After an error the stream is lost.
    pub fn take_line(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let fresh = self.bytes.get(self.searched..).unwrap_or_default();
        match fresh.iter().position(|byte| *byte == b'\n') {
            Some(at) if self.searched + at < self.max => {
                let end = self.searched + at;
                let rest = self.bytes.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.truncate(end);
                self.searched = 0;
                Ok(Some(line))
            }
            None if self.bytes.len() < self.max => {
                self.searched = self.bytes.len();
                Ok(None)
            }
            Some(_) | None => Err(FrameError::TooLong(self.max)),
        }
    }

    /// Whether a line has begun.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
