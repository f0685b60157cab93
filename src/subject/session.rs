//! One run of an adapter's program: started, greeted, written to and read from by threads of its own, and ended.
//!
//! Writing never waits for reading, and standard error is always drained: neither side can block the other.

use super::SetupError;
use super::lines::{LINE_LIMIT, Line, read_line};
use super::protocol::{Hello, excerpt, hello_request};
use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many lines are read ahead; beyond them the adapter waits.
const LINES_AHEAD: usize = 16;

/// How much of standard error is kept for messages, in bytes.
const STDERR_TAIL: usize = 4096;

/// How long an adapter gets to end after its input has ended.
const GRACE: Duration = Duration::from_secs(2);

/// How long the end of standard error is waited for once the adapter has ended.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// What came from the adapter.
#[derive(Debug)]
pub(super) enum Event {
    /// A line.
    Line(Line),
    /// Nothing, in the time given.
    Silence,
}

/// A running adapter.
pub(super) struct Session {
    child: Child,
    requests: Option<Sender<String>>,
    events: Receiver<Line>,
    limit: Arc<AtomicUsize>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    stderr_ended: Receiver<()>,
}

impl Session {
    /// Starts the program and exchanges hellos within `timeout`.
    pub(super) fn start(words: &[String], timeout: Duration) -> Result<(Session, Hello), SetupError> {
        let command = words.join(" ");
        let mut session = Session::spawn(words)?;
        session.send(hello_request());
        let problem = match session.next(Instant::now() + timeout) {
            Event::Line(Line::Whole(line)) => match Hello::parse(&line) {
                Ok(hello) => return Ok((session, hello)),
                Err(problem) => format!("{problem}; its first line is {}", excerpt(&line)),
            },
            Event::Line(Line::TooLong) => "its first line is longer than 64 MiB".to_owned(),
            Event::Line(Line::Partial(line)) => {
                format!("its output ended inside of the first line, {}", excerpt(&line))
            }
            Event::Line(Line::End) => session.ending(),
            Event::Silence => format!("silence for {} s", timeout.as_secs_f64()),
        };
        let stderr = session.stderr_tail();
        let stderr = if stderr.is_empty() {
            String::new()
        } else {
            format!("\nthe end of its standard error:\n{}", indented(&stderr))
        };
        session.kill();
        Err(SetupError::Hello { command, problem, stderr })
    }

    fn spawn(words: &[String]) -> Result<Session, SetupError> {
        let (program, arguments) = words.split_first().ok_or(SetupError::Empty)?;
        let error = |error| SetupError::Spawn { command: words.join(" "), error };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(error)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(mut stderr_pipe)) = pipes else {
            let missing = std::io::Error::other("a standard stream is missing");
            return Err(error(missing));
        };
        let (requests, to_write) = channel::<String>();
        // The writer ends when the sender is dropped, and closes the adapter's input; or when the adapter reads no more,
        // which the reader notices.
        std::thread::spawn(move || {
            for line in to_write {
                if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        let (lines, events) = sync_channel(LINES_AHEAD);
        let limit = Arc::new(AtomicUsize::new(LINE_LIMIT));
        let reader_limit = limit.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::with_capacity(1 << 16, stdout);
            loop {
                let line = read_line(&mut reader, reader_limit.load(Ordering::Relaxed)).unwrap_or(Line::End);
                let last = matches!(line, Line::End | Line::Partial(_));
                if lines.send(line).is_err() || last {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let tail = stderr.clone();
        let (ended, stderr_ended) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr_pipe.read(&mut buffer) {
                if let Ok(mut tail) = tail.lock() {
                    tail.extend(&buffer[..count]);
                    let excess = tail.len().saturating_sub(STDERR_TAIL);
                    tail.drain(..excess);
                }
            }
            let _ = ended.send(());
        });
        Ok(Session { child, requests: Some(requests), events, limit, stderr, stderr_ended })
    }

    /// Hands a line over for writing.
    pub(super) fn send(&self, line: String) {
        // Where the writer has ended the adapter has ended or will be found silent.
        if let Some(requests) = &self.requests {
            let _ = requests.send(line);
        }
    }

    /// How long lines may be from now on, in bytes.
    pub(super) fn set_line_limit(&self, bytes: usize) {
        self.limit.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The next line, or silence until the deadline.
    pub(super) fn next(&self, deadline: Instant) -> Event {
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Event::Line(line),
            Err(RecvTimeoutError::Timeout) => Event::Silence,
            Err(RecvTimeoutError::Disconnected) => Event::Line(Line::End),
        }
    }

    /// A line that is there already.
    pub(super) fn try_next(&self) -> Option<Line> {
        match self.events.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Line::End),
        }
    }

    /// How the program ended, in words; for a program whose output has ended.
    pub(super) fn ending(&mut self) -> String {
        match self.wait(GRACE) {
            Some(status) => format!("it ended with {}", describe(status)),
            None => "it closed its output".to_owned(),
        }
    }

    /// Whether the program, whose output has ended, ended without an error.
    pub(super) fn ended_well(&mut self) -> bool {
        self.wait(GRACE).is_some_and(|status| status.success())
    }

    /// The end of what it wrote to standard error, trimmed.
    pub(super) fn stderr_tail(&self) -> String {
        let _ = self.stderr_ended.recv_timeout(STDERR_GRACE);
        let Ok(tail) = self.stderr.lock() else { return String::new() };
        let bytes: Vec<u8> = tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    /// Says goodbye by the end of input, and kills what has not ended after a grace.
    fn drop(&mut self) {
        self.requests = None;
        if self.wait(GRACE).is_none() {
            self.kill();
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    match status.code() {
        Some(code) => format!("status {code}"),
        None => "an unknown status".to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
