//! `lossproof golden`: writes golden files, and proves stored ones again.

use super::style::Bar;
use super::{FAILS, HOLDS, Stop, names, print, stop};
use crate::golden::{self, MANIFEST, Wanted};
use std::path::PathBuf;

/// The folder where nothing else is said.
const FOLDER: &str = "golden";

/// The most differences that are printed.
const MOST_SHOWN: usize = 50;

/// Write golden files, or prove stored ones again
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write the golden files of every loss in every format
    Generate {
        /// The folder
        #[arg(default_value = FOLDER)]
        dir: PathBuf,
        /// Only these losses; repeats, or takes commas. The manifest then lists these alone
        #[arg(long, value_delimiter = ',')]
        loss: Vec<String>,
        /// Everything: thousands of cases, 128 Ki classes, also as safetensors; gigabytes
        #[arg(long)]
        full: bool,
        /// The seed of the drawn cases
        #[arg(long, value_name = "N", default_value_t = golden::SEED)]
        seed: u64,
        /// Threads; the number of cores if left out
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
    },
    /// Prove every stored digit again, and compare with the witness
    Verify {
        /// The folder
        #[arg(default_value = FOLDER)]
        dir: PathBuf,
        /// Schema, hashes and what the files say of themselves only
        #[arg(long)]
        quick: bool,
    },
}

/// So many of them, in words.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    match args.command {
        Command::Generate { dir, loss, full, seed, jobs } => {
            let mut losses = Vec::new();
            for name in &loss {
                losses.push(names::loss(name)?.spec().id.to_owned());
            }
            super::check::set_jobs(jobs)?;
            let wanted = Wanted { losses, full, seed };
            let written = golden::generate_into(&dir, &wanted, &Bar::of("proving")).map_err(stop)?;
            let golden::Written { files, tests, bytes } = written;
            let folder = dir.display();
            print(&format!(
                "{tests} tests in {files} files, {} KiB, and {folder}/{MANIFEST}\n\
                 Next: `lossproof golden verify {folder}`, `lossproof check --golden {folder}`\n",
                bytes.div_ceil(1024)
            ))?;
            Ok(HOLDS)
        }
        Command::Verify { dir, quick } => {
            let verification = golden::verify(&dir, quick, &Bar::of("proving")).map_err(stop)?;
            let golden::Verification { files, tests, elements, without_witness, differences } = verification;
            let mut text = String::new();
            for difference in differences.iter().take(MOST_SHOWN) {
                text.push_str(&format!("{difference}\n"));
            }
            if differences.len() > MOST_SHOWN {
                text.push_str(&format!("and {} differences more\n", differences.len() - MOST_SHOWN));
            }
            let looked = if quick { "schema and hashes of" } else { "proved again:" };
            let [files, tests, elements] = [(files, "file"), (tests, "test"), (elements, "element")]
                .map(|(count, noun)| counted(count, noun));
            text.push_str(&format!("{looked} {files}, {tests}, {elements}; "));
            let skipped: Vec<String> =
                without_witness.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            if !skipped.is_empty() {
                text.push_str(&format!("tests without a witness: {}; ", skipped.join(", ")));
            }
            text.push_str(&match differences.len() {
                0 => "no difference\n".to_owned(),
                count => format!("{}\n", counted(count, "difference")),
            });
            print(&text)?;
            Ok(if differences.is_empty() { HOLDS } else { FAILS })
        }
    }
}
