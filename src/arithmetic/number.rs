//! Numbers of MPFR that take over each other's memory: what a thread is done with, its next number uses. What MPFR's functions need
//! inside, numbers beyond those that are kept, and a thread's first evaluation still ask the allocator.

use rug::float::{Round, Special};
use rug::ops::AssignRound;
use rug::{Assign, Float};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// So many numbers a thread keeps at most, each with the memory of [`KEPT_BITS`] at most: some 10 MiB.
const KEPT: usize = 1 << 16;
/// Numbers of more bits go back to the allocator. MPFR never gives back what a number has once had, but a number passes here
/// with each of its precisions.
const KEPT_BITS: u32 = 1024;

thread_local! {
    static UNUSED: RefCell<Vec<Float>> = const { RefCell::new(Vec::new()) };
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
        // All are 0 here, which makes a change of precision cheap.
        let kept = UNUSED.try_with(|unused| unused.borrow_mut().pop()).ok().flatten();
        let mut number = match kept {
            Some(mut number) => {
                number.set_prec(prec);
                number
            }
            None => Float::new(prec),
        };
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
        // A thread that ends has nothing to keep it in.
        let _ = UNUSED.try_with(|unused| {
            let mut unused = unused.borrow_mut();
            if unused.len() < KEPT {
                unused.push(number);
            }
        });
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
        Number(Some(number))
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

    fn unused() -> usize {
        UNUSED.with(|unused| unused.borrow().len())
    }

    fn memory(number: &Number) -> Option<*const u64> {
        Some(number.get_significand()?.as_limbs().as_ptr())
    }

    #[test]
    fn a_number_takes_the_memory_of_one_before_and_nothing_of_its_value() {
        let third = Number::new(1000, 1.0 / 3.0);
        let place = memory(&third);
        drop(third);
        assert_eq!(unused(), 1);
        let (one, ternary) = Number::rounded(53, 1, Round::Down);
        assert_eq!((memory(&one), unused()), (place, 0));
        assert!(*one == 1 && one.prec() == 53 && ternary == Ordering::Equal, "{one:?}");
        let (cut, ternary) = Number::rounded(2, 7, Round::Down);
        assert!(*cut == 6 && ternary == Ordering::Less);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        drop(Number::new(KEPT_BITS + 1, 1));
        assert_eq!(unused(), 0);
    }
}
