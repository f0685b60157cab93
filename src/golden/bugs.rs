//! The bugs that shipped, as the notes of golden files name them: entry, what was wrong, public threads.

use super::Note;

/// A line an entry: id, what was wrong, links with spaces between them; separated by tabs.
const TABLE: &str = include_str!("bugs.tsv");

/// The note of an entry; none of an id that the table does not have.
pub fn note(id: &str) -> Option<Note> {
    let mut fields = TABLE.lines().map(|line| line.split('\t'));
    let mut found = fields.find_map(|mut fields| (fields.next() == Some(id)).then_some(fields))?;
    let aim = found.next()?.to_owned();
    let links = found.next()?.split(' ').map(str::to_owned).collect();
    Some(Note { aim, links })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_what_was_wrong_and_where() {
        let mut before = String::new();
        for line in TABLE.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 3, "{line}");
            assert_ne!(fields[0], before);
            before = fields[0].to_owned();
            let note = note(fields[0]).unwrap();
            assert!(note.aim.len() > 20 && !note.links.is_empty(), "{line}");
            assert!(note.links.iter().all(|link| link.starts_with("https://")), "{line}");
        }
        assert_eq!(note("XX-99"), None);
    }

    #[test]
    fn every_trigger_and_every_mutant_has_a_note() {
        for id in crate::case::regime::trigger_entries() {
            assert!(note(id).is_some(), "{id} is not in bugs.tsv");
        }
        for mutant in crate::kernel::mutants() {
            assert!(note(mutant.about.entry).is_some(), "{} is not in bugs.tsv", mutant.about.entry);
        }
    }
}
