//! The committed set: whole, small, what `golden generate` writes, and with every bug that shipped in it.

use super::set;
use lossproof::case::regime::{Regime, Taken, trigger_cases};
use lossproof::check::Silent;
use lossproof::format::Format;
use lossproof::golden::{self, MANIFEST, Wanted, relative_path, verify};
use lossproof::kernel::mutants;
use lossproof::loss::{LOSSES, LossEntry};
use std::collections::BTreeSet;
use std::path::Path;

/// Stands in golden/ as long as no set is committed; `make golden` removes it. So a set that is gone fails, and is not
/// skipped, and one that is there is looked at.
const NONE_YET: &str = "none-yet.txt";

/// 120 KiB a loss keep 400 losses under 48 MiB.
const BYTES_PER_LOSS: u64 = 120 << 10;

/// So many losses are written anew by the tests, each in another format; `make golden-drift` does all.
const WRITTEN_ANEW: usize = 4;

/// The set to look at; none while none is committed.
fn set() -> Option<std::path::PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let has = |name: &str| golden.join(name).is_file();
    assert!(
        has(MANIFEST) != has(NONE_YET),
        "golden/ has either {MANIFEST} or {NONE_YET}; `make golden` writes the set"
    );
    let set = set::committed();
    assert!(set.is_some() || has(NONE_YET), "{} names no set", golden::FOLDER_VARIABLE);
    set
}

/// Every loss in every format.
fn units() -> impl Iterator<Item = (&'static dyn LossEntry, Format)> {
    LOSSES.iter().flat_map(|&entry| Format::ALL.map(|format| (entry, format)))
}

#[test]
fn it_has_every_loss_in_every_format_and_every_regime_and_no_difference() {
    let Some(folder) = set() else { return };
    let verification = verify(&folder, true, &Silent).unwrap();
    let differences: Vec<String> = verification.differences.iter().map(ToString::to_string).collect();
    assert!(differences.is_empty(), "{}\n`make golden` writes the set anew", differences.join("\n"));
    for (entry, format) in units() {
        let path = relative_path(entry.spec(), format);
        let read = golden::read_set(&folder, &|listed| listed == path).unwrap();
        let read = read.first().unwrap_or_else(|| panic!("{path} is missing"));
        let regimes: BTreeSet<Regime> = read.tests.iter().map(|test| test.regime).collect();
        // A regime of which the loss has no case at all, `long` of a loss without a long axis or `worst`, has none here.
        let taken = Taken::all(entry);
        let has_cases = |regime: &Regime| {
            !lossproof::case::regime::generate(entry, format, *regime, &taken, golden::SEED, 4, 2048)
                .is_empty()
        };
        let missing = Regime::ALL.into_iter().filter(|regime| !regimes.contains(regime) && has_cases(regime));
        let missing: Vec<Regime> = missing.collect();
        assert!(missing.is_empty(), "{path} has no test of {missing:?}");
    }
}

#[test]
fn it_is_small() {
    let Some(folder) = set() else { return };
    let manifest = golden::read_manifest(&folder).unwrap();
    let bytes: u64 = manifest.files.values().map(|listed| listed.bytes).sum();
    let allowed = BYTES_PER_LOSS * LOSSES.len() as u64;
    assert!(bytes <= allowed, "{bytes} bytes are more than {allowed} for {} losses", LOSSES.len());
}

#[test]
fn it_is_what_generate_writes_to_the_byte_on_any_number_of_threads() {
    let Some(folder) = set() else { return };
    for at in 0..WRITTEN_ANEW {
        let entry = LOSSES[at * LOSSES.len() / WRITTEN_ANEW];
        let format = Format::ALL[at % Format::ALL.len()];
        let path = relative_path(entry.spec(), format);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + 2 * (at % 2)).build().unwrap();
        let text = pool.install(|| golden::file_text(&golden::file(entry, format, &Wanted::default())));
        let committed = std::fs::read_to_string(folder.join(&path)).unwrap();
        let line = text.lines().zip(committed.lines()).position(|(a, b)| a != b).map_or(0, |line| line + 1);
        assert!(text == committed, "{path} line {line} is out of date: `make golden` writes the set anew");
    }
}

#[test]
fn every_bug_that_shipped_has_its_trigger_in_it() {
    let Some(folder) = set() else { return };
    for (entry, format) in units() {
        let path = relative_path(entry.spec(), format);
        let read = golden::read_set(&folder, &|listed| listed == path).unwrap();
        let flags: BTreeSet<&str> =
            read.iter().flat_map(|read| &read.tests).flat_map(|t| &t.flags).map(String::as_str).collect();
        let taken = Taken::all(entry);
        for (id, _, _) in trigger_cases(entry, format, &taken, 100_000) {
            assert!(flags.contains(id), "{path} has no test with flag {id}");
        }
        for mutant in mutants().iter().filter(|mutant| mutant.formats().contains(&format)) {
            let of_loss = mutant.trigger(format).loss == entry.spec().id;
            assert!(!of_loss || flags.contains(mutant.about.entry), "{path}: {}", mutant.about.entry);
        }
        for flag in flags {
            let note = &read[0].file.notes[flag];
            let entry = flag.starts_with(|first: char| first.is_ascii_uppercase());
            assert!(!entry || !note.links.is_empty(), "{path}: the note on {flag} has no public thread");
        }
    }
}
