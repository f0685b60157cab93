//! Verifying golden files: every stored digit is proved again, and the truth compared with the second derivation.

use super::read::{GoldenError, Read, listed_bytes, read_file, read_manifest};
use super::{Float, MANIFEST, Output, SCHEMA_FILE, Test, conventions, relative_path, rivals};
use crate::case::Case;
use crate::check::Progress;
use crate::judge::Machine;
use crate::loss::{self, Params};
use crate::oracle;
use crate::tensor::unravel;
use crate::truth::{OutputTruth, Truth, Verified};
use crate::witness::{Skip, agrees, witness};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is wrong with a set, with the place. Printed as a line.
#[derive(Debug)]
pub enum Difference {
    /// A file that cannot be used, or is not the listed one.
    File(GoldenError),
    /// A file that is not listed, or stands in another's place.
    Set {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// An element, or a part of a test, that is not what is proved.
    Test {
        /// The file.
        path: String,
        /// The test's number.
        test: usize,
        /// Output, list and element; stored and proved.
        what: String,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::File(error) => write!(f, "{error}"),
            Difference::Set { path, problem } => write!(f, "{path}: {problem}"),
            Difference::Test { path, test, what } => write!(f, "{path}: test {test}: {what}"),
        }
    }
}

/// What a verification looked at.
#[derive(Debug, Default)]
pub struct Verification {
    /// Golden files.
    pub files: usize,
    /// Tests.
    pub tests: usize,
    /// Elements of outputs.
    pub elements: usize,
    /// Tests that the witness has no closed form of or no digits for, by reason.
    pub without_witness: BTreeMap<&'static str, usize>,
    /// What is wrong, in the order of the files.
    pub differences: Vec<Difference>,
}

/// Verifies the set in a folder. `quick` stops after schema, hashes and what a file says of itself.
///
/// Errors: there is no set, or its manifest cannot be read; everything else is a difference.
pub fn verify(folder: &Path, quick: bool, progress: &dyn Progress) -> Result<Verification, GoldenError> {
    let manifest = read_manifest(folder)?;
    let mut verification = Verification::default();
    let mut read = Vec::new();
    for (path, listed) in &manifest.files {
        match listed_bytes(folder, path, listed) {
            Ok(bytes) if path.ends_with(".json") && path != SCHEMA_FILE => {
                let place = folder.join(path).display().to_string();
                match read_file(&place, &bytes) {
                    Ok(file) => read.push((path, file)),
                    Err(error) => verification.differences.push(Difference::File(error)),
                }
            }
            Ok(bytes) if path == SCHEMA_FILE && bytes != super::schema::text().as_bytes() => {
                let problem = "it is not the schema of this version's files".to_owned();
                verification.differences.push(Difference::Set { path: path.clone(), problem });
            }
            Ok(_) => {}
            Err(error) => verification.differences.push(Difference::File(error)),
        }
    }
    verification.differences.extend(strangers(folder, &manifest.files.keys().collect()));
    for (path, file) in &read {
        let spec = loss::find(&file.file.loss).map(|entry| entry.spec());
        if spec.is_none_or(|spec| relative_path(spec, file.file.format) != **path) {
            let problem = format!("it holds {} in {}", file.file.loss, file.file.format);
            verification.differences.push(Difference::Set { path: (*path).clone(), problem });
        }
    }
    if let Some((path, _)) = read.iter().find(|(_, file)| file.file.source != manifest.source) {
        let problem = format!("its source is not that of {path}");
        verification.differences.push(Difference::Set { path: MANIFEST.to_owned(), problem });
    }
    verification.files = read.len();
    verification.tests = read.iter().map(|(_, file)| file.tests.len()).sum();
    let outputs = read.iter().flat_map(|(_, file)| file.tests.iter().flat_map(|test| &test.verified.outputs));
    verification.elements = outputs.map(|truth| truth.elements.len()).sum();
    if quick {
        return Ok(verification);
    }
    progress.begin(verification.tests);
    for (_, file) in &read {
        progress.unit(&file.file.loss, file.file.format);
        let (differences, skips) = prove_again(file, progress);
        verification.differences.extend(differences);
        for skip in skips {
            *verification.without_witness.entry(skip).or_default() += 1;
        }
    }
    progress.end();
    Ok(verification)
}

