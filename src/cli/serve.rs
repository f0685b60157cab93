//! `lossproof serve`: the oracle as an adapter. Answers the protocol with truth, several requests at a time.

use super::{HOLDS, Stop, names, stop};
use crate::case::Case;
use crate::kernel::Support;
use crate::loss::LOSSES;
use crate::oracle::{self, Bounds};
use crate::subject::adapter;
use crate::subject::protocol::{Hello, Request, output_tensor};
use crate::tensor::{BASE64_ABOVE, unravel};
use crate::truth::{OutputTruth, Truth};
use serde_json::{Map, Value, json};

/// The most elements of a case that is answered: what fits into memory while it is proved.
const MOST_ELEMENTS: usize = 1 << 22;

/// Answer the adapter protocol with truth, on standard input and output
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many requests are answered at a time; the number of cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Answer with this built-in kernel, mutant or twin instead of the truth, one request at a time
    #[arg(long, value_name = "NAME", conflicts_with = "jobs")]
    kernel: Option<String>,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout());
    let served = match &args.kernel {
        Some(name) => {
            adapter::serve_on(names::kernel(name, "without --kernel the truth is served")?, input, output)
        }
        None => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let answer = |request: &Request| answer(&request.case, request.truth);
            adapter::serve_with(&hello(), args.jobs.map_or(cores, usize::from), answer, input, output)
        }
    };
    served.map_err(stop)?;
    Ok(HOLDS)
}

fn hello() -> Hello {
    Hello {
        name: "lossproof".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        supports: LOSSES.iter().map(|entry| Support::everything(entry.spec().id)).collect(),
        unknown_losses: Vec::new(),
    }
}

/// The truth of a case as the protocol writes it, without an id: `outputs`, and `truth` for small outputs, for all if
/// `bounds` is true, for none if it is false.
pub(super) fn answer(case: &Case, bounds: Option<bool>) -> Result<Map<String, Value>, String> {
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
    Ok(answer)
}
