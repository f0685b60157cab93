//! Terms of the Kullback–Leibler divergence as balls, with their value where a mass is 0.
//!
//! *Sound*: compositions of sound operations; what a mass of exactly 0 makes of the term is a definition, not a limit. *Tight*:
//! where ln t − x cancels, a higher precision is asked. *Total*.

use super::ball::Ball;
use super::elementary::{exp, ln};

/// Extra bits on the way.
const GUARD: u32 = 8;

/// Whether x has a value or may have one that is no number: nothing that is 0 by definition hides a NaN.
fn is_open(x: &Ball) -> bool {
    matches!(x, Ball::Undefined | Ball::Unknown)
}

/// t·(ln t − x); 0 for t = 0, also at x = −∞; +∞ for t > 0 and x = −∞.
pub fn kl_div(t: &Ball, x: &Ball, prec: u32) -> Ball {
    if t.is_zero() && !is_open(x) {
        return Ball::zero();
    }
    t.mul(&ln(t, prec + GUARD).sub(x, prec + GUARD), prec)
}

/// ln t − x + 1; −∞ for t = 0 and a finite x, undefined for t = 0 and x = −∞, +∞ for t > 0 and x = −∞.
pub fn kl_div_slope(t: &Ball, x: &Ball, prec: u32) -> Ball {
    ln(t, prec + GUARD).sub(x, prec + GUARD).add(&Ball::one(), prec)
}

/// e^t·(t − x); 0 for t = −∞, also at x = −∞; +∞ for a finite t and x = −∞.
pub fn kl_div_log(t: &Ball, x: &Ball, prec: u32) -> Ball {
    log_term(t, x, prec, |gap| gap)
}

/// e^t·(t − x + 1); where t or x is −∞ as [`kl_div_log`]. At t = −∞ it is 0: moving t leaves the mass 0.
pub fn kl_div_log_slope(t: &Ball, x: &Ball, prec: u32) -> Ball {
    log_term(t, x, prec, |gap| gap.add(&Ball::one(), prec + GUARD))
}

fn log_term(t: &Ball, x: &Ball, prec: u32, of_gap: impl Fn(Ball) -> Ball) -> Ball {
    if matches!(t, Ball::Infinite(true)) && !is_open(x) {
        return Ball::zero();
    }
    exp(t, prec + GUARD).mul(&of_gap(t.sub(x, prec + GUARD)), prec)
}

#[cfg(test)]
mod tests {
    use super::super::rows_soundness::Span;
    use super::super::specimen::{Outcome, Recipe, Truth, all, judge, run};
    use super::*;
    use rug::Float;

    /// The four functions at points inside their balls; x is −∞ for a quarter of the choices.
    fn terms([mass, prediction]: &[Recipe; 2], which: u8, prec: u32) -> Outcome {
        let (Some((t, t_point)), Some((x, x_point))) = (mass.logit(), prediction.logit()) else {
            return Outcome::Skipped;
        };
        let excluded = which % 4 == 3;
        let x = if excluded { Ball::Infinite(true) } else { x };
        let operands = [(&t, &t_point), (&x, &x_point)];
        let (t_span, x_span, one) =
            (Span::point(&t_point), Span::point(&x_point), Span::point(&Float::with_val(2, 1)));
        let judged = |name: &str, result: Ball, truth: Span| {
            let truth = if excluded { Truth::Infinite(false) } else { truth.truth() };
            judge(name, prec, &result, &truth, &operands)
        };
        let gap = t_span.sub(&x_span);
        let mut outcomes = vec![
            judged("kl_div_log", kl_div_log(&t, &x, prec), t_span.exp().mul(&gap)),
            judged("kl_div_log_slope", kl_div_log_slope(&t, &x, prec), t_span.exp().mul(&gap.add(&one))),
        ];
        if t_point > 0 {
            let gap = t_span.ln().sub(&x_span);
            outcomes.push(judged("kl_div", kl_div(&t, &x, prec), t_span.mul(&gap)));
            outcomes.push(judged("kl_div_slope", kl_div_slope(&t, &x, prec), gap.add(&one)));
        }
        all(outcomes)
    }

    #[test]
    fn terms_of_divergences_hold_their_values() {
        run(20, terms);
    }

    #[test]
    fn a_mass_of_zero_costs_nothing_and_hides_no_nan() {
        let (zero, out, one) = (Ball::zero(), Ball::Infinite(true), Ball::one());
        for x in [&one, &out, &Ball::Huge(true)] {
            assert!(kl_div(&zero, x, 64).is_zero() && kl_div_log(&out, x, 64).is_zero());
            assert!(kl_div_log_slope(&out, x, 64).is_zero());
        }
        assert!(matches!(kl_div_slope(&zero, &one, 64), Ball::Infinite(true)));
        assert!(matches!(kl_div_slope(&zero, &out, 64), Ball::Undefined));
        assert!(matches!(kl_div_slope(&one, &out, 64), Ball::Infinite(false)));
        assert!(matches!(kl_div(&one, &out, 64), Ball::Infinite(false)));
        type Term = fn(&Ball, &Ball, u32) -> Ball;
        let terms: [(Term, &Ball); 3] = [(kl_div, &zero), (kl_div_log, &out), (kl_div_log_slope, &out)];
        for (term, nothing) in terms {
            assert!(matches!(term(nothing, &Ball::Undefined, 64), Ball::Undefined));
            assert!(!matches!(term(nothing, &Ball::Unknown, 64), Ball::Finite { .. }));
        }
        // Exact where MPFR says so.
        assert!(kl_div(&one, &Ball::from_f64(-1.5), 64).is_exact());
        assert!(kl_div_log(&zero, &Ball::from_f64(-1.5), 64).is_exact());
        assert!(kl_div_log(&Ball::from_f64(-2.0), &Ball::from_f64(-2.0), 64).is_zero());
    }
}
