//! Reading golden files: each held against the manifest, the schema and itself before anything is believed.

use super::convert::{Answered, TestError, answered};
use super::types::{File, Listed, MachineModel, Manifest, SCHEMA};
use super::{MANIFEST, SCHEMA_FILE};
use crate::loss;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Why golden files cannot be used. Each names the file, and the test and element where there is one.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// There is no set of golden files.
    #[error(
        "{folder} holds no golden files: it has no {MANIFEST}; `lossproof golden generate {folder}` writes them"
    )]
    NoSet {
        /// The folder.
        folder: String,
    },
    /// It is of a form that this version does not know yet.
    #[error(
        "{path} has schema {found}, and this version of lossproof reads up to {SCHEMA}: take a newer lossproof"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: u64,
    },
    /// Something about the whole file.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Something about one test.
    #[error("{path}: test {test}: {error}")]
    Test {
        /// The file.
        path: String,
        /// The test's number.
        test: usize,
        /// What is wrong.
        error: Box<TestError>,
    },
}

impl Listed {
    /// The size and hash of a file's bytes.
    pub fn of(bytes: &[u8]) -> Listed {
        Listed { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    schema: serde_json::Value,
}

/// Reads JSON of a schema that this version knows.
fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, GoldenError> {
    let wrong = |problem: String| GoldenError::File { path: path.to_owned(), problem };
    // The version first: of a newer form nothing else need be readable.
    let version: Version = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    match version.schema.as_u64() {
        Some(found) if found > u64::from(SCHEMA) => {
            return Err(GoldenError::Newer { path: path.to_owned(), found });
        }
        Some(1..) => {}
        _ => return Err(wrong(format!("its schema is {}, not {SCHEMA}", version.schema))),
    }
    serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, GoldenError> {
    std::fs::read(path).map_err(|error| GoldenError::Io { path: path.display().to_string(), error })
}

/// A golden file with its tests as the harness takes them.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its path inside the folder.
    pub path: String,
    /// What it holds.
    pub file: File,
    /// Its tests, in order.
    pub tests: Vec<Answered>,
}

/// Reads the text of a golden file and holds it against itself. `path` names it in errors.
///
/// Errors: it is not of the schema; a test is not numbered in turn, is no case of its loss, or contradicts itself.
pub fn read_file(path: &str, bytes: &[u8]) -> Result<Read, GoldenError> {
    let file: File = parse(path, bytes)?;
    let wrong = |problem: String| GoldenError::File { path: path.to_owned(), problem };
    let entry = loss::find(&file.loss);
    let spec =
        entry.ok_or_else(|| wrong(format!("its loss `{}` is not in the catalogue", file.loss)))?.spec();
    if file.machine != MachineModel::of(file.format) || file.nonnegative != spec.nonnegative {
        return Err(wrong(
            "its machine model or `nonnegative` are not those of its loss and format".to_owned(),
        ));
    }
    let mut tests = Vec::new();
    for group in &file.groups {
        for test in &group.tests {
            if test.id != tests.len() + 1 {
                return Err(wrong(format!("test {} stands where test {} is due", test.id, tests.len() + 1)));
            }
            let flags = test.flags.iter().map(String::as_str).chain([test.regime.name()]);
            if let Some(flag) = flags.into_iter().find(|flag| !file.notes.contains_key(*flag)) {
                return Err(wrong(format!("test {}: there is no note on `{flag}`", test.id)));
            }
            let read = answered(&file, group, test);
            let in_test =
                |error| GoldenError::Test { path: path.to_owned(), test: test.id, error: Box::new(error) };
            tests.push(read.map_err(in_test)?);
        }
    }
    if tests.len() != file.number_of_tests {
        return Err(wrong(format!("it has {} tests, and says {}", tests.len(), file.number_of_tests)));
    }
    as_written(&super::file_text(&file), bytes).map_err(wrong)?;
    Ok(Read { path: path.to_owned(), file, tests })
}

/// Reads the manifest of a folder.
///
/// Errors: there is none, or it is not of the schema.
pub fn read_manifest(folder: &Path) -> Result<Manifest, GoldenError> {
    let path = folder.join(MANIFEST);
    if !path.is_file() {
        return Err(GoldenError::NoSet { folder: folder.display().to_string() });
    }
    let (name, bytes) = (path.display().to_string(), bytes_of(&path)?);
    let manifest: Manifest = parse(&name, &bytes)?;
    match as_written(&super::manifest_text(&manifest), &bytes) {
        Ok(()) => Ok(manifest),
        Err(problem) => Err(GoldenError::File { path: name, problem }),
    }
}

/// Whether bytes are the text of their content: spaces, repeated fields, another notation of a number are changes, too.
fn as_written(text: &str, bytes: &[u8]) -> Result<(), String> {
    if text.as_bytes() == bytes {
        return Ok(());
    }
    let at = text.bytes().zip(bytes).position(|(a, b)| a != *b).unwrap_or(text.len().min(bytes.len()));
    let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
    Err(format!("line {line} is not as lossproof writes it"))
}

/// The golden files of a folder that the manifest lists and `wanted` takes by loss and format, each held against its hash.
///
/// Errors: as [`read_manifest`] and [`read_file`]; a file is missing or is not the listed one.
pub fn read_set(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Read>, GoldenError> {
    let manifest = read_manifest(folder)?;
    let mut files = Vec::new();
    for (path, listed) in &manifest.files {
        if path.ends_with(".json") && path != SCHEMA_FILE && wanted(path) {
            let bytes = listed_bytes(folder, path, listed)?;
            files.push(read_file(&place(folder, path).display().to_string(), &bytes)?);
        }
    }
    Ok(files)
}

/// The bytes of a listed file, if they are the listed ones.
pub fn listed_bytes(folder: &Path, path: &str, listed: &Listed) -> Result<Vec<u8>, GoldenError> {
    let place = place(folder, path);
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\\') {
        let problem = format!("{MANIFEST} lists it, and it is not inside the folder");
        return Err(GoldenError::File { path: place.display().to_string(), problem });
    }
    let bytes = bytes_of(&place)?;
    let found = Listed::of(&bytes);
    if found == *listed {
        return Ok(bytes);
    }
    let problem = match found.bytes == listed.bytes {
        true => format!("its BLAKE3 hash is {}, {MANIFEST} says {}", found.blake3, listed.blake3),
        false => format!("it has {} bytes, {MANIFEST} says {}", found.bytes, listed.bytes),
    };
    Err(GoldenError::File { path: place.display().to_string(), problem })
}

/// A listed path in the folder.
fn place(folder: &Path, path: &str) -> PathBuf {
    path.split('/').fold(folder.to_path_buf(), |folder, part| folder.join(part))
}
