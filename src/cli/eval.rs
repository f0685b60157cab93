//! `lossproof eval`: the calculator. Proved digits of one case.

use super::{HOLDS, Stop, WRONG, names, print, serve, stop, style::Colours, values};
use crate::case::{Case, CaseError};
use crate::oracle::{self, Bounds};
use crate::report::terminal::{Table, describe_case, exact};
use crate::subject::lines::{LINE_LIMIT, Line, read_line};
use crate::subject::protocol::Request;
use crate::tensor::unravel;
use crate::truth::{OutputTruth, Truth};
use std::path::PathBuf;

/// Compute a loss and its gradients: proved digits of one case
#[derive(clap::Args)]
pub(super) struct Args {
    /// The loss
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    loss: Option<String>,
    /// The format of the inputs: f64, f32, f16 or bf16
    #[arg(long, default_value = "f32")]
    format: String,
    /// An input's values, row by row: `logits=2,-1` or `logits=2,-1;0,3`; may be repeated
    #[arg(long, value_name = "NAME=VALUES", allow_hyphen_values = true)]
    input: Vec<String>,
    /// An input's shape: `logits=1,2`; may be repeated
    #[arg(long, value_name = "NAME=SHAPE")]
    shape: Vec<String>,
    /// A parameter: `reduction=sum`; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// The inputs by which to differentiate, all if left out; repeats, or takes commas
    #[arg(long, value_name = "INPUT", value_delimiter = ',')]
    gradient: Option<Vec<String>>,
    /// The gradient that arrives from above, ones if left out
    #[arg(long, value_name = "VALUES", allow_hyphen_values = true)]
    upstream: Option<String>,
    /// A protocol request instead: a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "shape", "param", "gradient", "upstream"])]
    file: Option<PathBuf>,
    /// Print the answer as the protocol writes it
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let (case, remarks) = match (&args.file, &args.loss) {
        (Some(file), _) => (read_request(file)?.case, Vec::new()),
        (None, Some(loss)) => typed(loss, &args)?,
        (None, None) => return Err(stop("give a loss or a --file")),
    };
    if args.json {
        let answer = serve::answer(&case, Some(true)).map_err(stop)?;
        print(&format!("{}\n", serde_json::Value::Object(answer)))?;
        return Ok(HOLDS);
    }
    let truth = oracle::prove_with_bounds(&case).map_err(stop)?;
    print(&page(&case, &remarks, &truth))?;
    let undecided = |(output, _): &(OutputTruth, Vec<Bounds>)| {
        output.elements.iter().any(|element| matches!(element, Truth::Undecided { .. }))
    };
    Ok(if truth.iter().any(undecided) { WRONG } else { HOLDS })
}

/// The request in a file, or on standard input for `-`.
pub(super) fn read_request(file: &std::path::Path) -> Result<Request, Stop> {
    let wrong = |error: &dyn std::fmt::Display| stop(format!("{}: {error}", file.display()));
    let text = if file.as_os_str() == "-" {
        match read_line(&mut std::io::stdin().lock(), LINE_LIMIT).map_err(|error| wrong(&error))? {
            Line::Whole(line) | Line::Partial(line) => line,
            Line::TooLong => return Err(wrong(&"the line is longer than 64 MiB")),
            Line::End => return Err(wrong(&"there is no request")),
        }
    } else {
        std::fs::read(file).map_err(|error| wrong(&error))?
    };
    Request::parse(&text).map_err(|error| wrong(&error))
}

fn typed(loss: &str, args: &Args) -> Result<(Case, Vec<String>), Stop> {
    let entry = names::loss(loss)?;
    let spec = entry.spec();
    let format = names::format(&args.format)?;
    let (inputs, mut remarks) = values::inputs(spec, format, &args.input, &args.shape)?;
    let params = values::params(&args.param)?;
    let mut case = Case::new(spec.id, format, params, inputs).map_err(stop)?;
    if let Some(gradients) = &args.gradient {
        case.gradients = gradients.iter().filter(|name| !name.is_empty()).cloned().collect();
    }
    if let Some(upstream) = &args.upstream {
        case.upstream = values::upstream(format, &case.upstream.shape, upstream, &mut remarks)?;
    }
    let case: Result<Case, CaseError> = case.checked();
    Ok((case.map_err(stop)?, remarks))
}

fn page(case: &Case, remarks: &[String], truth: &[(OutputTruth, Vec<Bounds>)]) -> String {
    let mut text = format!("{} in {}\n", case.loss, case.format.name());
    for line in describe_case(case).iter().chain(remarks) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push('\n');
    let mut table = Table::new(&["output", "kind", "value", "bits", "proved digits"], &[2]);
    for (output, bounds) in truth {
        for (at, (element, bounds)) in output.elements.iter().zip(bounds).enumerate() {
            let index = unravel(&output.shape, at);
            let name =
                if index.is_empty() { output.name.clone() } else { format!("{}{index:?}", output.name) };
            let value = element.value(case.format);
            let kind = match element {
                Truth::Undecided { bits } => format!("undecided at {bits} bits"),
                other => other.kind().to_owned(),
            };
            let width = case.format.bytes() * 2;
            let bits = format!("0x{:0width$x}", case.format.to_bits(value));
            table.row(vec![name, kind, exact(value), bits, digits(element, bounds)]);
        }
        if output.elements.is_empty() {
            table.row(vec![output.name.clone(), format!("empty, shape {:?}", output.shape)]);
        }
    }
    text.push_str(&table.render(&Colours));
    text
}

/// Bounds that share fewer characters are written apart.
const FEWEST_SHARED: usize = 8;

/// The bounds in one: the digits that both share, and their ends where they part.
fn digits(truth: &Truth, bounds: &Bounds) -> String {
    let Some((low, high)) = bounds else { return "-".to_owned() };
    if low == high {
        return low.clone();
    }
    if matches!(truth, Truth::Set(..)) {
        return format!("[{low}, {high}]");
    }
    // 4.8587…642e-2 and 4.8587…643e-2 are written 4.8587…64[2, 3]e-2.
    let split = |text: &str| text.find('e').unwrap_or(text.len());
    let ((low, low_exponent), (high, high_exponent)) = (low.split_at(split(low)), high.split_at(split(high)));
    let shared = low.bytes().zip(high.bytes()).take_while(|(a, b)| a == b).count();
    if low_exponent != high_exponent || shared < FEWEST_SHARED {
        return format!("[{low}{low_exponent}, {high}{high_exponent}]");
    }
    format!("{}[{}, {}]{low_exponent}", &low[..shared], &low[shared..], &high[shared..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_one_number_where_they_share_digits() {
        let written = |low: &str, high: &str| {
            let bounds = Some((low.to_owned(), high.to_owned()));
            digits(&Truth::Undefined, &bounds)
        };
        assert_eq!(written("1.2345678912e-2", "1.2345678913e-2"), "1.234567891[2, 3]e-2");
        assert_eq!(written("1.2345678983", "1.2345679031"), "1.234567[8983, 9031]");
        assert_eq!(written("9.999999999e-2", "1.000000000e-1"), "[9.999999999e-2, 1.000000000e-1]");
        assert_eq!(written("-1.5", "-1.5"), "-1.5");
        assert_eq!(digits(&Truth::Undefined, &None), "-");
    }
}
