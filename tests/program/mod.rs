//! Running the real program from tests.

#![allow(dead_code)] // Not every test uses all of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run did.
#[derive(Debug)]
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
        Run { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs the program with these arguments and no input, in the package's folder.
pub fn lossproof(arguments: &[&str]) -> Run {
    lossproof_with_input(arguments, Vec::new())
}

/// The same in another folder: what it writes stays there.
pub fn lossproof_in(folder: &Path, arguments: &[&str]) -> Run {
    run(folder, arguments, Vec::new())
}

/// Runs the program, writing the input while its output is read.
pub fn lossproof_with_input(arguments: &[&str], input: Vec<u8>) -> Run {
    run(Path::new(env!("CARGO_MANIFEST_DIR")), arguments, input)
}

fn run(folder: &Path, arguments: &[&str], input: Vec<u8>) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lossproof"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input is piped");
    let writer = std::thread::spawn(move || {
        // A program that ends without reading is no failure of the test.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    Run::of(output)
}

/// A folder that is gone after the test.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder")
}
