//! The side of the daemon: binds the socket, reads requests, hands them to `app`, writes the answers.
//!
//! Owns: the socket, its mode, its places and its deadlines. Never: what a request means.
//! Neighbours: `wire::control` has the frames; `app` takes the calls.
//!
//! A slow or hostile client costs one of [`CONNECTIONS`] places for [`FRAME_TIME`] at most; who comes
//! while all are taken waits in the kernel's queue.

use std::fmt;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{SOCKET, groups};
use crate::wire::control::{
    ByUbus, Code, Failure, Lines, REQUEST_MAX, RESPONSE_MAX, Request, Response, decode, encode,
};

const CONNECTIONS: usize = 8;
/// To send one request, and to take one answer.
const FRAME_TIME: Duration = Duration::from_secs(5);
/// After a failure to accept, the next try waits this long.
const REST: Duration = Duration::from_millis(50);
/// Owner and group: whom the operator trusts with the gateway.
const MODE: u32 = 0o660;

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Call {
    pub request: Request,
    pub peer: Peer,
    /// Whose session of ubus it is for, by the peer's word; empty: it does not say.
    pub ubus: Option<String>,
    pub reply: oneshot::Sender<Response>,
}

/// Who asks, as the kernel says (SO_PEERCRED, SO_PEERGROUPS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    /// Its further groups. None where the kernel does not say.
    pub groups: Vec<u32>,
    /// Unknown for a peer of another process namespace.
    pub pid: Option<i32>,
}

/// Why there is no control socket.
#[derive(Debug)]
pub enum BindError {
    /// Somebody answers at the path.
    AnotherDaemon(PathBuf),
    /// The system refused, at that path.
    Io(PathBuf, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherDaemon(path) => write!(f, "another daemon listens at {}", path.display()),
            Self::Io(path, error) => write!(f, "control socket {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for BindError {}

/// The bound socket. Its file is left behind at the end: the next daemon replaces it, and a client finds
/// that nobody listens.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
}

impl Server {
    /// Binds `run_dir/lango.sock`, making `run_dir` if need be. A socket left over by a daemon that died is
    /// replaced.
    pub fn bind(run_dir: &Path) -> Result<Self, BindError> {
        let path = run_dir.join(SOCKET);
        let wrong = |error| BindError::Io(path.clone(), error);
        std::fs::create_dir_all(run_dir).map_err(wrong)?;
        if Probe::connect(&path).is_ok() {
            return Err(BindError::AnotherDaemon(path));
        }
        let listener = bind_privately(run_dir, &path).map_err(wrong)?;
        Ok(Self { listener })
    }

    /// Serves for ever; returns only when the socket itself is broken.
    pub async fn serve(self, desk: mpsc::Sender<Call>) -> io::Error {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) if is_broken(&error) => return error,
                // The client gave up meanwhile, or guests hold all file descriptors; they let go in seconds.
                Err(_) => {
                    sleep(REST).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let desk = desk.clone();
            connections.spawn(async move {
                // A client that went away needs no answer, and nobody has to know.
                drop(converse(stream, desk).await);
                drop(place);
            });
        }
    }
}

/// Whether a failure to accept says that no later try can succeed.
fn is_broken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP))
}

/// Binds inside a directory that only we can enter, sets the mode, and moves the socket to its place, so
/// that there is no moment at which it has a wider mode, or at which a stale one is gone and ours not there.
fn bind_privately(run_dir: &Path, path: &Path) -> io::Result<UnixListener> {
    let room = run_dir.join(format!(".{}", std::process::id()));
    match DirBuilder::new().mode(0o700).create(&room) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_dir_all(&room).and_then(|()| DirBuilder::new().mode(0o700).create(&room))?
        }
        other => other?,
    }
    let bound = bind_in(&room, path);
    std::fs::remove_dir_all(&room)?;
    bound
}

fn bind_in(room: &Path, path: &Path) -> io::Result<UnixListener> {
    let born = room.join("s");
    let listener = UnixListener::bind(&born)?;
    std::fs::set_permissions(&born, Permissions::from_mode(MODE))?;
    std::fs::rename(&born, path)?;
    Ok(listener)
}

