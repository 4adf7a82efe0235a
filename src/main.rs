//! The program: parse, pick the subcommand, map the outcome to an exit code.

fn main() {}
