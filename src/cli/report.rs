//! `lossproof report merge`: one report from the shards'. And where reports are written to, for `check` too.

use super::{FAILS, HOLDS, Stop, print, stop, style::Colours};
use crate::report::{Report, merge, terminal};
use std::path::{Path, PathBuf};

/// Work with JSON reports
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Merge the reports of a run's shards into one
    Merge {
        /// The shards' JSON reports
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Write the merged report: `json=FILE` or `junit=FILE`; may be repeated
        #[arg(long, value_name = "KIND=FILE")]
        report: Vec<String>,
    },
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let Command::Merge { files, report } = args.command;
    let targets = targets(&report)?;
    let reports = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, Stop>>()?;
    let merged = merge(reports).map_err(stop)?;
    publish(&merged, &targets)
}

fn read(file: &Path) -> Result<Report, Stop> {
    let text = std::fs::read(file).map_err(|error| stop(format!("{}: {error}", file.display())))?;
    serde_json::from_slice(&text).map_err(|error| stop(format!("{} is no report: {error}", file.display())))
}

/// Where a report goes besides the terminal.
pub(super) enum Target {
    Json(PathBuf),
    Junit(PathBuf),
}

/// Reads `KIND=FILE` arguments; a folder that is not there is found before the work, not after it.
pub(super) fn targets(arguments: &[String]) -> Result<Vec<Target>, Stop> {
    let target = |argument: &String| {
        let (kind, file) = argument
            .split_once('=')
            .filter(|(_, file)| !file.is_empty())
            .ok_or_else(|| stop(format!("--report takes KIND=FILE, not `{argument}`")))?;
        let file = PathBuf::from(file);
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(stop(format!("--report {argument}: there is no folder {}", folder.display())));
        }
        match kind {
            "json" => Ok(Target::Json(file)),
            "junit" => Ok(Target::Junit(file)),
            _ => Err(stop(format!("--report knows json=FILE and junit=FILE, not `{kind}`"))),
        }
    };
    arguments.iter().map(target).collect()
}

/// Prints a report and writes it where else it shall go; the status that it means.
pub(super) fn publish(report: &Report, targets: &[Target]) -> Result<u8, Stop> {
    print(&terminal::render(report, &Colours))?;
    if !report.could_not_fail.is_empty() {
        return Err(stop("the check could not have failed: a trivial kernel would hold it too"));
    }
    for target in targets {
        let (file, text) = match target {
            Target::Json(file) => (file, report.to_json()),
            Target::Junit(file) => (file, crate::report::junit::to_junit(report).map_err(stop)?),
        };
        std::fs::write(file, text).map_err(|error| stop(format!("{}: {error}", file.display())))?;
    }
    Ok(if report.holds() { HOLDS } else { FAILS })
}
