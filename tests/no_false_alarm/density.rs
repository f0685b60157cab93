//! Losses of a distribution or a margin, element by element, as plain loops.

use crate::form::{Form, Order, Reduction, Way, answer, input};
use crate::number::Number;
use lossproof::case::{Case, Tensors};

pub fn hinge<N: Number>(case: &Case, form: Form) -> Tensors {
    let (score, target) = (input::<N>(case, "score"), input::<N>(case, "target"));
    let reduction = Reduction::of(case, form, || N::of(score.len() as f64));
    let (mut terms, mut by_score, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (s, t)) in score.iter().zip(&target).enumerate() {
        let gap = N::one() - t.clone() * s.clone();
        let inside = gap > N::zero();
        let scaled = |x: &N| if inside { reduction.scaled(i, &[-x.clone()]) } else { N::zero() };
        by_score.push(scaled(t));
        by_target.push(scaled(s));
        terms.push(if gap < N::zero() { N::zero() } else { gap });
    }
    let loss = reduction.loss(case, &terms);
    answer(case, &loss, vec![("score", by_score), ("target", by_target)])
}

pub fn gaussian_nll<N: Number>(case: &Case, form: Form) -> Tensors {
    let [mean, target, variance] = ["mean", "target", "variance"].map(|name| input::<N>(case, name));
    let floor = case.params.number("variance_floor").map(N::of);
    let straight_through = case.params.text("floor_gradient") == "straight_through";
    let reduction = Reduction::of(case, form, || N::of(mean.len() as f64));
    let half = N::of(0.5);
    let mut terms = Vec::new();
    let mut by = [(); 3].map(|_| Vec::new());
    for (i, ((x, y), v)) in mean.iter().zip(&target).zip(&variance).enumerate() {
        let r = x.clone() - y.clone();
        let floored = floor.as_ref().is_some_and(|floor| v < floor);
        let v = if floored { floor.clone().expect("a floor") } else { v.clone() };
        let quotient = r.clone() / v.clone();
        let square = r.clone() * r.clone() / v.clone();
        let term = half.clone() * (v.ln() + square.clone());
        terms.push(if case.params.flag("full") { term + half.clone() * N::ln_2_pi() } else { term });
        let by_variance = match form.way {
            _ if floored && !straight_through => N::zero(),
            Way::Usual => half.clone() * (N::one() / v.clone() - quotient.clone() * quotient.clone()),
            Way::Other => half.clone() * ((N::one() - square) / v.clone()),
        };
        // At 300 bits all divisions are one, the last: what is exact, or a tie, is one then.
        let by_mean = match form.order {
            Order::DivisorLast => reduction.quotient(i, std::slice::from_ref(&r), v),
            _ if quotient.is_zero() => quotient,
            _ => reduction.scaled(i, &[quotient]),
        };
        let by_variance =
            if by_variance.is_zero() { by_variance } else { reduction.scaled(i, &[by_variance]) };
        for (by, x) in by.iter_mut().zip([by_mean.clone(), -by_mean, by_variance]) {
            by.push(x);
        }
    }
    let [by_mean, by_target, by_variance] = by;
    let gradients = vec![("mean", by_mean), ("target", by_target), ("variance", by_variance)];
    answer(case, &reduction.loss(case, &terms), gradients)
}

pub fn kl_div<N: Number>(case: &Case, form: Form) -> Tensors {
    let (x, t) = (input::<N>(case, "log_prediction"), input::<N>(case, "target"));
    let rows = case.input("target").shape[0];
    let count = if case.params.text("reduction") == "mean" { x.len() } else { rows };
    let reduction = Reduction::of(case, form, || N::of(count as f64));
    let logs = case.params.flag("log_target");
    let minus_infinity = N::of(f64::NEG_INFINITY);
    let (mut terms, mut by_prediction, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (x, t)) in x.iter().zip(&t).enumerate() {
        let (p, ln_p) = if logs { (t.exp(), t.clone()) } else { (t.clone(), t.ln()) };
        let nothing = if logs { *t == minus_infinity } else { t.is_zero() };
        let gap = ln_p.clone() - x.clone();
        terms.push(match form.way {
            _ if nothing => N::zero(),
            Way::Other if !logs => p.clone() * ln_p - p.clone() * x.clone(),
            _ => p.clone() * gap.clone(),
        });
        by_prediction.push(if nothing { N::zero() } else { reduction.scaled(i, &[-p.clone()]) });
        // As reverse accumulation goes through t·ln t and e^t: the upstream meets each term before they are added.
        let through = form.way == Way::Other && form.order == Order::UpstreamFirst && !nothing;
        by_target.push(match logs {
            true if nothing => N::zero(),
            true if through => reduction.scaled(i, &[gap, p.clone()]) + reduction.scaled(i, &[p]),
            false if through => {
                reduction.scaled(i, &[gap]) + reduction.scaled(i, std::slice::from_ref(&p)) / p
            }
            true => reduction.scaled(i, &[p, gap + N::one()]),
            false => reduction.scaled(i, &[gap + N::one()]),
        });
    }
    let gradients = vec![("log_prediction", by_prediction), ("target", by_target)];
    answer(case, &reduction.loss(case, &terms), gradients)
}
