//! The text of golden files: JSON that is laid out so that a test is a line, which reads and diffs well.

use super::types::{File, Manifest};
use serde::Serialize;

/// As one line. The types have string keys and serialise by themselves, so this cannot fail; a failure would be an empty
/// text, which is no JSON.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// `"name": value` lines of a map, one each, with commas between them.
fn entries<'a, T: Serialize + 'a>(entries: impl Iterator<Item = (&'a String, &'a T)>) -> String {
    let entries: Vec<String> =
        entries.map(|(name, value)| format!("{}:{}", line(name), line(value))).collect();
    entries.join(",\n")
}

/// The text of a file. The same content gives the same bytes.
pub fn file_text(file: &File) -> String {
    let File { schema, loss, format, source, machine, nonnegative, number_of_tests, notes, groups } = file;
    let groups: Vec<String> = groups
        .iter()
        .map(|group| {
            let tests: Vec<String> = group.tests.iter().map(line).collect();
            format!("{{\"params\":{},\"tests\":[\n{}\n]}}", line(&group.params), tests.join(",\n"))
        })
        .collect();
    format!(
        "{{\"schema\":{schema},\n\"loss\":{},\n\"format\":{},\n\"source\":{},\n\"machine\":{},\n\"nonnegative\":{nonnegative},\n\
         \"number_of_tests\":{number_of_tests},\n\"notes\":{{\n{}\n}},\n\"groups\":[\n{}\n]}}\n",
        line(loss),
        line(format),
        line(source),
        line(machine),
        entries(notes.iter()),
        groups.join(",\n"),
    )
}

/// The text of a manifest, a file a line.
pub fn manifest_text(manifest: &Manifest) -> String {
    format!(
        "{{\"schema\":{},\n\"source\":{},\n\"files\":{{\n{}\n}}}}\n",
        manifest.schema,
        line(&manifest.source),
        entries(manifest.files.iter())
    )
}
