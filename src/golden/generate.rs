//! Writing golden files: the committed set, whose tests are chosen, and the full set, which has everything.

use super::select::{self, Chosen};
use super::write::{file_text, manifest_text};
use super::{
    File, GoldenError, Group, Listed, MANIFEST, MachineModel, Manifest, Note, SCHEMA, SCHEMA_FILE, Source,
};
use super::{relative_path, rivals, schema, tensors};
use crate::case::regime::{Regime, Taken, generate, trigger_cases};
use crate::check::{LONGEST, Progress};
use crate::format::Format;
use crate::loss::{LOSSES, LossEntry};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// The seed of the committed set.
pub const SEED: u64 = 0;

/// Drawn cases of each regime in the full set.
const FULL_CASES: usize = 32;

/// Drawn cases of the regime `long` there, of 128 Ki classes.
const FULL_LONG_CASES: usize = 2;

/// What is written.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The losses; all if empty.
    pub losses: Vec<String>,
    /// Everything, also as safetensors.
    pub full: bool,
    /// The seed of the drawn cases.
    pub seed: u64,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { losses: Vec::new(), full: false, seed: SEED }
    }
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Golden files.
    pub files: usize,
    /// Their tests.
    pub tests: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// The source of files that this program writes.
pub fn source(seed: u64) -> Source {
    use gmp_mpfr_sys::mpfr;
    Source {
        lossproof: env!("CARGO_PKG_VERSION").to_owned(),
        mpfr: format!("{}.{}.{}", mpfr::VERSION_MAJOR, mpfr::VERSION_MINOR, mpfr::VERSION_PATCHLEVEL),
        seed,
    }
}

/// Writes the files of the wanted losses, the schema and the manifest, which then lists these files and no others.
///
/// Deterministic: the same bytes on any number of threads. Errors: a file cannot be written.
pub fn generate_into(
    folder: &Path,
    wanted: &Wanted,
    progress: &dyn Progress,
) -> Result<Written, GoldenError> {
    let losses: Vec<&dyn LossEntry> = LOSSES.iter().copied().filter(|entry| wanted.takes(*entry)).collect();
    let units: Vec<(&dyn LossEntry, Format)> =
        losses.iter().flat_map(|&entry| Format::ALL.map(|format| (entry, format))).collect();
    progress.begin(units.len());
    let mut manifest = Manifest { schema: SCHEMA, source: source(wanted.seed), files: BTreeMap::new() };
    let mut written = Written::default();
    let mut write = |path: String, bytes: &[u8]| -> Result<(), GoldenError> {
        let full_path = folder.join(&path);
        let failed = |error| GoldenError::Io { path: full_path.display().to_string(), error };
        if let Some(parent) = full_path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&full_path, bytes).map_err(failed)?;
        written.bytes += bytes.len() as u64;
        manifest.files.insert(path, Listed::of(bytes));
        Ok(())
    };
    write(SCHEMA_FILE.to_owned(), schema::text().as_bytes())?;
    let (mut files, mut tests) = (0, 0);
    // One after the other where a unit has gigabytes, side by side where it has kilobytes.
    for units in units.chunks(if wanted.full { 1 } else { units.len().max(1) }) {
        let made: Vec<File> = units
            .par_iter()
            .map(|&(entry, format)| {
                progress.unit(entry.spec().id, format);
                let file = file(entry, format, wanted);
                progress.advance(1);
                file
            })
            .collect();
        for ((entry, format), file) in units.iter().zip(made) {
            let path = relative_path(entry.spec(), *format);
            (files, tests) = (files + 1, tests + file.number_of_tests);
            if wanted.full {
                let beside = path.replace(".json", ".safetensors");
                write(beside, &tensors::bytes(&file)?)?;
            }
            write(path, file_text(&file).as_bytes())?;
        }
    }
    let text = manifest_text(&manifest);
    let path = folder.join(MANIFEST);
    let failed = |error| GoldenError::Io { path: path.display().to_string(), error };
    std::fs::write(&path, &text).map_err(failed)?;
    progress.end();
    Ok(Written { files, tests, bytes: written.bytes + text.len() as u64 })
}

impl Wanted {
    fn takes(&self, entry: &dyn LossEntry) -> bool {
        self.losses.is_empty() || self.losses.iter().any(|loss| loss == entry.spec().id)
    }
}

/// The file of one loss and format.
pub fn file(entry: &dyn LossEntry, format: Format, wanted: &Wanted) -> File {
    let chosen = match wanted.full {
        true => everything(entry, format, wanted.seed),
        false => select::select(entry, format, wanted.seed),
    };
    let spec = entry.spec();
    let mut groups: Vec<Group> = Vec::new();
    for (params, test) in chosen {
        match groups.iter_mut().find(|group| group.params == params) {
            Some(group) => group.tests.push(test),
            None => groups.push(Group { params, tests: vec![test] }),
        }
    }
    let mut number_of_tests = 0;
    for test in groups.iter_mut().flat_map(|group| &mut group.tests) {
        number_of_tests += 1;
        test.id = number_of_tests;
    }
    File {
        schema: SCHEMA,
        loss: spec.id.to_owned(),
        format,
        source: source(wanted.seed),
        machine: MachineModel::of(format),
        nonnegative: spec.nonnegative,
        number_of_tests,
        notes: notes(&groups),
        groups,
    }
}

/// What the regimes and flags of the tests aim at.
fn notes(groups: &[Group]) -> BTreeMap<String, Note> {
    let mut notes = BTreeMap::new();
    for test in groups.iter().flat_map(|group| &group.tests) {
        let aim = test.regime.aim().to_owned();
        notes.insert(test.regime.name().to_owned(), Note { aim, links: Vec::new() });
        for flag in &test.flags {
            notes.extend(rivals::note(flag).map(|note| (flag.clone(), note)));
        }
    }
    notes
}

/// Every trigger, and the first cases of every regime.
fn everything(entry: &dyn LossEntry, format: Format, seed: u64) -> Vec<Chosen> {
    let taken = Taken::all(entry);
    let mut cases: Vec<select::Trigger> = select::triggers(entry, format, LONGEST);
    let known = trigger_cases(entry, format, &taken, LONGEST);
    for regime in Regime::ALL {
        let triggers = known.iter().filter(|(_, of, _)| *of == regime).count();
        let drawn = if regime == Regime::Long { FULL_LONG_CASES } else { FULL_CASES };
        let drawn = generate(entry, format, regime, &taken, seed, triggers + drawn, LONGEST);
        cases.extend(drawn.into_iter().skip(triggers).map(|case| (Vec::new(), regime, case)));
    }
    let proved = cases.into_par_iter().map(|(flags, regime, case)| select::proved(case, regime, flags));
    proved.collect::<Vec<_>>().into_iter().flatten().collect()
}
