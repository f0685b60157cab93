//! The set that the tests look at: the committed one where there is one, else one loss, written for the occasion.

use lossproof::check::Silent;
use lossproof::golden::{self, MANIFEST, Wanted};
use lossproof::loss::LOSSES;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Writes the files of the catalogue's first loss.
pub fn write_one(folder: &Path) {
    let losses = vec![LOSSES[0].spec().id.to_owned()];
    let wanted = Wanted { losses, ..Wanted::default() };
    golden::generate_into(folder, &wanted, &Silent).expect("it can be written");
}

/// A small set that may be copied and changed.
pub fn small() -> &'static Path {
    static SET: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a scratch folder");
        write_one(folder.path());
        folder
    });
    SET.path()
}

/// The committed set, if there is one.
pub fn committed() -> Option<PathBuf> {
    Some(golden::folder()).filter(|folder| folder.join(MANIFEST).is_file())
}

/// The committed set, or the small one.
pub fn any() -> PathBuf {
    committed().unwrap_or_else(|| small().to_path_buf())
}

/// A copy of the small set.
pub fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a scratch folder");
    for path in files(small()) {
        let to = copy.path().join(&path);
        std::fs::create_dir_all(to.parent().expect("it is in the folder")).expect("a folder");
        std::fs::copy(small().join(&path), to).expect("a copy");
    }
    copy
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