/// Requests and answers in turn, until the client has no more.
async fn converse(mut stream: UnixStream, desk: mpsc::Sender<Call>) -> io::Result<()> {
    let credentials = stream.peer_cred()?;
    let groups = groups::of_peer(stream.as_fd()).unwrap_or_default();
    let peer = Peer { uid: credentials.uid(), gid: credentials.gid(), groups, pid: credentials.pid() };
    let mut lines = Lines::new(REQUEST_MAX);
    let mut ubus = None;
    loop {
        let Ok(line) = timeout(FRAME_TIME, next_line(&mut stream, &mut lines)).await else {
            return send(&mut stream, &refusal("no request within 5 seconds")).await;
        };
        let request = match line? {
            Line::End => return Ok(()),
            Line::Wrong(why) => return send(&mut stream, &refusal(&why)).await,
            Line::ByUbus(user) => {
                ubus = Some(user);
                continue;
            }
            Line::Request(request) => *request,
        };
        let (reply, answer) = oneshot::channel();
        if desk.send(Call { request, peer: peer.clone(), ubus: ubus.clone(), reply }).await.is_err() {
            return send(&mut stream, &stopping()).await;
        }
        let answer = answer.await.unwrap_or_else(|_| stopping());
        send(&mut stream, &answer).await?;
    }
}

enum Line {
    Request(Box<Request>),
    /// Whose session of ubus what follows is of.
    ByUbus(String),
    Wrong(String),
    /// The client has closed its side, with nothing half said.
    End,
}

async fn next_line(stream: &mut UnixStream, lines: &mut Lines) -> io::Result<Line> {
    let mut chunk = [0; 4096];
    loop {
        match lines.take_line() {
            Err(error) => return Ok(Line::Wrong(error.to_string())),
            Ok(Some(line)) => {
                if let Ok(ByUbus { ubus }) = decode(&line) {
                    return Ok(Line::ByUbus(ubus));
                }
                return Ok(match decode(&line) {
                    Ok(request) => Line::Request(Box::new(request)),
                    Err(error) => Line::Wrong(error.to_string()),
                });
            }
            Ok(None) => {}
        }
        match stream.read(&mut chunk).await? {
            0 if lines.is_empty() => return Ok(Line::End),
            0 => return Ok(Line::Wrong("the request has no line end".to_owned())),
            count => lines.feed(chunk.get(..count).unwrap_or_default()),
        }
    }
}

async fn send(stream: &mut UnixStream, response: &Response) -> io::Result<()> {
    let mut frame = encode(response);
    if frame.len() > RESPONSE_MAX {
        frame = encode(&Response::Error(Failure::new(
            Code::TooLarge,
            "the answer is too long",
            "ask for less, such as one batch",
        )));
    }
    timeout(FRAME_TIME, stream.write_all(&frame)).await?
}

fn refusal(why: &str) -> Response {
    Response::Error(Failure::new(Code::Usage, format!("request refused: {why}"), "use the lango command"))
}

