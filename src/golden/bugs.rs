//! The bugs that shipped, as the notes of golden files name them: entry, what was wrong, public threads.

use super::Note;
use crate::kernel::mutants;

/// A line an entry: id, what was wrong, links with spaces between them; separated by tabs.
const TABLE: &str = include_str!("bugs.tsv");

/// The note of an entry: from the table, or of a mutant whose entry is not in it from what is known of the mutant.
pub fn note(id: &str) -> Option<Note> {
    let mut fields = TABLE.lines().map(|line| line.split('\t'));
    if let Some(mut found) = fields.find_map(|mut fields| (fields.next() == Some(id)).then_some(fields)) {
        let aim = found.next()?.to_owned();
        let links = found.next()?.split(' ').map(str::to_owned).collect();
        return Some(Note { aim, links });
    }
    let about = mutants().iter().map(|mutant| mutant.about).find(|about| about.entry == id)?;
    Some(Note { aim: about.description.to_owned(), links: about.link.split(';').filter_map(url).collect() })
}

/// The address of `owner/repository#number` or `owner/repository PR#number`.
fn url(thread: &str) -> Option<String> {
    let (repository, number) = thread.trim().split_once('#')?;
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    let (repository, kind) = match repository.strip_suffix(" PR") {
        Some(repository) => (repository, "pull"),
        None => (repository, "issues"),
    };
    Some(format!("https://github.com/{repository}/{kind}/{}", &number[..digits]))
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
        let entries = mutants().iter().map(|mutant| mutant.about.entry);
        for id in crate::case::regime::trigger_entries().chain(entries) {
            let note = note(id).unwrap_or_else(|| panic!("{id} is not in bugs.tsv"));
            let is_address = |link: &String| {
                let number = link.strip_prefix("https://github.com/").and_then(|path| path.split('/').nth(3));
                number.is_some_and(|number| number.parse::<u32>().is_ok())
            };
            assert!(!note.links.is_empty() && note.links.iter().all(is_address), "{id}: {:?}", note.links);
        }
    }
}
