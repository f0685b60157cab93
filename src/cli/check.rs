//! `lossproof check`: grades a subject over the catalogue, or shows one case again.

use super::report::{Target, publish, targets};
use super::style::{Bar, Colours};
use super::{FAILS, HOLDS, Stop, eval, names, print, stop};
use crate::case::Case;
use crate::case::regime::Regime;
use crate::check::{self, LONGEST, Options, Replayed, Shard};
use crate::golden;
use crate::judge::Level;
use crate::kernel;
use crate::report::Report;
use crate::report::terminal::{Palette, Table, Tone, describe_case, exact, level_name, short};
use crate::subject::protocol::{Request, request};
use crate::subject::{Answer, InProcess, Limits, Process, Subject};
use crate::truth::Tier;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Grade a subject: the built-in kernels, one of them, or an adapter
#[derive(clap::Args)]
pub(super) struct Args {
    /// The command of an adapter, split into words as a shell does and run without one
    #[arg(long, value_name = "CMD", conflicts_with = "kernel")]
    adapter: Option<String>,
    /// Take cases and truth from a folder of golden files, instead of making and proving them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cases", "long", "seed", "replay"])]
    golden: Option<PathBuf>,
    /// One built-in kernel, mutant or twin
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Only these losses; repeats, or takes commas
    #[arg(long, value_delimiter = ',')]
    loss: Vec<String>,
    /// Only these formats; repeats, or takes commas
    #[arg(long, value_delimiter = ',')]
    format: Vec<String>,
    /// Only these regimes; repeats, or takes commas
    #[arg(long, value_delimiter = ',')]
    regime: Vec<String>,
    /// Cases per loss, format and regime. By default 36, and 12 of `long`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cases: Option<u32>,
    /// The number of classes or elements in the regime `long`. By default 131072 with `--regime long`; else 2048, and in
    /// a loss's first f32 cases 131072 classes or 16384 elements
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LONGEST as i64))]
    long: Option<u32>,
    /// The seed of the cases
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Only part I of N; the parts' reports are put together by `report merge`
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// The level that is demanded
    #[arg(long, value_name = "LEVEL", default_value = "stable")]
    require: String,
    /// Prove with this tier alone
    #[arg(long, value_name = "TIER")]
    tier: Option<TierName>,
    /// How long an adapter may take for a case
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    timeout: f64,
    /// Threads to prove and judge with; the number of cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write the report: `json=FILE` or `junit=FILE`; may be repeated
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<String>,
    /// Ask one case again: a protocol request, or a file that holds one
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["loss", "format", "regime", "shard", "report"])]
    replay: Option<String>,
}

#[derive(Copy, Clone, clap::ValueEnum)]
enum TierName {
    /// MPFR, the slow and strong one
    Mpfr,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let options = options(&args)?;
    let targets = targets(&args.report)?;
    let replayed = args.replay.as_deref().map(read_replay).transpose()?;
    set_jobs(args.jobs)?;
    let mut subject = subject(&args)?;
    match replayed {
        Some(case) => replay(&mut *subject, &case, options.require, options.tier),
        None => check(&mut *subject, &options, &args, &targets),
    }
}

/// Sets the number of threads, where one is asked for.
pub(super) fn set_jobs(jobs: Option<u16>) -> Result<(), Stop> {
    let Some(jobs) = jobs else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.into()).build_global();
    pool.map_err(|error| stop(format!("--jobs {jobs}: {error}")))
}

fn check(subject: &mut dyn Subject, options: &Options, args: &Args, targets: &[Target]) -> Result<u8, Stop> {
    let bar = Bar::of("checking");
    let mut report = match &args.golden {
        Some(folder) => golden::run(subject, folder, options, &bar).map_err(stop)?,
        None => check::run(subject, options, &bar).map_err(stop)?,
    };
    add_replays(&mut report, args)?;
    publish(&report, targets)
}

fn options(args: &Args) -> Result<Options, Stop> {
    let mut losses = Vec::new();
    for name in &args.loss {
        losses.push(names::loss(name)?.spec().id.to_owned());
    }
    let formats = args.format.iter().map(|name| names::format(name)).collect::<Result<_, _>>()?;
    let regimes: Vec<Regime> =
        args.regime.iter().map(|name| names::regime(name)).collect::<Result<_, _>>()?;
    let asked_for_long = regimes.contains(&Regime::Long).then_some(LONGEST);
    Ok(Options {
        losses,
        formats,
        regimes,
        cases: args.cases.map(|cases| cases as usize),
        seed: args.seed,
        long: args.long.map(|long| long as usize).or(asked_for_long),
        shard: args.shard.as_deref().map(shard).transpose()?,
        require: names::level(&args.require)?,
        tier: args.tier.map_or(Tier::default(), |TierName::Mpfr| Tier::Mpfr),
    })
}

fn shard(text: &str) -> Result<Shard, Stop> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err(stop(format!("--shard takes I/N with I from 1 to N, not `{text}`"))),
    }
}

fn limits(args: &Args) -> Result<Limits, Stop> {
    let seconds = Duration::try_from_secs_f64(args.timeout).ok().filter(|timeout| !timeout.is_zero());
    let answer =
        seconds.ok_or_else(|| stop(format!("--timeout takes seconds above 0, not {}", args.timeout)))?;
    Ok(Limits { answer, ..Limits::default() })
}

