//! Losses of a score against a probability, as plain loops.

use crate::form::{Form, Reduction, Way, answer, input, optional};
use crate::number::Number;
use lossproof::case::{Case, Tensors};

/// ln(1 + e^x).
fn softplus<N: Number>(x: &N) -> N {
    x.max(&N::zero()) + (-x.abs()).exp().ln_1p()
}

/// 1/(1 + e^−x).
fn sigmoid<N: Number>(x: &N, way: Way) -> N {
    if way == Way::Other {
        return (-softplus(&-x.clone())).exp();
    }
    let e = (-x.abs()).exp();
    let numerator = if *x < N::zero() { e.clone() } else { N::one() };
    numerator / (N::one() + e)
}

pub fn bce_with_logits<N: Number>(case: &Case, form: Form) -> Tensors {
    let (z, y) = (input::<N>(case, "logits"), input::<N>(case, "target"));
    let (weight, pos_weight) = (optional::<N>(case, "weight"), optional::<N>(case, "pos_weight"));
    let reduction = Reduction::of(case, form, || N::of(z.len() as f64));
    let (mut terms, mut by_logits, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (z, y)) in z.iter().zip(&y).enumerate() {
        let other = N::one() - y.clone();
        let (loss, by_z, by_y) = if let Some(pos_weight) = &pos_weight {
            let w = pos_weight[i % pos_weight.len()].clone();
            let (miss, hit) = (softplus(z), softplus(&-z.clone()));
            let yw = y.clone() * w.clone();
            let loss = yw.clone() * hit.clone() + other.clone() * miss.clone();
            let by_z = other * sigmoid(z, form.way) - yw * sigmoid(&-z.clone(), form.way);
            (loss, by_z, w * hit - miss)
        } else {
            let loss = match form.way {
                Way::Usual => (z.max(&N::zero()) - z.clone() * y.clone()) + (-z.abs()).exp().ln_1p(),
                Way::Other => y.clone() * softplus(&-z.clone()) + other * softplus(z),
            };
            (loss, sigmoid(z, form.way) - y.clone(), -z.clone())
        };
        let (loss, factors) = match &weight {
            Some(w) => (w[i].clone() * loss, vec![w[i].clone()]),
            None => (loss, Vec::new()),
        };
        terms.push(loss);
        let scaled = |x: N| reduction.scaled(i, &[&[x][..], &factors].concat());
        by_logits.push(scaled(by_z));
        by_target.push(scaled(by_y));
    }
    let loss = reduction.loss(case, &terms);
    answer(case, &loss, vec![("logits", by_logits), ("target", by_target)])
}

/// At 300 bits: 1 − y is exact, and nothing is subtracted that a tail would be lost in.
pub fn bce_with_logits_exactly<N: Number>(case: &Case, form: Form) -> Tensors {
    let (z, y) = (input::<N>(case, "logits"), input::<N>(case, "target"));
    let (weight, pos_weight) = (optional::<N>(case, "weight"), optional::<N>(case, "pos_weight"));
    let reduction = Reduction::of(case, form, || N::of(z.len() as f64));
    let (mut terms, mut by_logits, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (z, y)) in z.iter().zip(&y).enumerate() {
        let w = pos_weight.as_ref().map_or(N::one(), |w| w[i % w.len()].clone());
        let weight = weight.as_ref().map_or(N::one(), |weight| weight[i].clone());
        let (yw, other) = (y.clone() * w.clone(), N::one() - y.clone());
        let (miss, hit) = (softplus(z), softplus(&-z.clone()));
        terms.push(weight.clone() * (yw.clone() * hit.clone() + other.clone() * miss.clone()));
        let by_z = other * sigmoid(z, Way::Usual) - yw * sigmoid(&-z.clone(), Way::Usual);
        // softplus(−z) − softplus(z) is −z.
        let by_y = if w == N::one() { -z.clone() } else { w * hit - miss };
        by_logits.push(reduction.scaled(i, &[by_z, weight.clone()]));
        by_target.push(reduction.scaled(i, &[by_y, weight]));
    }
    let loss = reduction.loss(case, &terms);
    answer(case, &loss, vec![("logits", by_logits), ("target", by_target)])
}
