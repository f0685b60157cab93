//! The command line: one file per command. Status 0 where the contract holds, 1 where it does not, 2 where the command,
//! a file or an adapter's set-up is wrong, with one message on standard error.

mod check;
mod eval;
mod golden;
mod list;
mod names;
mod report;
mod serve;
mod show;
mod style;
mod values;

use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Grades loss kernels against proved digits.
#[derive(Parser)]
#[command(name = "lossproof", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Eval(eval::Args),
    Serve(serve::Args),
    List(list::Args),
    Show(show::Args),
    Golden(golden::Args),
    Report(report::Args),
}

/// The contract holds.
const HOLDS: u8 = 0;
/// The contract does not hold.
const FAILS: u8 = 1;
/// The command, a file or an adapter's set-up is wrong.
const WRONG: u8 = 2;

/// Why a command ended early.
#[derive(Debug)]
enum Stop {
    /// Something is wrong, in one message.
    Message(String),
    /// Standard output could not be written.
    Output(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Output(error)
    }
}

/// A [`Stop`] with a message.
fn stop(message: impl std::fmt::Display) -> Stop {
    Stop::Message(message.to_string())
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output with status 0, the rest to standard error with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { WRONG } else { HOLDS });
        }
    };
    let status = match cli.command {
        Command::Check(args) => check::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Serve(args) => serve::run(args),
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Golden(args) => golden::run(args),
        Command::Report(args) => report::run(args),
    };
    ExitCode::from(match status {
        Ok(status) => status,
        // Whoever read it has read enough.
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => HOLDS,
        Err(Stop::Output(error)) => complain(&format!("standard output: {error}")),
        Err(Stop::Message(message)) => complain(&message),
    })
}

fn complain(message: &str) -> u8 {
    let _ = writeln!(anstream::stderr(), "lossproof: {message}");
    WRONG
}

/// Writes a whole text; a reader that has gone away is no error here, since the status says what was found.
fn print(text: &str) -> Result<(), Stop> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Stop::Output(error)),
        _ => Ok(()),
    }
}
