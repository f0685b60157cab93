//! Golden files: exact inputs, proved answers, the tolerance that goes with each, and what bug each test is there to see. They
//! take the oracle's place where there is no oracle: in a crate without a C compiler, in another language.
//!
//! `golden/<family>/<loss>.<format>.json` is one loss in one format; INTERFACE.md has the shape, `golden/schema.json` the JSON
//! Schema, `golden/MANIFEST.json` the size and BLAKE3 hash of each file. A new loss gets its files by itself: nothing here
//! names one.
//!
//! - `types`, `list`, `number`: what files hold; `write`, `read`: their text; `convert`: what the judge takes
//! - `check`: a subject judged from files alone, without the feature `oracle`; `live`: the same tests judged by the oracle
//! - `select`, `rivals`, `conventions`, `generate`: which tests, and why; `verify`: every stored digit proved again

#[cfg(feature = "oracle")]
mod bugs;
mod check;
#[cfg(feature = "oracle")]
mod conventions;
mod convert;
#[cfg(feature = "oracle")]
mod generate;
mod list;
#[cfg(feature = "oracle")]
mod live;
mod number;
mod read;
mod restrict;
#[cfg(feature = "oracle")]
mod rivals;
#[cfg(feature = "oracle")]
pub mod schema;
#[cfg(feature = "oracle")]
mod select;
#[cfg(feature = "oracle")]
mod tensors;
mod types;
#[cfg(feature = "oracle")]
mod verify;
mod write;

pub use check::{GoldenCheckError, check, run, run_files};
pub use convert::{Alternative, Answered, TestError, answered};
#[cfg(feature = "oracle")]
pub use generate::{SEED, Wanted, Written, file, generate_into};
pub use list::List;
#[cfg(feature = "oracle")]
pub use live::Live;
pub use number::{Float, Number};
pub use read::{GoldenError, Read, read_file, read_manifest, read_set};
pub use restrict::restricted;
#[cfg(feature = "oracle")]
pub use select::FILE_BUDGET;
pub use types::{
    Convention, File, Group, Ignoring, Kind, Listed, MachineModel, Manifest, Note, Output, SCHEMA, Source,
    StoredTensor, Test,
};
#[cfg(feature = "oracle")]
pub use verify::{Difference, Verification, verify};
pub use write::{file_text, manifest_text};

use crate::format::Format;
use crate::loss::Spec;
use std::path::PathBuf;

/// The manifest's name in the folder.
pub const MANIFEST: &str = "MANIFEST.json";

/// The JSON Schema's name in the folder.
pub const SCHEMA_FILE: &str = "schema.json";

/// The golden files that come with the crate's sources.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");

/// The environment variable that names another folder of golden files.
pub const FOLDER_VARIABLE: &str = "LOSSPROOF_GOLDEN";

/// The folder of the golden files where nothing else is said: those that come with the crate's sources, or what
/// [`FOLDER_VARIABLE`] names.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE).map_or_else(|| PathBuf::from(SHIPPED), PathBuf::from)
}

/// The place of a loss's file in the folder.
pub fn relative_path(spec: &Spec, format: Format) -> String {
    format!("{}/{}.{}.json", spec.family.name(), spec.id, format.name())
}
