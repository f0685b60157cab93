//! The committed set: whole, small, and with every bug that shipped in it.

use super::set;
use lossproof::case::regime::{Regime, Taken, trigger_cases};
use lossproof::check::Silent;
use lossproof::format::Format;
use lossproof::golden::{self, FOLDER_VARIABLE, MANIFEST, relative_path, verify};
use lossproof::kernel::mutants;
use lossproof::loss::LOSSES;
use std::collections::BTreeSet;
use std::path::Path;

/// Whether golden/ is committed. From then on it must be there: a set that is gone fails, instead of being skipped.
const COMMITTED: bool = false;

/// 120 KiB a loss keep 400 losses under 48 MiB.
const BYTES_PER_LOSS: u64 = 120 << 10;

/// The set to look at; none while none is committed.
fn set() -> Option<std::path::PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(MANIFEST).is_file();
    assert_eq!(shipped, COMMITTED, "golden/{MANIFEST}: is there, and COMMITTED in {}", file!());
    let set = set::committed();
    assert!(set.is_some() || !COMMITTED, "{FOLDER_VARIABLE} names no set");
    set
}

#[test]
fn it_has_every_loss_in_every_format_and_every_regime_and_no_difference() {
    let Some(folder) = set() else { return };
    let verification = verify(&folder, true, &Silent).unwrap();
    let differences: Vec<String> = verification.differences.iter().map(ToString::to_string).collect();
    assert!(differences.is_empty(), "{}\n`make golden` writes the set anew", differences.join("\n"));
    for entry in LOSSES {
        for format in Format::ALL {
            let path = relative_path(entry.spec(), format);
            let read = golden::read_set(&folder, &|listed| listed == path).unwrap();
            let read = read.first().unwrap_or_else(|| panic!("{path} is missing"));
            let regimes: BTreeSet<Regime> = read.tests.iter().map(|test| test.regime).collect();
            // Long cases that are not runs, and those that a search finds, are of the full set.
            let missing = Regime::ALL.into_iter().filter(|regime| {
                !regimes.contains(regime) && !matches!(regime, Regime::Long | Regime::Worst)
            });
            let missing: Vec<Regime> = missing.collect();
            assert!(missing.is_empty(), "{path} has no test of {missing:?}");
        }
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
fn every_bug_that_shipped_has_its_trigger_in_it() {
    let Some(folder) = set() else { return };
    for entry in LOSSES {
        let spec = entry.spec();
        for format in Format::ALL {
            let path = relative_path(spec, format);
            let read = golden::read_set(&folder, &|listed| listed == path).unwrap();
            let flags: BTreeSet<&str> =
                read.iter().flat_map(|read| &read.tests).flat_map(|t| &t.flags).map(String::as_str).collect();
            let taken = Taken::all(*entry);
            for (id, _, _) in trigger_cases(*entry, format, &taken, 100_000) {
                assert!(flags.contains(id), "{path} has no test with flag {id}");
            }
            for mutant in mutants().iter().filter(|mutant| mutant.formats().contains(&format)) {
                let of_loss = mutant.trigger(format).loss == spec.id;
                assert!(!of_loss || flags.contains(mutant.about.entry), "{path}: {}", mutant.about.entry);
            }
        }
    }
}