/// Files that lie in the folder and are not listed.
fn strangers(folder: &Path, listed: &BTreeSet<&String>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // A link to elsewhere is a stranger, not a way.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((entry.path(), format!("{path}/")));
            } else if path != MANIFEST && !listed.contains(&path) {
                let problem = format!("{MANIFEST} does not list it");
                differences.push(Difference::Set { path, problem });
            }
        }
    }
    differences.sort_by_key(|difference| difference.to_string());
    differences
}

/// Proves every test of a file and compares; the reasons of the witness's skips besides.
fn prove_again(read: &Read, progress: &dyn Progress) -> (Vec<Difference>, Vec<&'static str>) {
    let stored: Vec<&Test> = read.file.groups.iter().flat_map(|group| &group.tests).collect();
    let found = read.tests.par_iter().zip(&stored).map(|(answered, stored)| {
        let difference = |what| Difference::Test { path: read.path.clone(), test: stored.id, what };
        let mut skipped = None;
        let what = match oracle::verify(&answered.case, &Machine::of(answered.case.format)) {
            Err(error) => vec![error.to_string()],
            Ok(verified) => {
                let ignoring = rivals::ignoring_upstream(&answered.case, &verified);
                let conventions = conventions::proved(&answered.case, &verified, answered.regime);
                let proved = super::Answered { verified, ignoring, conventions, ..answered.clone() };
                let mut what = match proved.to_test() {
                    Some(proved) => compare(stored, &proved),
                    None => vec!["it is undecided today".to_owned()],
                };
                match against_witness(&answered.case, &answered.verified) {
                    Ok(wrong) => what.extend(wrong),
                    Err(skip) => skipped = Some(skip.name()),
                }
                for other in &answered.conventions {
                    let wrong = against_witness(&other.case, &other.verified).unwrap_or_default();
                    what.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", named(&other.params))));
                }
                what
            }
        };
        progress.advance(1);
        (what.into_iter().map(difference).collect::<Vec<_>>(), skipped)
    });
    let found: Vec<_> = found.collect();
    let (mut differences, mut skips) = (Vec::new(), Vec::new());
    for (of_test, skip) in found {
        differences.extend(of_test);
        skips.extend(skip);
    }
    (differences, skips)
}

/// Where a stored test is not the proved one, in words.
fn compare(stored: &Test, proved: &Test) -> Vec<String> {
    let mut what = compare_outputs(&stored.outputs, &proved.outputs);
    for other in &stored.conventions {
        let name = named(&other.params);
        match proved.conventions.iter().find(|proved| proved.params == other.params) {
            Some(proved) => {
                let wrong = compare_outputs(&other.outputs, &proved.outputs);
                what.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
            }
            None => what.push(format!("{name} makes no difference")),
        }
    }
    let missing = proved
        .conventions
        .iter()
        .filter(|other| !stored.conventions.iter().any(|stored| stored.params == other.params));
    what.extend(missing.map(|other| format!("{} makes a difference, and is missing", named(&other.params))));
    what
}

/// A convention in messages.
fn named(params: &Params) -> String {
    format!("convention {}", serde_json::to_string(params).unwrap_or_default())
}

fn compare_outputs(stored: &BTreeMap<String, Output>, proved: &BTreeMap<String, Output>) -> Vec<String> {
    let mut what = Vec::new();
    for (name, output) in stored {
        match proved.get(name) {
            Some(proved) => what.extend(compare_output(name, output, proved)),
            None => what.push(format!("{name}: the case has no such output, or it makes no difference")),
        }
    }
    let missing = proved.keys().filter(|name| !stored.contains_key(*name));
    what.extend(missing.map(|name| format!("{name} is missing")));
    what
}