fn subject(args: &Args) -> Result<Box<dyn Subject>, Stop> {
    let limits = limits(args)?;
    if let Some(command) = &args.adapter {
        let words = shell_words::split(command)
            .map_err(|error| stop(format!("--adapter `{command}` cannot be split into words: {error}")))?;
        let process = Process::start(words, limits).map_err(stop)?;
        for loss in process.unknown_losses() {
            eprintln_unless_broken(&format!(
                "{} names a loss that is not in the catalogue: {loss}",
                process.name()
            ));
        }
        return Ok(Box::new(process));
    }
    if let Some(name) = &args.kernel {
        let help = "without --kernel the right built-in kernels are checked";
        return Ok(Box::new(InProcess::new(names::kernel(name, help)?)));
    }
    match kernel::builtin().first() {
        Some(kernel) => Ok(Box::new(InProcess::new(*kernel))),
        None => Err(stop("there is no built-in kernel")),
    }
}

fn eprintln_unless_broken(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A request above this many bytes is written to a file instead of into the command.
const LARGEST_INLINE: usize = 2048;

/// Gives every failure the command that shows it again.
fn add_replays(report: &mut Report, args: &Args) -> Result<(), Stop> {
    let mut command = vec!["lossproof".to_owned(), "check".to_owned()];
    let mut flag = |name: &str, value: &str| command.extend([name.to_owned(), value.to_owned()]);
    if let Some(adapter) = &args.adapter {
        flag("--adapter", adapter);
    }
    if let Some(kernel) = &args.kernel {
        flag("--kernel", kernel);
    }
    if args.require != "stable" {
        flag("--require", &args.require);
    }
    flag("--replay", "");
    command.pop();
    let mut files = 0;
    for failure in &mut report.failures {
        let Some(case) = &failure.smallest.request else { continue };
        let mut request = request(case);
        if request.len() > LARGEST_INLINE {
            files += 1;
            let number = if files == 1 { String::new() } else { format!("-{files}") };
            let file = format!("lossproof-failure{number}.json");
            std::fs::write(&file, request + "\n").map_err(|error| stop(format!("{file}: {error}")))?;
            request = file;
        }
        let words = command.iter().chain(std::iter::once(&request));
        failure.replay = Some(shell_words::join(words));
    }
    Ok(())
}

fn read_replay(argument: &str) -> Result<Case, Stop> {
    if argument.trim_start().starts_with('{') {
        let request = Request::parse(argument.as_bytes());
        return request.map(|request| request.case).map_err(|error| stop(format!("--replay: {error}")));
    }
    Ok(eval::read_request(Path::new(argument))?.case)
}

fn replay(subject: &mut dyn Subject, case: &Case, require: Level, tier: Tier) -> Result<u8, Stop> {
    let replayed = check::replay(subject, case, require, tier).map_err(stop)?;
    let fails = !replayed.wrong.is_empty() && replayed.demanded.is_some();
    let mut text = format!("{} in {}, asked of {}\n", case.loss, case.format.name(), subject.name());
    for line in describe_case(case) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push('\n');
    text.push_str(&table(case, &replayed));
    for line in &replayed.wrong {
        text.push_str(&format!("{}\n", Colours.paint(Tone::Bad, line)));
    }
    if let Answer::Unsupported(why) = &replayed.answer {
        text.push_str(&format!("unsupported: {why}\n"));
    }
    if replayed.demanded.is_none() {
        text.push_str("nothing is demanded: a step on the way leaves the format's range\n");
    }
    text.push_str(match fails {
        true => {
            "This case fails. `lossproof eval --file FILE` with the request proves more digits of the truth\n"
        }
        false => "This case does not fail.\n",
    });
    print(&text)?;
    Ok(if fails { FAILS } else { HOLDS })
}

/// What was given and what is right, element by element; of each output its worst element besides, with its level.
fn table(case: &Case, replayed: &Replayed) -> String {
    const MOST_ROWS: usize = 64;
    let Answer::Outputs(outputs) = &replayed.answer else { return String::new() };
    let mut table = Table::new(&["output", "got", "want", "budget"], &[1, 2, 3]);
    let mut left_out = 0;
    for (truth, tolerance) in replayed.verified.outputs.iter().zip(&replayed.verified.tolerances) {
        let got = outputs.get(&truth.name).map_or(&[][..], |tensor| tensor.floats());
        for (at, element) in truth.elements.iter().enumerate() {
            if at >= MOST_ROWS {
                left_out += 1;
                continue;
            }
            let index = crate::tensor::unravel(&truth.shape, at);
            table.row(vec![
                if index.is_empty() { truth.name.clone() } else { format!("{}{index:?}", truth.name) },
                got.get(at).map_or("nothing".to_owned(), |&x| exact(x)),
                exact(element.value(case.format)),
                tolerance.budget.get(at).map_or(String::new(), |&budget| short(budget)),
            ]);
        }
    }
    let mut text = table.render(&Colours);
    if left_out > 0 {
        text.push_str(&format!("and {left_out} elements more\n"));
    }
    text.push('\n');
    let mut verdicts = Table::new(&["output", "level", "worst ulp"], &[2]);
    for verdict in &replayed.verdicts {
        let level = level_name(verdict.level()).to_owned();
        verdicts.row(vec![verdict.name.clone(), level, short(verdict.max_ulp)]);
    }
    text.push_str(&verdicts.render(&Colours));
    text.push('\n');
    text
}
