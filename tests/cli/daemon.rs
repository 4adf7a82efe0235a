//! A daemon that gives prepared answers over a real socket, and the real program to ask it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lango::control::{Call, Server};
use lango::wire::control::{Request, Response};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A daemon that answers by `answer`, on a thread of its own, until dropped.
pub(crate) struct Daemon {
    dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    pub(crate) fn start(answer: fn(Request) -> Response) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().to_owned();
        let (stop, mut stopped) = oneshot::channel();
        let (ready, up) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(&run_dir).unwrap();
                ready.send(()).unwrap();
                let (desk, mut calls) = mpsc::channel::<Call>(1);
                let mut serving = std::pin::pin!(server.serve(desk));
                loop {
                    tokio::select! {
                        error = &mut serving => panic!("{error}"),
                        _ = &mut stopped => return,
                        Some(call) = calls.recv() => call.reply.send(answer(call.request)).unwrap(),
                    }
                }
            });
        });
        up.recv().unwrap();
        Self { dir, stop: Some(stop), thread: Some(thread) }
    }

    /// Where its socket is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let socket = self.dir().join("lango.sock");
        lango(&[args, &["--socket", socket.to_str().unwrap()]].concat())
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the daemon panicked");
        }
    }
}

pub(crate) fn lango(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lango")).args(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn printed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}
