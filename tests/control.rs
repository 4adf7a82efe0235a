//! The control socket while the process has no file descriptors left. A test of its own because the limit
//! is the whole process's.

use std::fs::File;
use std::time::Duration;

use lango::control::{SOCKET, Server};
use lango::wire::control::{Answer, Response};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn want_of_file_descriptors_delays_an_operator_and_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(dir.path()).unwrap();
        let (desk, mut calls) = mpsc::channel(1);
        let mut serving = std::pin::pin!(server.serve(desk));
        let mut taken = take_all_descriptors();
        taken.pop();
        let mut operator = UnixStream::connect(dir.path().join(SOCKET)).await.unwrap();
        operator.write_all(b"{\"command\":\"sessions\"}\n").await.unwrap();
        let tried = timeout(Duration::from_millis(300), &mut serving).await;
        assert!(tried.is_err(), "the server gave up: {tried:?}");
        assert!(calls.try_recv().is_err(), "there was a descriptor left");

        drop(taken);
        let mut answer = [0; 64];
        let answered = async {
            let call = calls.recv().await.unwrap();
            call.reply.send(Response::Ok(Answer::Sessions(Vec::new()))).unwrap();
            operator.read(&mut answer).await.unwrap()
        };
        let length = tokio::select! {
            error = &mut serving => panic!("{error}"),
            length = timeout(SOON, answered) => length.expect("an answer"),
        };
        assert_eq!(&answer[..length], b"{\"ok\":{\"sessions\":[]}}\n");
    });
}

/// Opens files until the system refuses, under a limit that is soon reached.
fn take_all_descriptors() -> Vec<File> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process has a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 64, most).expect("a limit may be lowered");
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}
