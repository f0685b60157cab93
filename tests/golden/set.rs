//! The set that the tests look at: the committed one where there is one, else one loss, written for the occasion.

use lossproof::check::Silent;
use lossproof::format::Format;
use lossproof::golden::{self, Listed, MANIFEST, SCHEMA_FILE, Wanted, manifest_text};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The committed set, if there is one.
pub fn committed() -> Option<PathBuf> {
    Some(golden::folder()).filter(|folder| folder.join(MANIFEST).is_file())
}

/// A loss whose files are quickly proved again: none of their tests is long.
pub const LOSS: &str = "smooth_l1";

/// The files of one loss, which may be copied and changed: from the committed set, or written.
pub fn small() -> &'static Path {
    static SET: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a scratch folder");
        match committed() {
            Some(whole) => take(&whole, folder.path(), &|path| path.contains(&format!("/{LOSS}."))),
            None => {
                let wanted = Wanted { losses: vec![LOSS.to_owned()], ..Wanted::default() };
                golden::generate_into(folder.path(), &wanted, &Silent).expect("it can be written");
            }
        }
        folder
    });
    SET.path()
}

/// The committed set, or the small one.
pub fn any() -> PathBuf {
    committed().unwrap_or_else(|| small().to_path_buf())
}

/// The path of the small set's file of a format.
pub fn path(format: Format) -> String {
    golden::relative_path(lossproof::loss::find(LOSS).expect("it is in the catalogue").spec(), format)
}

/// A copy of the small set.
pub fn copy() -> tempfile::TempDir {
    copy_of(&|_| true)
}

/// A copy of some files of the small set, as a set of its own.
pub fn copy_of(wanted: &dyn Fn(&str) -> bool) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a scratch folder");
    take(small(), copy.path(), wanted);
    copy
}

/// Makes a set of the schema and of the wanted files of another one.
fn take(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    let mut manifest = golden::read_manifest(from).expect("the set has a manifest");
    manifest.files.retain(|path, _| path == SCHEMA_FILE || wanted(path));
    for path in manifest.files.keys() {
        let place = to.join(path);
        std::fs::create_dir_all(place.parent().expect("it is in the folder")).expect("a folder");
        std::fs::copy(from.join(path), place).expect("a copy");
    }
    std::fs::write(to.join(MANIFEST), manifest_text(&manifest)).expect("it can be written");
}

/// Writes a text in a file's place, and its hash into the manifest, as somebody would who means it.
pub fn replace(folder: &Path, path: &str, text: &str) {
    std::fs::write(folder.join(path), text).unwrap();
    let mut manifest = golden::read_manifest(folder).unwrap();
    manifest.files.insert(path.to_owned(), Listed::of(text.as_bytes()));
    std::fs::write(folder.join(MANIFEST), manifest_text(&manifest)).unwrap();
}

/// The paths of all files in a folder, relative to it.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(prefix) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&prefix)).expect("a folder").flatten() {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type().expect("a type").is_dir() {
                true => folders.push(format!("{path}/")),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}
