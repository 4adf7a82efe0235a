//! The program: under its name for rpcd, a plugin; else parse, pick the subcommand, map the outcome to an exit code.

use std::path::Path;
use std::process::ExitCode;

use lango::cli::{self, Invocation, Run};
use lango::process::{self, Exit};
use lango::{app, telemetry};

fn main() -> ExitCode {
    process::abort_on_panic();
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    if cli::is_plugin(&program) {
        return cli::plugin(args).into();
    }
    let exit = match cli::parse(args) {
        Ok(Invocation::Say(text)) => cli::say(&text),
        Ok(Invocation::Run(how)) => run(&how),
        Ok(Invocation::Check(config, style)) => cli::check(&config, style, app::look_beyond),
        Ok(Invocation::Hold(config)) => hold(&config),
        Ok(Invocation::Setup(setup)) => cli::setup(&setup),
        Ok(Invocation::Top(how)) => cli::top(&how),
        Ok(Invocation::Ask(ask)) => cli::ask(ask, app::offline, app::pack),
        Ok(Invocation::Restore(how)) => cli::restore(&how, app::restore),
        Err(refused) => cli::refuse(&refused),
    };
    exit.into()
}

fn run(how: &Run) -> Exit {
    if telemetry::start(how.log, how.level).is_err() {
        return Exit::Internal;
    }
    app::run(&how.config)
}

fn hold(config: &Path) -> Exit {
    if telemetry::start(telemetry::Target::Auto, tracing::Level::INFO).is_err() {
        return Exit::Internal;
    }
    app::hold(config)
}
