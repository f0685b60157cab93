//! Names that a person typed: looked up, with the nearest known one where there is none.

use super::{Stop, stop};
use crate::case::regime::Regime;
use crate::format::Format;
use crate::judge::Level;
use crate::kernel::{self, Kernel};
use crate::loss::{self, LossEntry};

/// The loss of that name.
pub(super) fn loss(name: &str) -> Result<&'static dyn LossEntry, Stop> {
    loss::find(name).ok_or_else(|| {
        let known = loss::LOSSES.iter().map(|entry| entry.spec().id);
        unknown("loss", name, known, "`lossproof list` prints the catalogue")
    })
}

/// The format of that name.
pub(super) fn format(name: &str) -> Result<Format, Stop> {
    let known = Format::ALL.iter().map(|format| format.name());
    Format::parse(name).ok_or_else(|| unknown("format", name, known, "there are f64, f32, f16 and bf16"))
}

/// The regime of that name.
pub(super) fn regime(name: &str) -> Result<Regime, Stop> {
    let known = Regime::ALL.iter().map(|regime| regime.name());
    let list = known.clone().collect::<Vec<_>>().join(", ");
    Regime::parse(name).ok_or_else(|| unknown("regime", name, known, &format!("there are {list}")))
}

/// The built-in kernel of that name; `help` says what there is without one.
pub(super) fn kernel(name: &str, help: &str) -> Result<&'static dyn Kernel, Stop> {
    let known = kernel::builtin().iter().map(|kernel| kernel.name());
    kernel::find(name).ok_or_else(|| unknown("kernel", name, known, help))
}

/// The level of that name.
pub(super) fn level(name: &str) -> Result<Level, Stop> {
    const LEVELS: [&str; 7] = ["correct", "faithful", "accurate", "stable", "backward", "sane", "broken"];
    serde_json::from_value(name.into()).map_err(|_: serde_json::Error| {
        unknown("level", name, LEVELS.into_iter(), &format!("there are {}", LEVELS.join(", ")))
    })
}

/// The message for a name that there is not.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>, help: &str) -> Stop {
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest {
        // Half of its letters wrong is no typing error.
        Some((distance, nearest)) if distance * 2 <= nearest.len().max(2) => {
            stop(format!("unknown {what} `{name}`; did you mean `{nearest}`? {help}"))
        }
        _ => stop(format!("unknown {what} `{name}`; {help}")),
    }
}

/// How many letters have to be inserted, deleted, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swaps = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if swaps { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                    replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(swapped)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let message = |stop: Stop| format!("{stop:?}");
        let near = message(loss("cross_entrpy").err().unwrap());
        assert!(near.contains("did you mean `cross_entropy`?"), "{near}");
        let far = message(loss("banana").err().unwrap());
        assert!(!far.contains("did you mean"), "{far}");
        assert_eq!((distance("", "abc"), distance("kitten", "sitting"), distance("mes", "mse")), (3, 3, 1));
    }
}