fn stopping() -> Response {
    Response::Error(Failure::new(Code::Unreachable, "the daemon is stopping", "try again in a few seconds"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::{Client, ClientError};
    use super::*;
    use crate::wire::control::{Answer, RESPONSE_MAX, TypedCode};

    /// A daemon on a thread of its own, that answers a status request with an empty list of sessions.
    struct Daemon {
        dir: tempfile::TempDir,
        stop: Option<oneshot::Sender<()>>,
        thread: Option<std::thread::JoinHandle<Vec<Peer>>>,
    }

    impl Daemon {
        fn start() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let run_dir = dir.path().to_owned();
            let (stop, mut stopped) = oneshot::channel();
            let (ready, up) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let server = Server::bind(&run_dir).unwrap();
                    ready.send(()).unwrap();
                    let (desk, mut calls) = mpsc::channel(1);
                    let mut serving = std::pin::pin!(server.serve(desk));
                    let mut seen = Vec::new();
                    loop {
                        tokio::select! {
                            error = &mut serving => panic!("{error}"),
                            _ = &mut stopped => return seen,
                            Some(call) = calls.recv() => {
                                seen.push(call.peer.clone());
                                answer(call);
                            }
                        }
                    }
                })
            });
            up.recv().unwrap();
            Self { dir, stop: Some(stop), thread: Some(thread) }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join(SOCKET)
        }

        /// What comes back for these bytes, until the daemon closes.
        fn say(&self, bytes: &[u8]) -> String {
            let mut stream = Probe::connect(self.path()).unwrap();
            drop(stream.write_all(bytes));
            drop(stream.shutdown(std::net::Shutdown::Write));
            let mut text = Vec::new();
            drop(stream.read_to_end(&mut text));
            String::from_utf8(text).unwrap()
        }

        fn stop(&mut self) -> Vec<Peer> {
            self.stop.take().unwrap().send(()).unwrap();
            self.thread.take().unwrap().join().unwrap()
        }
    }

    fn answer(call: Call) {
        let failure = |code, message| Response::Error(Failure::new(code, message, ""));
        let response = if call.request == Request::Status {
            Response::Ok(Answer::Sessions(Vec::new()))
        } else if call.request == Request::PlanList {
            failure(Code::Internal, "x".repeat(RESPONSE_MAX))
        } else if call.request == Request::Sessions {
            // Dropped without an answer.
            return;
        } else {
            failure(Code::Refused, String::new())
        };
        call.reply.send(response).unwrap();
    }

    fn code_of(response: Response) -> Code {
        match response {
            Response::Ok(answer) => panic!("{answer:?}"),
            Response::Error(failure) => failure.code,
        }
    }

    #[test]
    fn requests_are_answered_in_turn_and_the_peer_is_known() {
        let mut daemon = Daemon::start();
        let mut client = Client::connect(&daemon.path()).unwrap();
        for _ in 0..3 {
            let response = client.ask(&Request::Status).unwrap();
            assert_eq!(response, Response::Ok(Answer::Sessions(Vec::new())));
        }
        assert_eq!(code_of(client.ask(&Request::Sessions).unwrap()), Code::Unreachable);
        let me = Peer {
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            groups: nix::unistd::getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect(),
            pid: i32::try_from(std::process::id()).ok(),
        };
        assert_eq!(daemon.stop(), vec![me; 4]);
    }

    #[test]
    fn bad_frames_get_an_error_and_the_door() {
        let daemon = Daemon::start();
        let long = vec![b'a'; REQUEST_MAX + 100];
        for (bytes, why) in [
            (b"nonsense\n".as_slice(), "not a message"),
            (b"{\"command\":\"no such\"}\n{\"command\":\"status\"}\n", "unknown variant"),
            (b"{\"command\":\"status\"}", "no line end"),
            (b"\xff\xfe\n", "not a message"),
            (b"\n", "not a message"),
            (&long, "longer than 65536 bytes"),
        ] {
            let said = daemon.say(bytes);
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains(r#""code":"usage""#) && said.contains(why), "{said}");
        }
        assert_eq!(daemon.say(b""), "");
        assert_eq!(daemon.say(b"{\"command\":\"status\"}\n"), "{\"ok\":{\"sessions\":[]}}\n");
    }

    #[test]
    fn a_request_just_under_the_limit_passes_and_an_answer_over_it_does_not() {
        let daemon = Daemon::start();
        let mut client = Client::connect(&daemon.path()).unwrap();
        let code = TypedCode::new("1".repeat(REQUEST_MAX - 100));
        assert_eq!(code_of(client.ask(&Request::VoucherShow { code }).unwrap()), Code::Refused);
        assert_eq!(code_of(client.ask(&Request::PlanList).unwrap()), Code::TooLarge);
    }

    #[test]
    fn silent_connections_are_closed_and_their_places_taken_by_those_who_wait() {
        let daemon = Daemon::start();
        let silent: Vec<_> = (0..CONNECTIONS).map(|_| Probe::connect(daemon.path()).unwrap()).collect();
        let mut client = Client::connect(&daemon.path()).unwrap();
        assert!(client.ask(&Request::Status).is_ok());
        for mut stream in silent {
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            assert!(said.contains("no request within 5 seconds"), "{said}");
        }
    }

    #[test]
    fn only_owner_and_group_may_connect() {
        let daemon = Daemon::start();
        let mode = std::fs::metadata(daemon.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o660);
        let files: Vec<_> =
            std::fs::read_dir(daemon.dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(files, [SOCKET]);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let mut daemon = Daemon::start();
        let dir = daemon.dir.path().to_owned();
        assert!(matches!(Server::bind(&dir), Err(BindError::AnotherDaemon(_))));
        daemon.stop();
        assert!(matches!(Client::connect(&daemon.path()), Err(ClientError::NotRunning(..))));
        let _server = Server::bind(&dir).unwrap();
        assert!(Client::connect(&daemon.path()).is_ok());
    }

    #[tokio::test]
    async fn a_run_dir_that_cannot_be_is_said_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Server::bind(&file).unwrap_err().to_string();
        assert!(error.contains("file/lango.sock"), "{error}");
    }

    #[test]
    fn where_nobody_listens_the_client_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        assert!(matches!(Client::connect(&path), Err(ClientError::NotRunning(..))));
    }
}
