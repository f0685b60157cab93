//! Who is checked: a subject answers cases. Kernels of this process and child processes behind the adapter protocol are
//! subjects alike, and the harness sees no difference.

pub mod adapter;
mod in_process;
pub mod lines;
mod process;
pub mod protocol;
mod session;

pub use in_process::InProcess;
pub use process::{Limits, NOT_ASKED, Process};

use crate::case::Tensors;
use crate::judge::{Fault, Machine};
use crate::{case::Case, format::Format, kernel::Support};

/// What a subject says to a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Its outputs, not judged yet.
    Outputs(Tensors),
    /// It has not got this; reported, no fault.
    Unsupported(String),
    /// It gave no answer.
    Failed {
        /// `crash`, `timeout` or `protocol_error`.
        fault: Fault,
        /// What happened, in a line.
        reason: String,
    },
}

/// The thing under test.
pub trait Subject: Send {
    /// The name in reports.
    fn name(&self) -> &str;

    /// The version in reports.
    fn version(&self) -> &str;

    /// What it takes.
    fn supports(&self) -> &[Support];

    /// Answers cases: as many answers as cases, in their order.
    fn answer(&mut self, cases: &[Case]) -> Vec<Answer>;

    /// Whether a failing answer costs much more than a wrong one: then failures are shrunk with fewer questions.
    fn failures_are_dear(&self) -> bool {
        false
    }
}

/// The machine that a subject is held to.
pub fn machine(support: &Support, format: Format) -> Machine {
    Machine {
        compute: support.compute.unwrap_or(format.compute()),
        flush_to_zero: support.flush_to_zero,
        summation: support.summation,
    }
}

/// Why a subject cannot be used at all: the run ends with status 2.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no command.
    #[error("the adapter's command is empty")]
    Empty,
    /// The program does not start.
    #[error("adapter `{command}` does not start: {error}")]
    Spawn {
        /// The command.
        command: String,
        /// Why.
        error: std::io::Error,
    },
    /// It started, and gave no valid hello.
    #[error("adapter `{command}` gave no valid hello: {problem}{stderr}")]
    Hello {
        /// The command.
        command: String,
        /// What came instead.
        problem: String,
        /// The end of its standard error, on lines of its own; empty where it wrote none.
        stderr: String,
    },
}
