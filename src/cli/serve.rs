//! `lossproof serve`: the oracle as an adapter. Answers the protocol with truth, several requests at a time.

use super::{HOLDS, Stop, stop};
use crate::case::Case;
use crate::kernel::Support;
use crate::loss::LOSSES;
use crate::oracle::{self, Bounds};
use crate::subject::lines::{LINE_LIMIT, Line, read_line};
use crate::subject::protocol::{Hello, Request, VERSION, id_of, output_tensor};
use crate::tensor::{BASE64_ABOVE, unravel};
use crate::truth::{OutputTruth, Truth};
use serde_json::{Map, Value, json};
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// The most elements of a case that is answered: what fits into memory while it is proved.
const MOST_ELEMENTS: usize = 1 << 22;

/// Answer the adapter protocol with truth, on standard input and output
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many requests are answered at a time; the number of cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = args.jobs.map_or(cores, usize::from);
    // One line waits for each worker; beyond that standard input waits. This bounds the memory.
    let (lines, waiting) = sync_channel::<Vec<u8>>(workers);
    let waiting = Arc::new(Mutex::new(waiting));
    let gone = Arc::new(AtomicBool::new(false));
    let worker = || {
        let (waiting, gone) = (waiting.clone(), gone.clone());
        std::thread::spawn(move || {
            loop {
                let Ok(line) = waiting.lock().map_err(|_| ()).and_then(|lines| lines.recv().map_err(|_| ()))
                else {
                    return;
                };
                if !gone.load(Ordering::Relaxed) {
                    write(&respond(&line), &gone);
                }
            }
        })
    };
    let workers: Vec<_> = (0..workers).map(|_| worker()).collect();
    let mut input = std::io::stdin().lock();
    while !gone.load(Ordering::Relaxed) {
        match read_line(&mut input, LINE_LIMIT).map_err(|error| stop(format!("standard input: {error}")))? {
            Line::End => break,
            Line::TooLong => write(&error_line(Value::Null, "the line is longer than 64 MiB"), &gone),
            Line::Whole(line) | Line::Partial(line) => match greeting(&line) {
                Some(answer) => write(&answer, &gone),
                // Fails only where every worker has ended.
                None if lines.send(line).is_err() => break,
                None => {}
            },
        }
    }
    drop(lines);
    for worker in workers {
        let _ = worker.join();
    }
    Ok(HOLDS)
}

/// Writes a line and flushes it; remembers where nobody reads any more.
fn write(line: &str, gone: &AtomicBool) {
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    if let Err(error) = written {
        if error.kind() != ErrorKind::BrokenPipe {
            super::complain(&format!("standard output: {error}"));
        }
        gone.store(true, Ordering::Relaxed);
    }
}

/// The answer to a hello; nothing for other lines.
fn greeting(line: &[u8]) -> Option<String> {
    // Looks into short lines only: a hello is one, and long ones are for the workers.
    const LONGEST: usize = 1024;
    let envelope = id_of(line.get(..line.len()).filter(|line| line.len() <= LONGEST)?).ok()?;
    match (&envelope.id, &envelope.lossproof) {
        (Value::Null, Value::Number(version)) if version.as_u64() == Some(VERSION) => {
            Some(hello().to_line().trim_end().to_owned())
        }
        (Value::Null, version) if !version.is_null() => Some(error_line(
            Value::Null,
            &format!("protocol version {version} is not known; this is version {VERSION}"),
        )),
        _ => None,
    }
}

fn hello() -> Hello {
    Hello {
        name: "lossproof".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        supports: LOSSES.iter().map(|entry| Support::everything(entry.spec().id)).collect(),
        unknown_losses: Vec::new(),
    }
}

fn error_line(id: Value, problem: &str) -> String {
    json!({"id": id, "error": problem}).to_string()
}

/// The answer line to a request line, whatever it is.
fn respond(line: &[u8]) -> String {
    let id = match id_of(line) {
        Ok(envelope) if envelope.id.is_null() => {
            return error_line(Value::Null, "the request has no id");
        }
        Ok(envelope) => envelope.id,
        Err(error) => return error_line(Value::Null, &format!("the request cannot be read: {error}")),
    };
    let answer = || {
        let request = Request::parse(line).map_err(|error| error.to_string())?;
        answer(&request.case, request.truth)
    };
    // A bug of the oracle costs the request, not the server.
    let answer = crate::subject::quietly(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(answer)));
    match answer.unwrap_or_else(|_| Err("the oracle panicked, which is a bug of lossproof".to_owned())) {
        Ok(Value::Object(mut answer)) => {
            answer.shift_insert(0, "id".to_owned(), id);
            Value::Object(answer).to_string()
        }
        Ok(_) => error_line(id, "no answer"),
        Err(problem) => error_line(id, &problem),
    }
}

/// The truth of a case as the protocol writes it, without an id: `outputs`, and `truth` for small outputs, for all if
/// `bounds` is true, for none if it is false.
pub(super) fn answer(case: &Case, bounds: Option<bool>) -> Result<Value, String> {
    if case.elements() > MOST_ELEMENTS {
        let elements = case.elements();
        return Err(format!("the case has {elements} elements; at most {MOST_ELEMENTS} are answered"));
    }
    let shows = |elements: usize| bounds.unwrap_or(elements <= BASE64_ABOVE);
    let any = case.outputs().iter().any(|(_, shape)| shows(shape.iter().product()));
    let proved: Vec<(OutputTruth, Option<Vec<Bounds>>)> = if any {
        let proved = oracle::prove_with_bounds(case).map_err(|error| error.to_string())?;
        proved.into_iter().map(|(output, bounds)| (output, Some(bounds))).collect()
    } else {
        let proved = oracle::prove(case).map_err(|error| error.to_string())?;
        proved.into_iter().map(|output| (output, None)).collect()
    };
    let (mut outputs, mut truth) = (Map::new(), Map::new());
    for (output, bounds) in proved {
        for (at, element) in output.elements.iter().enumerate() {
            if let Truth::Undecided { bits } = element {
                let index = unravel(&output.shape, at);
                return Err(format!("{} is undecided at {index:?} after {bits} bits", output.name));
            }
        }
        let values = output.elements.iter().map(|element| element.value(case.format)).collect();
        let tensor = output_tensor(case.format, &output.shape, values);
        outputs
            .insert(output.name.clone(), serde_json::to_value(&tensor).map_err(|error| error.to_string())?);
        if let Some(bounds) = bounds.filter(|bounds| shows(bounds.len())) {
            let kinds: Vec<&str> = output.elements.iter().map(Truth::kind).collect();
            let (low, high): (Vec<Option<String>>, Vec<Option<String>>) = bounds
                .into_iter()
                .map(|bounds| bounds.map_or((None, None), |(l, h)| (Some(l), Some(h))))
                .unzip();
            truth.insert(output.name, json!({"kind": kinds, "lo": low, "hi": high}));
        }
    }
    let mut answer = Map::new();
    answer.insert("outputs".to_owned(), Value::Object(outputs));
    if !truth.is_empty() {
        answer.insert("truth".to_owned(), Value::Object(truth));
    }
    Ok(Value::Object(answer))
}
