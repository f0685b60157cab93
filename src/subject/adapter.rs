//! The adapter's side of the protocol: puts a kernel of this program behind standard input and output. Whatever a request
//! holds it gets exactly one answer line, and the requests behind it are read; `lossproof serve` goes the same way.

use super::lines::{LINE_LIMIT, Line, read_line};
use super::protocol::{Hello, Request, VERSION, id_of};
use super::{Answer, in_process};
use crate::case::Case;
use crate::kernel::{Kernel, Support};
use serde_json::{Map, Value, json};
use std::io::{BufRead, Error, ErrorKind, Result, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// Serves a kernel on standard input and output until the input ends: a Rust program whose `main` calls this is an adapter.
///
/// Requests are answered in their order, one at a time. What the kernel does not declare in [`Kernel::supports`] is answered
/// with `unsupported` without asking it; a request that is none, a failure and a panic with `error`. The program's own text
/// belongs on standard error.
///
/// Errors: those of the two streams. A reader that has gone away is none.
///
/// ```no_run
/// # use lossproof::kernel::Builtin as MyKernel;
/// fn main() -> std::io::Result<()> {
///     lossproof::subject::adapter::serve(&MyKernel)
/// }
/// ```
pub fn serve(kernel: &dyn Kernel) -> Result<()> {
    serve_on(kernel, std::io::stdin().lock(), std::io::stdout())
}

/// As [`serve`], on any two streams.
///
/// ```
/// use lossproof::kernel::Builtin;
///
/// let requests = r#"{"id":1,"loss":"mae","format":"f32","inputs":{
///     "prediction":{"dtype":"f32","shape":[2],"values":[1.0,-2.0]},
///     "target":{"dtype":"f32","shape":[2],"values":[0.0,0.0]}},"gradients":["prediction"]}"#;
/// let mut answers = Vec::new();
/// lossproof::subject::adapter::serve_on(&Builtin, requests.replace('\n', "").as_bytes(), &mut answers)?;
/// assert_eq!(
///     String::from_utf8_lossy(&answers),
///     r#"{"id":1,"outputs":{"grad.prediction":{"dtype":"f32","shape":[2],"values":[0.5,-0.5]},"#.to_owned()
///         + r#""loss":{"dtype":"f32","shape":[],"values":[1.5]}}}"# + "\n"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve_on(kernel: &dyn Kernel, input: impl BufRead, output: impl Write + Send) -> Result<()> {
    let hello = Hello {
        name: kernel.name().to_owned(),
        version: kernel.version().to_owned(),
        supports: kernel.supports(),
        unknown_losses: Vec::new(),
    };
    let answer = |request: &Request| {
        if let Some(why) = refusal(&hello.supports, &request.case) {
            return Ok(object("unsupported", Value::String(why)));
        }
        match in_process::run(kernel, &request.case) {
            Answer::Outputs(outputs) => {
                let outputs = serde_json::to_value(&outputs).map_err(|error| error.to_string())?;
                Ok(object("outputs", outputs))
            }
            Answer::Unsupported(why) => Ok(object("unsupported", Value::String(why))),
            Answer::Failed { reason, .. } => Err(reason),
        }
    };
    serve_with(&hello, 1, answer, input, output)
}

