//! A child process behind the adapter protocol as a subject. Whatever it does after its hello costs the cases that were
//! outstanding at most: they are sent again one at a time, the one that fails alone gets the fault, and the run goes on.

use super::lines::{BYTES_PER_ELEMENT, LINE_LIMIT, Line};
use super::protocol::{Reply, excerpt, request_line};
use super::session::{Event, Session};
use super::{Answer, SetupError, Subject};
use crate::case::Case;
use crate::judge::Fault;
use crate::kernel::Support;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The most requests that are outstanding.
const MOST_OUTSTANDING: usize = 64;

/// The most bytes of requests that are outstanding; a single request may be larger.
const MOST_BYTES: usize = 8 << 20;

/// After so many cases in a row that failed alone, a loss's remaining cases are given up.
const PATIENCE: usize = 8;

/// After so many restarts during one loss, its remaining cases are given up.
const MOST_RESTARTS: usize = 50;

/// How the reason begins for cases that were given up without being asked.
pub const NOT_ASKED: &str = "not asked: ";

/// How long things may take.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    /// From the start to the hello: frameworks import slowly.
    pub start: Duration,
    /// From one answer to the next.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { start: Duration::from_secs(120), answer: Duration::from_secs(30) }
    }
}

/// An adapter.
pub struct Process {
    words: Vec<String>,
    limits: Limits,
    name: String,
    version: String,
    supports: Vec<Support>,
    unknown_losses: Vec<String>,
    session: Option<Session>,
    next_id: u64,
    failures: Failures,
}

/// How long the adapter has been failing: its patience is per loss, and short where no loss has had an answer.
#[derive(Default)]
struct Failures {
    loss: String,
    in_a_row: usize,
    restarts: usize,
    last: Option<(Fault, String)>,
}

impl Failures {
    /// Another loss is another chance: in full where the adapter has answered since, else a single one.
    fn enter(&mut self, loss: &str) {
        if self.loss != loss {
            let in_a_row = if self.in_a_row >= PATIENCE { PATIENCE - 1 } else { 0 };
            *self = Failures { loss: loss.to_owned(), in_a_row, ..Failures::default() };
        }
    }

    /// The answer of cases that are not sent any more.
    fn given_up(&self) -> Option<Answer> {
        let (fault, last) = self.last.as_ref()?;
        let why = if self.in_a_row >= PATIENCE {
            "the adapter failed too many times in a row".to_owned()
        } else if self.restarts >= MOST_RESTARTS {
            format!("the adapter was started {MOST_RESTARTS} times for this loss")
        } else {
            return None;
        };
        Some(Answer::Failed { fault: *fault, reason: format!("{NOT_ASKED}{why}, the last time: {last}") })
    }
}

/// Why a round ended early.
struct Broken {
    fault: Fault,
    reason: String,
    /// The cases that were outstanding.
    suspects: Vec<usize>,
    /// Whether it was another case's second answer: then the outstanding ones are above suspicion.
    late: bool,
}

impl Process {
    /// Starts an adapter from its command's words, without a shell, and reads its hello.
    ///
    /// Errors: it does not start, or gives no valid hello in time.
    pub fn start(words: Vec<String>, limits: Limits) -> Result<Process, SetupError> {
        let (session, hello) = Session::start(&words, limits.start)?;
        Ok(Process {
            words,
            limits,
            name: hello.name,
            version: hello.version,
            supports: hello.supports,
            unknown_losses: hello.unknown_losses,
            session: Some(session),
            next_id: 0,
            failures: Failures::default(),
        })
    }

    /// Losses that the adapter names and this catalogue does not have.
    pub fn unknown_losses(&self) -> &[String] {
        &self.unknown_losses
    }

