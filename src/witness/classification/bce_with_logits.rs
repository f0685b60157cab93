//! The witness of bce_with_logits.

use crate::case::Case;
use crate::witness::amount::Amount;
use crate::witness::real::Real;
use crate::witness::reduction::{reduce, weights};
use crate::witness::{Derivation, Skip};

/// w·(y·w₊·softplus(−z) + (1 − y)·softplus(z)). ∂z: w·((1 − y)·σ(z) − y·w₊·σ(−z)). ∂y: w·(w₊·softplus(−z) − softplus(z)).
pub(in crate::witness) fn bce_with_logits(case: &Case) -> Result<Derivation, Skip> {
    let (logits, target) = (case.input("logits"), case.input("target").floats());
    let weights = weights(case, "weight", logits.len());
    let positive = case.optional("pos_weight").map(|tensor| tensor.floats());
    let one = |element: usize, z: f64, y: f64| {
        let positive = positive.map_or(1.0, |weights| weights[element % weights.len()]);
        if z.is_nan() || y.is_nan() || positive.is_nan() {
            return [Amount::Undefined; 3];
        }
        binary(z, y, positive).map(|x| weights[element] * Amount::Number(x))
    };
    let pairs = logits.floats().iter().zip(target).enumerate();
    let local: Vec<[Amount; 3]> = pairs.map(|(element, (&z, &y))| one(element, z, y)).collect();
    let terms: Vec<_> = local.iter().map(|&[value, _, _]| Some(value)).collect();
    let reduced = reduce(case, &terms, Amount::Number(Real::count(logits.len())));
    let gradient = |which: usize| -> Vec<Amount> {
        local.iter().enumerate().map(|(element, local)| reduced.gradient(element, local[which])).collect()
    };
    let gradients = vec![("logits", gradient(1)), ("target", gradient(2))];
    Ok(Derivation { loss: reduced.loss, gradients })
}

/// The value, ∂z and ∂y of y·w₊·softplus(−z) + (1 − y)·softplus(z).
///
/// With l = ln(1 + e^−|z|), softplus(z) is max(z, 0) + l. ∂y is (w₊ − 1)·l − z for z ≥ 0 and (w₊ − 1)·l − w₊·z below,
/// which is −z, exactly, for w₊ = 1.
fn binary(z: f64, y: f64, positive_weight: f64) -> [Real; 3] {
    let (z_real, weight) = (Real::of(z), Real::of(positive_weight));
    let power = Real::of(-z.abs()).exp();
    let tail = power.ln_1p();
    let (near, far) = (Real::ONE / (Real::ONE + power), power / (Real::ONE + power));
    let (on, off) = if z >= 0.0 { (near, far) } else { (far, near) };
    let rise = if z > 0.0 { z_real } else { Real::ZERO };
    let fall = if z < 0.0 { -z_real } else { Real::ZERO };
    let (yes, no) = (Real::of(y) * weight, Real::sum_of(&[1.0, -y]));
    let excess = Real::sum_of(&[positive_weight, -1.0]) * tail;
    [
        yes * (fall + tail) + no * (rise + tail),
        no * on - yes * off,
        if z >= 0.0 { excess - z_real } else { excess - weight * z_real },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    fn bce(shape: &[usize], values: [&[f64]; 2], weights: [Option<&[f64]>; 2], params: Params) -> Case {
        let mut inputs = vec![("logits", floats(shape, values[0])), ("target", floats(shape, values[1]))];
        inputs.extend(weights[0].map(|weight| ("weight", floats(shape, weight))));
        inputs.extend(weights[1].map(|weight| ("pos_weight", floats(&[weight.len()], weight))));
        case("bce_with_logits", params, inputs)
    }

    #[test]
    fn bce_by_hand() {
        let (tail, slope) = (
            "2.06115362031438070323898279887791523560266988e-9",
            "2.06115361819020358143086212947459269075249002e-9",
        );
        let none = params().with("reduction", "none");
        let case = bce(&[2], [&[20.0, 20.0], &[1.0, 0.0]], [None; 2], none.clone());
        assert_values(&case, "loss", &[tail, "20.0000000020611536203143807032389827988779152"]);
        assert_values(
            &case,
            "grad.logits",
            &[&format!("-{slope}"), "0.99999999793884638180979641856913787052540730925"],
        );
        assert_values(&case, "grad.target", &["-20", "-20"]);
        let case = bce(&[1], [&[-1.5], &[0.25]], [Some(&[2.0]), Some(&[3.0])], none.clone());
        assert_values(&case, "loss", &["2.85423983394825722849844842717127331576319589"]);
        assert_values(&case, "grad.logits", &["-0.952723428580930978821651535968744742638722531"]);
        assert_values(&case, "grad.target", &["9.80565311193100963799793123622836442101759452"]);
        // pos_weight goes along the last axis; the mean divides by the count whatever the weights.
        let ln_2 = "0.693147180559945309417232121458176568075500134";
        let weights: [Option<&[f64]>; 2] = [Some(&[1.0, 1.0, 4.0, 1.0]), Some(&[1.0, 0.0])];
        let case = bce(&[2, 2], [&[0.0; 4], &[1.0; 4]], weights, none);
        assert_claims(&case, "grad.logits", &["-0.5", "0", "-2", "0"]);
        let case = bce(&[2, 1], [&[0.0; 2], &[1.0; 2]], [Some(&[1.0, 1.0]), None], params());
        assert_values(&case, "loss", &[ln_2]);
        assert_claims(&case, "grad.logits", &["-0.25", "-0.25"]);
    }

    #[test]
    fn bce_of_a_nan_and_of_nothing() {
        let case = bce(&[2], [&[f64::NAN, 0.0], &[1.0, 1.0]], [None; 2], params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.logits", &["undefined", "-0.25"]);
        let empty = |params: Params| bce(&[0], [&[], &[]], [None; 2], params);
        assert_claims(&empty(params()), "loss", &["undefined"]);
        assert_claims(&empty(params().with("empty_mean", "zero")), "loss", &["0"]);
    }

    #[test]
    fn bce_gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(4);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for weighted in [false, true] {
                for positive in [false, true] {
                    let (logits, target) = (random.values(6, -4.0, 4.0), random.values(6, 0.1, 0.9));
                    let (weight, positives) = (random.values(6, 0.0, 2.0), random.values(3, 0.0, 2.0));
                    let weights = [weighted.then_some(&weight[..]), positive.then_some(&positives[..])];
                    let params = params().with("reduction", reduction);
                    let case = bce(&[2, 3], [&logits, &target], weights, params);
                    compared += assert_differences(&with_random_upstream(case, &mut random));
                }
            }
        }
        assert_eq!(compared, 3 * 2 * 2 * 12);
    }
}