fn compare_output(name: &str, stored: &Output, proved: &Output) -> Vec<String> {
    let mut what = Vec::new();
    let index = |at: usize| unravel(&stored.shape, at);
    let mut list = |list: &str, stored: Vec<String>, proved: Vec<String>| {
        for (at, (stored, proved)) in stored.iter().zip(&proved).enumerate() {
            if stored != proved {
                what.push(format!("{name} at {:?}: {list} is {stored}, proved is {proved}", index(at)));
            }
        }
        if stored.len() != proved.len() {
            what.push(format!("{name}: {list} has {} elements, proved are {}", stored.len(), proved.len()));
        }
    };
    let floats = |list: &[Float]| list.iter().map(Float::to_string).collect::<Vec<_>>();
    list("the value", floats(&stored.values.0), floats(&proved.values.0));
    let numbers = |output: &Output| output.canonical.0.iter().map(|x| x.to_string()).collect::<Vec<_>>();
    list("canonical", numbers(stored), numbers(proved));
    list("budget", floats(&stored.budget.0), floats(&proved.budget.0));
    list("backward", floats(&stored.backward.0), floats(&proved.backward.0));
    let same = [
        ("shape", stored.shape == proved.shape),
        ("kinds", stored.kinds == proved.kinds),
        ("exactness_flipped", stored.exactness_flipped == proved.exactness_flipped),
        ("longest_sum", stored.longest_sum == proved.longest_sum),
        ("overflows_on_the_way", stored.overflows_on_the_way == proved.overflows_on_the_way),
        ("ignoring_upstream", stored.ignoring_upstream == proved.ignoring_upstream),
    ];
    for (field, _) in same.iter().filter(|(_, same)| !same) {
        what.push(format!("{name}: {field} is not what is proved"));
    }
    what
}

/// Where the stored truth is not what the second derivation says; its reason where it says nothing.
///
/// The bounds that the oracle proves hold the stored truth, as was compared above; so the witness is asked about them.
fn against_witness(case: &Case, stored: &Verified) -> Result<Vec<String>, Skip> {
    let claimed = witness(case)?;
    let mut what = Vec::new();
    let Ok(bounds) = oracle::prove_with_bounds(case) else { return Ok(what) };
    for ((truth, bounds), claimed) in bounds.iter().zip(&claimed.outputs) {
        for (at, (bounds, claim)) in bounds.iter().zip(&claimed.elements).enumerate() {
            let (low, high) =
                bounds.as_ref().map_or(("nan", "nan"), |(low, high)| (low.as_str(), high.as_str()));
            if !agrees(low, high, claim) {
                let index = unravel(&truth.shape, at);
                what.push(format!(
                    "{} at {index:?}: the witness says {claim:?}, proved is [{low}, {high}]",
                    truth.name
                ));
            }
        }
    }
    let same = |(proved, _): &(OutputTruth, _)| {
        stored.outputs.iter().any(|truth| truth.name == proved.name && same_truths(truth, proved))
    };
    if !bounds.iter().all(same) {
        what.push("the truth behind the witness's bounds is another one".to_owned());
    }
    Ok(what)
}

fn same_truths(a: &OutputTruth, b: &OutputTruth) -> bool {
    // A set's ends say whether they are exact only by their last bit in a file.
    let same = |a: &Truth, b: &Truth| match (a, b) {
        (Truth::Set(a, b), Truth::Set(c, d)) => {
            (a.mantissa, a.exponent, b.mantissa, b.exponent)
                == (c.mantissa, c.exponent, d.mantissa, d.exponent)
        }
        _ => a == b,
    };
    a.elements.len() == b.elements.len() && a.elements.iter().zip(&b.elements).all(|(a, b)| same(a, b))
}