    /// The running adapter, started again where it has ended.
    fn session(&mut self) -> Result<&mut Session, (Fault, String)> {
        if self.session.is_none() {
            let (session, _) = Session::start(&self.words, self.limits.start)
                .map_err(|error| (Fault::Crash, format!("it did not start again: {error}")))?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or((Fault::Crash, "it did not start again".to_owned()))
    }

    /// Sends the cases of `queue`, at most `window` at a time, and takes the answers as they come. The queue holds
    /// afterwards what was not sent.
    fn round(&mut self, call: &mut Call, queue: &mut VecDeque<usize>, window: usize) -> Result<(), Broken> {
        let (timeout, mut next_id) = (self.limits.answer, self.next_id);
        let mut outstanding: HashMap<u64, (usize, usize)> = HashMap::new();
        let (mut bytes, mut late) = (0, false);
        let mut waiting: Option<(usize, String)> = None;
        let session = match self.session() {
            Ok(session) => session,
            Err((fault, reason)) => {
                let suspects = queue.drain(..queue.len().min(window)).collect();
                return Err(Broken { fault, reason, suspects, late: false });
            }
        };
        let mut deadline = Instant::now() + timeout;
        let broken = loop {
            while outstanding.len() < window {
                let next = waiting.take().or_else(|| {
                    let case = queue.pop_front()?;
                    next_id += 1;
                    Some((case, request_line(next_id, &call.cases[case])))
                });
                let Some((case, line)) = next else { break };
                if !outstanding.is_empty() && bytes + line.len() > MOST_BYTES {
                    waiting = Some((case, line));
                    break;
                }
                session.set_line_limit(line_limit(&call.cases[case]));
                if outstanding.is_empty() {
                    deadline = Instant::now() + timeout;
                }
                bytes += line.len();
                outstanding.insert(next_id, (case, line.len()));
                session.send(line);
            }
            let line = if outstanding.is_empty() {
                // What it says without being asked is found here, or by the next round.
                match session.try_next() {
                    Some(line) => line,
                    None => break None,
                }
            } else {
                match session.next(deadline) {
                    Event::Line(line) => line,
                    Event::Silence => {
                        let reason = format!("no answer within {} s", timeout.as_secs_f64());
                        break Some((Fault::Timeout, reason));
                    }
                }
            };
            let line = match line {
                Line::Whole(line) => line,
                Line::TooLong => {
                    break Some((Fault::ProtocolError, "a line longer than its limit".to_owned()));
                }
                Line::Partial(_) | Line::End => break Some(ended(session, &line)),
            };
            match Reply::parse(&line) {
                Err(problem) => {
                    break Some((Fault::ProtocolError, format!("{problem}: {}", excerpt(&line))));
                }
                Ok(Reply { id, answer }) => match outstanding.remove(&id) {
                    Some((case, length)) => {
                        bytes -= length;
                        call.answered.insert(id, case);
                        call.results[case] = Some(answer);
                        deadline = Instant::now() + timeout;
                    }
                    None => {
                        late = true;
                        break Some(call.not_asked(id));
                    }
                },
            }
        };
        self.next_id = next_id;
        if let Some((case, _)) = waiting {
            queue.push_front(case);
        }
        let Some((fault, reason)) = broken else { return Ok(()) };
        if let Some(mut session) = self.session.take() {
            session.kill();
        }
        self.failures.restarts += 1;
        self.failures.last = Some((fault, reason.clone()));
        let mut suspects: Vec<usize> = outstanding.values().map(|&(case, _)| case).collect();
        suspects.sort_unstable();
        Err(Broken { fault, reason, suspects, late })
    }

    /// Asks one case alone, and gives it the fault if that fails.
    fn alone(&mut self, call: &mut Call, case: usize) {
        let mut outcome = self.round(call, &mut VecDeque::from([case]), 1);
        if matches!(&outcome, Err(broken) if broken.late && !broken.suspects.is_empty()) {
            outcome = self.round(call, &mut VecDeque::from([case]), 1);
        }
        match outcome {
            Err(Broken { fault, reason, suspects, .. }) if !suspects.is_empty() => {
                self.failures.in_a_row += 1;
                self.failures.last = Some((fault, reason.clone()));
                call.results[case] = Some(Answer::Failed { fault, reason });
            }
            _ => self.failures.in_a_row = 0,
        }
    }
}

impl Subject for Process {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn supports(&self) -> &[Support] {
        &self.supports
    }

    fn answer(&mut self, cases: &[Case]) -> Vec<Answer> {
        if let Some(first) = cases.first() {
            self.failures.enter(&first.loss);
        }
        let mut call = Call { cases, results: vec![None; cases.len()], answered: HashMap::new() };
        let mut queue: VecDeque<usize> = (0..cases.len()).collect();
        while !queue.is_empty() && self.failures.given_up().is_none() {
            // An adapter that has just failed is asked one at a time until it answers again.
            if self.failures.in_a_row > 0 {
                if let Some(case) = queue.pop_front() {
                    self.alone(&mut call, case);
                }
                continue;
            }
            let Err(broken) = self.round(&mut call, &mut queue, MOST_OUTSTANDING) else { continue };
            for case in broken.suspects {
                if self.failures.given_up().is_none() {
                    self.alone(&mut call, case);
                }
            }
        }
        let given_up = self.failures.given_up();
        let missing = || {
            given_up.clone().unwrap_or_else(|| Answer::Failed {
                fault: Fault::ProtocolError,
                reason: "no answer".to_owned(),
            })
        };
        call.results.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
    }

    fn failures_are_dear(&self) -> bool {
        true
    }
}

/// The state of one call of [`Subject::answer`].
struct Call<'a> {
    cases: &'a [Case],
    results: Vec<Option<Answer>>,
    /// The ids that were answered, with their cases.
    answered: HashMap<u64, usize>,
}

impl Call<'_> {
    /// The fault of an answer that nothing asked for; a second answer is the fault of its own case.
    fn not_asked(&mut self, id: u64) -> (Fault, String) {
        let Some(&case) = self.answered.get(&id) else {
            return (Fault::ProtocolError, format!("an answer to request {id}, which is not outstanding"));
        };
        let (fault, reason) = (Fault::ProtocolError, "two answers to one request".to_owned());
        self.results[case] = Some(Answer::Failed { fault, reason: reason.clone() });
        (fault, reason)
    }
}

/// How long the answer to a case may be, in bytes.
fn line_limit(case: &Case) -> usize {
    let expected: usize = case.outputs().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    LINE_LIMIT.saturating_add(expected.saturating_mul(BYTES_PER_ELEMENT))
}

/// The fault of an adapter whose output ended while answers were owed.
fn ended(session: &mut Session, line: &Line) -> (Fault, String) {
    let ending = session.ending();
    let said = session.stderr_tail();
    let said =
        said.lines().last().map_or(String::new(), |last| format!("; it said {}", excerpt(last.as_bytes())));
    match line {
        Line::Partial(text) if session.ended_well() => {
            (Fault::ProtocolError, format!("{ending} inside of the line {}{said}", excerpt(text)))
        }
        _ => (Fault::Crash, format!("{ending}{said}")),
    }
}
