//! The witness is a second derivation: its sources use neither the graph, nor its interpreters, nor MPFR, nor the
//! losses' definitions. Read from the sources, so that it holds for every witness to come.

use std::path::{Path, PathBuf};

/// What a witness may use of this crate: cases and what they are made of.
const ALLOWED: [&str; 5] = ["case", "format", "tensor", "loss", "witness"];
/// Of `loss`, what describes a case; not the definitions.
const ALLOWED_OF_LOSS: [&str; 4] = ["Params", "ParamValue", "Null", "LOSSES"];
/// Words that stand for the first derivation and its libraries, or for floats' own functions.
const FORBIDDEN: [&str; 8] =
    ["graph", "arithmetic", "rug", "gmp_mpfr_sys", "core_math", "libm", "oracle", "program"];

/// The words of a line without its comment and without what stands in quotes.
fn words(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or("");
    let code: String = code.split('"').step_by(2).collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The lines of a source that a witness may not have.
fn offences(source: &str) -> Vec<String> {
    let offends = |line: &&str| {
        let words = words(line);
        let from_crate = |(i, word): (usize, &String)| {
            word == "crate"
                && words.get(i + 1).is_some_and(|module| {
                    !ALLOWED.contains(&module.as_str())
                        || module == "loss"
                            && words[i + 2..].iter().any(|item| {
                                item.starts_with(char::is_uppercase)
                                    && !ALLOWED_OF_LOSS.contains(&item.as_str())
                            })
                })
        };
        words.iter().any(|word| FORBIDDEN.contains(&word.as_str()))
            || words.iter().enumerate().any(from_crate)
    };
    source.lines().filter(offends).map(str::to_owned).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn the_witness_uses_no_part_of_the_first_derivation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/witness");
    let mut families = 0;
    for path in sources(&folder) {
        let source = std::fs::read_to_string(&path).unwrap();
        assert_eq!(offences(&source), Vec::<String>::new(), "{}", path.display());
        families += usize::from(source.contains("-> Result<Derivation, Skip>"));
    }
    assert!(families >= 3, "the witnesses are elsewhere: {families}");
}

#[test]
fn an_offence_would_be_seen() {
    let offending = [
        "use crate::graph::Graph;",
        "    let y = crate::arithmetic::ball(x);",
        "use rug::Float;",
        "use crate::loss::{Params, Definition};",
        "use crate::case::program::Program;",
        "use crate::{judge, oracle};",
        "    libm::exp(x)",
    ];
    for line in offending {
        assert_eq!(offences(line), [line], "not seen");
    }
    let innocent = [
        "// the graph",
        "use crate::case::Case;",
        "use crate::loss::{Params, ParamValue};",
        "let rugged = 1;",
    ];
    for line in innocent {
        assert!(offences(line).is_empty(), "{line}");
    }
}
