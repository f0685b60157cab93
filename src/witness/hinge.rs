//! hinge.

use super::amount::Amount;
use super::real::Real;
use super::reduction::reduce;
use super::{Derivation, Skip};
use crate::case::Case;

/// 1 − yx where that is above 0, else 0; the derivative by x is −y there, 0 elsewhere, and where yx is exactly 1 any part
/// of −y.
pub(super) fn hinge(case: &Case) -> Result<Derivation, Skip> {
    let (score, target) = (case.input("score").floats(), case.input("target").floats());
    let local = |(&x, &y): (&f64, &f64)| {
        if x.is_nan() || y.is_nan() {
            return (Some(Amount::Undefined), Amount::Undefined);
        }
        // The floats decide: yx is x or −x.
        let (gap, slope) = (Real::sum_of(&[1.0, -y * x]), Amount::Number(Real::of(-y)));
        if y * x < 1.0 {
            (Some(Amount::Number(gap)), slope)
        } else if y * x == 1.0 {
            (Some(Amount::ZERO), slope * Amount::share(true))
        } else {
            (Some(Amount::ZERO), Amount::ZERO)
        }
    };
    let (terms, slopes): (Vec<_>, Vec<_>) = score.iter().zip(target).map(local).unzip();
    let reduced = reduce(case, &terms, Amount::Number(Real::count(terms.len())));
    let by_score = slopes.iter().enumerate().map(|(i, &slope)| reduced.gradient(i, slope)).collect();
    Ok(Derivation { loss: reduced.loss, gradients: vec![("score", by_score)] })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::case::Case;
    use crate::loss::Params;

    fn hinge(score: &[f64], target: &[f64], params: Params) -> Case {
        let input = |values: &[f64]| floats(&[values.len()], values);
        case("hinge", params, [("score", input(score)), ("target", input(target))])
    }

    #[test]
    fn by_hand() {
        let none = params().with("reduction", "none");
        let score = [0.5, 0.5, 3.0, -1.0, 1.0, 1.0f64.next_down()];
        let case = hinge(&score, &[1.0, -1.0, 1.0, -1.0, 1.0, 1.0], none);
        assert_claims(
            &case,
            "loss",
            &["0.5", "1.5", "0", "0", "0", "1.1102230246251565404236316680908203125e-16"],
        );
        assert_claims(&case, "grad.score", &["-1", "1", "0", "[0, 1] tight", "[-1, 0] tight", "-1"]);
        let case = hinge(&score[..3], &[1.0, -1.0, 1.0], params());
        assert_values(&case, "loss", &["0.6666666666666666666666666666666666666666667"]);
    }

    #[test]
    fn nan_and_empty() {
        let case = hinge(&[f64::NAN, 0.0], &[1.0, 1.0], params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.score", &["undefined", "-0.5"]);
        assert_claims(&hinge(&[], &[], params()), "loss", &["undefined"]);
        assert_claims(&hinge(&[], &[], params().with("empty_mean", "zero")), "loss", &["0"]);
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(4);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            let case = hinge(
                &random.values(5, -3.0, 3.0),
                &[1.0, -1.0, 1.0, -1.0, 1.0],
                params().with("reduction", reduction),
            );
            compared += assert_differences(&with_random_upstream(case, &mut random));
        }
        assert_eq!(compared, 15);
    }
}
