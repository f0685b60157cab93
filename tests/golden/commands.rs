//! The commands on golden files: what they end with, and what they say.

use super::program::lossproof;
use super::set::{self, replace};
use lossproof::format::Format;
use lossproof::golden::MANIFEST;

#[test]
fn check_ends_with_0_where_the_contract_holds_with_1_where_not_and_with_2_where_the_files_are_wrong() {
    let copy = set::copy();
    let folder = copy.path().to_str().unwrap();
    let holds = lossproof(&["check", "--golden", folder]);
    assert_eq!(holds.status, Some(0), "{holds:?}");
    assert!(
        holds.stdout.contains("The contract holds.") && holds.stdout.contains(set::LOSS),
        "{}",
        holds.stdout
    );
    let twin = lossproof(&["check", "--golden", folder, "--kernel", "RG-02-twin", "--format", "f32,f16"]);
    assert_eq!(twin.status, Some(0), "{twin:?}");
    let fails = lossproof(&["check", "--golden", folder, "--kernel", "RG-02"]);
    assert_eq!(fails.status, Some(1), "{fails:?}");
    assert!(fails.stdout.contains("smooth_l1 f32 grad.prediction: inaccurate"), "{}", fails.stdout);
    let nothing = lossproof(&["check", "--golden", folder, "--loss", "hinge"]);
    assert_eq!(nothing.status, Some(2), "{nothing:?}");
    // The same table from an adapter, whose hello says what it takes.
    let adapter = format!("{} serve --kernel RG-02", env!("CARGO_BIN_EXE_lossproof"));
    let served = lossproof(&["check", "--golden", folder, "--adapter", &adapter, "--format", "f32"]);
    assert_eq!(served.status, Some(1), "{served:?}");

    let path = set::path(Format::F16);
    let text = std::fs::read_to_string(copy.path().join(&path)).unwrap();
    std::fs::write(copy.path().join(&path), text.replacen("\"id\":2,", "\"id\":3,", 1)).unwrap();
    let changed = lossproof(&["check", "--golden", folder]);
    assert_eq!(changed.status, Some(2), "{changed:?}");
    assert!(changed.stderr.contains(&path) && changed.stderr.contains("BLAKE3"), "{}", changed.stderr);
    let newer = text.replacen("{\"schema\":1,", "{\"schema\":2,", 1);
    replace(copy.path(), &path, &newer);
    let newer = lossproof(&["check", "--golden", folder]);
    assert_eq!(newer.status, Some(2), "{newer:?}");
    assert!(newer.stderr.contains("take a newer lossproof"), "{}", newer.stderr);
}

#[test]
fn verify_ends_with_0_for_a_whole_set_with_1_for_a_changed_one_and_with_2_for_none() {
    let f32_file = set::path(Format::F32);
    let copy = set::copy_of(&|path| path == f32_file);
    let folder = copy.path().to_str().unwrap();
    let whole = lossproof(&["golden", "verify", folder]);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    assert!(whole.stdout.contains("1 file,") && whole.stdout.contains("no difference"), "{}", whole.stdout);
    let text = std::fs::read_to_string(copy.path().join(&f32_file)).unwrap();
    std::fs::write(copy.path().join(&f32_file), text.replacen("\"id\":2,", "\"id\":3,", 1)).unwrap();
    let changed = lossproof(&["golden", "verify", "--quick", folder]);
    assert_eq!(changed.status, Some(1), "{changed:?}");
    assert!(
        changed.stdout.contains(&f32_file) && changed.stdout.contains("1 difference\n"),
        "{}",
        changed.stdout
    );
    std::fs::remove_file(copy.path().join(MANIFEST)).unwrap();
    assert_eq!(lossproof(&["golden", "verify", folder]).status, Some(2));
}
