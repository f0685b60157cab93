//! Numbers of MPFR that take over each other's memory: what one is done with, the next uses. The allocator is asked for what
//! MPFR's functions need inside, for large numbers, and where none is kept: at first, and after threads have ended, whose
//! numbers go with them.

use rug::float::{Round, Special};
use rug::ops::AssignRound;
use rug::{Assign, Float};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers go from a thread to all threads, and back, in batches of so many: what threads of a pool make, the one that asked them
/// is done with. A thread keeps two batches at most.
const BATCH: usize = 256;
/// So many batches are kept for all threads at most, each number with the memory of [`KEPT_BITS`] at most: some 10 MiB.
const KEPT: usize = 256;
/// Numbers of more bits go back to the allocator. MPFR never gives back what a number has once had, but a number passes here
/// with each of its precisions.
const KEPT_BITS: u32 = 1024;
/// A number has memory for so many at least, so that one of an input's few bits can become one of any first precision.
const LEAST_BITS: u32 = 256;

thread_local! {
    static UNUSED: RefCell<Vec<Float>> = const { RefCell::new(Vec::new()) };
}

static OF_ALL_THREADS: Mutex<Vec<Vec<Float>>> = Mutex::new(Vec::new());

fn of_all_threads() -> MutexGuard<'static, Vec<Vec<Float>>> {
    OF_ALL_THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number, 0, that nobody uses any more.
fn unused() -> Option<Float> {
    let take = |unused: &RefCell<Vec<Float>>| {
        let mut unused = unused.borrow_mut();
        if unused.is_empty() {
            *unused = of_all_threads().pop()?;
        }
        unused.pop()
    };
    // A thread that ends has none.
    UNUSED.try_with(take).ok().flatten()
}

/// Keeps a number, 0, for later.
fn keep(number: Float) {
    let put = |unused: &RefCell<Vec<Float>>| {
        let mut unused = unused.borrow_mut();
        unused.push(number);
        if unused.len() >= 2 * BATCH {
            let batch = unused.split_off(BATCH);
            let mut all = of_all_threads();
            if all.len() < KEPT {
                all.push(batch);
            }
        }
    };
    // A thread that ends has nothing to keep it in.
    let _ = UNUSED.try_with(put);
}

/// A number of MPFR.
pub struct Number(
    /// `None` in `drop` alone.
    Option<Float>,
);

impl Number {
    /// The value rounded to a precision, and how the result compares to it.
    pub fn rounded<T>(prec: u32, value: T, round: Round) -> (Number, Ordering)
    where
        Float: AssignRound<T, Round = Round, Ordering = Ordering>,
    {
        let kept = if prec <= KEPT_BITS { unused() } else { None };
        let mut number = kept.unwrap_or_else(|| Float::new(prec.max(LEAST_BITS)));
        // It is 0, which makes a change of precision cheap.
        number.set_prec(prec);
        let ternary = number.assign_round(value, round);
        (Number(Some(number)), ternary)
    }

    /// The value rounded to nearest.
    pub fn new<T>(prec: u32, value: T) -> Number
    where
        Float: AssignRound<T, Round = Round, Ordering = Ordering>,
    {
        Number::rounded(prec, value, Round::Nearest).0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let Some(mut number) = self.0.take().filter(|number| number.prec() <= KEPT_BITS) else { return };
        number.assign(Special::Zero);
        keep(number);
    }
}

impl Deref for Number {
    type Target = Float;

    fn deref(&self) -> &Float {
        self.0.as_ref().expect("only drop() takes it")
    }
}

impl DerefMut for Number {
    fn deref_mut(&mut self) -> &mut Float {
        self.0.as_mut().expect("only drop() takes it")
    }
}

impl From<Float> for Number {
    fn from(number: Float) -> Number {
        Number::new(number.prec(), &number)
    }
}

impl Clone for Number {
    fn clone(&self) -> Number {
        Number::new(self.prec(), &**self)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many numbers this thread keeps.
    fn kept() -> usize {
        UNUSED.with(|unused| unused.borrow().len())
    }

    fn memory(number: &Number) -> usize {
        number.get_significand().expect("not 0").as_limbs().as_ptr().addr()
    }

    #[test]
    fn a_number_takes_the_memory_of_one_before_and_nothing_of_its_value() {
        let third = Number::new(1000, 1.0 / 3.0);
        let (place, before) = (memory(&third), kept());
        drop(third);
        assert_eq!(kept(), before + 1);
        let (one, ternary) = Number::rounded(53, 1, Round::Down);
        assert_eq!((memory(&one), kept()), (place, before));
        assert!(*one == 1 && one.prec() == 53 && ternary == Ordering::Equal, "{one:?}");
        let (cut, ternary) = Number::rounded(2, 7, Round::Down);
        assert!(*cut == 6 && ternary == Ordering::Less);
    }

    #[test]
    fn a_number_has_room_for_the_first_precisions() {
        let mut short = Number::from(Float::with_val(2, 1));
        let place = memory(&short);
        short.set_prec(LEAST_BITS);
        assert_eq!(memory(&short), place);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let large = Number::new(KEPT_BITS + 1, 1);
        let before = kept();
        drop(large);
        assert_eq!(kept(), before);
    }

    #[test]
    fn what_one_thread_is_done_with_another_uses() {
        let in_a_thread = |count: usize| {
            let make = move || ((0..count).map(|_| Number::new(64, 1)).collect::<Vec<_>>(), kept());
            std::thread::spawn(make).join().expect("a thread that makes numbers")
        };
        // A thread that has made one number has the rest of a batch. Other tests may take it before that.
        let is_used_again = |_| {
            drop(in_a_thread(2 * BATCH));
            assert!(kept() < 2 * BATCH);
            in_a_thread(1).1 == BATCH - 1
        };
        assert!((0..100).any(is_used_again));
        assert!(of_all_threads().len() <= KEPT);
    }
}
