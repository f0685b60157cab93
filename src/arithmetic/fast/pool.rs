//! Columns of f64 that are used again: a row of 128 Ki classes would otherwise spend as long on getting its memory from the
//! system as on the mathematics.

use std::cell::RefCell;

/// How many columns a thread keeps, and of how many numbers each at most (8 MiB).
const KEPT: usize = 6;
const LONGEST: usize = 1 << 20;
/// Shorter ones are the allocator's matter.
const SHORTEST: usize = 1 << 10;

thread_local! {
    static POOL: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// A column to be written; until then its numbers are anything. With debug assertions they are 0: a ball that somebody forgets
/// to write is exactly 0 then, which tests see.
pub(super) fn unset(length: usize) -> Vec<f64> {
    if length < SHORTEST {
        return vec![0.0; length];
    }
    let kept = POOL.with_borrow_mut(|pool| {
        let at =
            pool.iter().position(|column| column.capacity() >= length && column.capacity() <= 4 * length)?;
        Some(pool.swap_remove(at))
    });
    let Some(mut column) = kept else { return vec![0.0; length] };
    if cfg!(debug_assertions) {
        column.clear();
    }
    column.resize(length, 0.0);
    column
}

/// Keeps a column that is not needed any more.
pub(super) fn keep(column: Vec<f64>) {
    if (SHORTEST..=LONGEST).contains(&column.capacity()) {
        POOL.with_borrow_mut(|pool| {
            if pool.len() == KEPT {
                pool.remove(0);
            }
            pool.push(column);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_used_again() {
        let mut column = unset(SHORTEST);
        column.fill(7.0);
        let place = column.as_ptr();
        keep(column);
        let again = unset(SHORTEST);
        assert_eq!(again.as_ptr(), place);
        assert!(again.len() == SHORTEST && (!cfg!(debug_assertions) || again.iter().all(|&x| x == 0.0)));
        (0..2 * KEPT).for_each(|_| keep(vec![1.0; SHORTEST]));
        assert_eq!(POOL.with_borrow(Vec::len), KEPT);
    }
}