fn object(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// Why a case is outside of what the kernel declares; nothing where it is inside.
fn refusal(supports: &[Support], case: &Case) -> Option<String> {
    let loss = &case.loss;
    let declared = |support: &&Support| support.loss == *loss && support.formats.contains(&case.format);
    let Some(support) = supports.iter().find(declared) else {
        return Some(format!("no {loss} in {}", case.format.name()));
    };
    let name = case.gradients.iter().find(|name| !support.gradients.contains(name));
    if let Some(name) = name {
        return Some(format!("{loss}: no gradient by {name}"));
    }
    let spec = case.entry().ok()?.spec();
    let optional = |name: &&String| spec.input(name).is_some_and(|input| input.optional);
    if let Some(name) =
        case.inputs.keys().filter(optional).find(|name| !support.optional_inputs.contains(name))
    {
        return Some(format!("{loss}: no input {name}"));
    }
    // Complete: 2 and 2.0 are the same where the parameter is a number.
    let Ok(pinned) = support.params.complete(spec) else {
        return Some(format!("{loss}: the kernel pins a parameter to what is no value of it"));
    };
    let name = support.params.0.keys().find(|name| pinned.get(name) != case.params.get(name))?;
    Some(format!("{loss}: {name} is pinned to {}, the case has {}", pinned.get(name), case.params.get(name)))
}

/// Serves whatever `answer` says, with so many requests at a time: the fields of an answer line besides its id, or what
/// went wrong.
///
/// Memory holds a line for each worker and one more for each that waits. Errors: as [`serve`].
pub(crate) fn serve_with<A>(
    hello: &Hello,
    workers: usize,
    answer: A,
    mut input: impl BufRead,
    output: impl Write + Send,
) -> Result<()>
where
    A: Fn(&Request) -> std::result::Result<Map<String, Value>, String> + Sync,
{
    let writer = Writer::new(output);
    // Beyond one line for each worker the input waits.
    let (lines, waiting) = sync_channel::<Vec<u8>>(workers);
    let waiting = Arc::new(Mutex::new(waiting));
    let read = std::thread::scope(|scope| {
        for _ in 0..workers {
            let waiting = waiting.clone();
            let (answer, writer) = (&answer, &writer);
            scope.spawn(move || {
                let next = || waiting.lock().ok()?.recv().ok();
                while let Some(line) = next() {
                    if writer.is_read() {
                        writer.write(&respond(&line, answer));
                    }
                }
            });
        }
        // So that sending fails, and does not wait, should every worker have ended.
        drop(waiting);
        while writer.is_read() {
            match read_line(&mut input, LINE_LIMIT).map_err(|error| named("standard input", &error))? {
                Line::End => break,
                Line::TooLong => writer.write(&error_line(Value::Null, "the line is longer than 64 MiB")),
                Line::Whole(line) | Line::Partial(line) => match greeting(&line, hello) {
                    Some(answer) => writer.write(&answer),
                    None if lines.send(line).is_err() => break,
                    None => {}
                },
            }
        }
        // The end of the queue ends the workers, for whom the scope waits.
        drop(lines);
        Ok(())
    });
    read.and(writer.finish())
}

/// Where the answers go, a line each.
struct Writer<W> {
    out: Mutex<(W, Result<()>)>,
    gone: AtomicBool,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> Writer<W> {
        Writer { out: Mutex::new((out, Ok(()))), gone: AtomicBool::new(false) }
    }

    /// Whether the other side was there at the last line.
    fn is_read(&self) -> bool {
        !self.gone.load(Ordering::Relaxed)
    }

    /// Writes a line and flushes it.
    fn write(&self, line: &str) {
        // A worker that panics while it holds the lock is a bug, and no reason for the others to stop.
        let mut guard = self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (out, result) = &mut *guard;
        if result.is_err() {
            return;
        }
        *result =
            out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
        if result.is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// The first error, if it is one.
    fn finish(self) -> Result<()> {
        let (_, result) = self.out.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(named("standard output", &error)),
            Ok(()) => Ok(()),
        }
    }
}

/// An error that says which stream it is of.
fn named(stream: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{stream}: {error}"))
}

/// The answer to a hello; nothing for other lines.
fn greeting(line: &[u8], hello: &Hello) -> Option<String> {
    // Looks into short lines only: a hello is one, and long ones are for the workers.
    const LONGEST: usize = 1024;
    if line.len() > LONGEST {
        return None;
    }
    let envelope = id_of(line).ok()?;
    match (&envelope.id, &envelope.lossproof) {
        (Value::Null, Value::Number(version)) if version.as_u64() == Some(VERSION) => {
            Some(hello.to_line().trim_end().to_owned())
        }
        (Value::Null, version) if !version.is_null() => Some(error_line(
            Value::Null,
            &format!("protocol version {version} is not known; this is version {VERSION}"),
        )),
        _ => None,
    }
}

fn error_line(id: Value, problem: &str) -> String {
    json!({"id": id, "error": problem}).to_string()
}

/// The answer line to a request line, whatever it is.
fn respond(
    line: &[u8],
    answer: &(impl Fn(&Request) -> std::result::Result<Map<String, Value>, String> + Sync),
) -> String {
    let id = match id_of(line) {
        Ok(envelope) if envelope.id.is_null() => {
            return error_line(Value::Null, "the request has no id");
        }
        Ok(envelope) => envelope.id,
        Err(error) => return error_line(Value::Null, &format!("the request cannot be read: {error}")),
    };
    let answer = || answer(&Request::parse(line).map_err(|error| error.to_string())?);
    // A panic costs the request, not the adapter.
    let answer = in_process::quietly(|| catch_unwind(AssertUnwindSafe(answer)));
    match answer.unwrap_or_else(|panic| Err(format!("panicked: {}", in_process::panic_text(&*panic)))) {
        Ok(mut fields) => {
            fields.shift_insert(0, "id".to_owned(), id);
            Value::Object(fields).to_string()
        }
        Err(problem) => error_line(id, &problem),
    }
}

#[cfg(test)]
mod tests;
