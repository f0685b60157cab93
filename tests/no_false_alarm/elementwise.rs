//! Losses of a score against a probability, as plain loops.

use crate::form::{Form, Order, Reduction, Way, answer, input, number, optional};
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

/// PyTorch's least divisor, an f32.
const PYTORCH_FLOOR: f64 = 1e-12f32 as f64;

/// a·b, with 0 where a is 0 whatever b is.
fn weighed<N: Number>(a: &N, b: N) -> N {
    if a.is_zero() { N::zero() } else { a.clone() * b }
}

pub fn bce<N: Number>(case: &Case, form: Form) -> Tensors {
    let (probability, target) = (input::<N>(case, "probability"), input::<N>(case, "target"));
    let weight = optional::<N>(case, "weight");
    let low = case.params.number("log_clamp").map(N::of);
    let pytorch = low.is_some() && case.params.text("log_clamp_gradient") == "pytorch";
    let clip = case.params.number("probability_clip").filter(|&clip| clip > 0.0).map(N::of);
    let exactly = form.order == Order::DivisorLast;
    let reduction = Reduction::of(case, form, || N::of(target.len() as f64));
    let (mut terms, mut by_probability, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (p, y)) in probability.iter().zip(&target).enumerate() {
        let (mut p, mut clipped) = (p.clone(), false);
        if let Some(clip) = &clip {
            let high = N::one() - clip.clone();
            clipped = p < *clip || p > high;
            p = if p < *clip {
                clip.clone()
            } else if p > high {
                high
            } else {
                p
            };
        }
        let (other, q) = (N::one() - y.clone(), N::one() - p.clone());
        let logs = [p.ln(), (-p.clone()).ln_1p()];
        let cut = logs.clone().map(|log| low.as_ref().is_some_and(|low| log < *low));
        let clamped = logs.clone().map(|log| low.as_ref().map_or(log.clone(), |low| log.max(low)));
        let [on, off] = clamped.clone();
        let loss = -(weighed(y, on) + weighed(&other, off));
        let product = p.clone() * q.clone();
        let by_p = if clipped {
            N::zero()
        } else if pytorch {
            (p.clone() - y.clone()) / product.max(&N::of(PYTORCH_FLOOR))
        } else if form.way == Way::Other && !cut[0] && !cut[1] && !product.is_zero() {
            (p.clone() - y.clone()) / product
        } else {
            let on = if cut[0] || y.is_zero() { N::zero() } else { y.clone() / p.clone() };
            let off = if cut[1] || other.is_zero() { N::zero() } else { other / q.clone() };
            off - on
        };
        let [on, off] = if pytorch { logs } else { clamped };
        let by_y = off - on;
        let factors = match &weight {
            Some(w) => vec![w[i].clone()],
            None => Vec::new(),
        };
        terms.push(factors.first().map_or(loss.clone(), |w| w.clone() * loss));
        let scaled = |x: N| reduction.scaled(i, &[&[x][..], &factors].concat());
        // At 300 bits all divisions are one, the last: what is exact, or a tie, is one then.
        let fused =
            exactly && !clipped && !pytorch && !cut[0] && !cut[1] && !(p.clone() * q.clone()).is_zero();
        by_probability.push(match clipped {
            true => N::zero(),
            false if fused => {
                let numerator = [&[p.clone() - y.clone()][..], &factors].concat();
                reduction.quotient(i, &numerator, p * q)
            }
            false => scaled(by_p),
        });
        by_target.push(scaled(by_y));
    }
    let gradients = vec![("probability", by_probability), ("target", by_target)];
    answer(case, &reduction.loss(case, &terms), gradients)
}

/// σ(t)^γ: a power, or an exponential of the logarithm.
fn focal_weight<N: Number>(t: &N, gamma: &N, way: Way) -> N {
    match way {
        _ if gamma.is_zero() => N::one(),
        Way::Usual => sigmoid(t, Way::Usual).pow(gamma),
        Way::Other => (gamma.clone() * -softplus(&-t.clone())).exp(),
    }
}

pub fn focal_sigmoid<N: Number>(case: &Case, form: Form) -> Tensors {
    let (z, y) = (input::<N>(case, "logits"), input::<N>(case, "target"));
    let gamma = number::<N>(case, "gamma");
    let alpha = case.params.number("alpha").map(N::of);
    let soft = case.params.text("soft_target");
    let reduction = Reduction::of(case, form, || N::of(z.len() as f64));
    let (mut terms, mut gradient) = (Vec::new(), Vec::new());
    for (i, (z, y)) in z.iter().zip(&y).enumerate() {
        let other = N::one() - y.clone();
        let (on, off) = match &alpha {
            Some(alpha) => (alpha.clone() * y.clone(), (N::one() - alpha.clone()) * other.clone()),
            None => (y.clone(), other.clone()),
        };
        let negative = -z.clone();
        let p = |t: &N| sigmoid(t, Way::Usual);
        let (loss, slope) = if ["", "linear"].contains(&soft) || y.is_zero() || other.is_zero() {
            let weight = |t: &N| focal_weight(t, &gamma, form.way);
            let term = |t: &N| weight(t) * softplus(t);
            let slope = |t: &N| weight(t) * (p(t) + gamma.clone() * p(&-t.clone()) * softplus(t));
            let loss = weighed(&on, term(&negative)) + weighed(&off, term(z));
            (loss, weighed(&off, slope(z)) - weighed(&on, slope(&negative)))
        } else {
            let entropy = match form.way {
                Way::Usual => (z.max(&N::zero()) - z.clone() * y.clone()) + (-z.abs()).exp().ln_1p(),
                Way::Other => y.clone() * softplus(&negative) + other.clone() * softplus(z),
            };
            let gap = p(z) - y.clone();
            let power = |x: N| if gamma.is_zero() { N::one() } else { x.pow(&gamma) };
            let (weight, moved) = match soft {
                "interpolate_p" => {
                    let q = y.clone() * p(&negative) + other.clone() * p(z);
                    let moved = (other.clone() - y.clone()) * (p(z) * p(&negative)) / q.clone();
                    (power(q), moved)
                }
                "exp_bce" => (power(-(-entropy.clone()).expm1()), gap.clone() / entropy.expm1()),
                _ => {
                    let side = other.clone() - y.clone();
                    let t = side.clone() * z.clone();
                    (focal_weight(&t, &gamma, form.way), side * p(&-t))
                }
            };
            let alpha_t = if alpha.is_some() { on + off } else { N::one() };
            let slope = gap + gamma.clone() * moved * entropy.clone();
            (alpha_t.clone() * (weight.clone() * entropy), alpha_t * (weight * slope))
        };
        terms.push(loss);
        gradient.push(reduction.scaled(i, &[slope]));
    }
    answer(case, &reduction.loss(case, &terms), vec![("logits", gradient)])
}
