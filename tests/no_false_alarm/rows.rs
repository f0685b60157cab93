//! Losses of rows of scores against classes, as plain loops.

use crate::form::{Form, Reduction, Softmax, Way, answer, input, optional};
use crate::number::Number;
use lossproof::case::{Case, Tensors};

/// Classes in one tile of an online softmax.
const TILE: usize = 64;

/// log₂ e.
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// A row's softmax and what the loss needs of it.
struct Row<N> {
    /// xᵢ − max.
    shifted: Vec<N>,
    probabilities: Vec<N>,
    ln_s: N,
}

fn look<N: Number>(form: Form, row: &[N]) -> Row<N> {
    let largest = row.iter().cloned().reduce(|a, b| a.max(&b)).expect("a class");
    let shifted: Vec<N> = row.iter().map(|x| x.clone() - largest.clone()).collect();
    let exponential = |d: &N| match form.softmax {
        Softmax::BaseTwo => (d.clone() * N::of(LOG2_E)).exp2(),
        _ => d.exp(),
    };
    let exps: Vec<N> = shifted.iter().map(exponential).collect();
    let s = if form.softmax == Softmax::Online { online(form, row) } else { form.sum(&exps) };
    let ln_s = s.ln();
    let probabilities = shifted.iter().zip(exps).map(|(d, e)| match form.softmax {
        Softmax::LogProbability => (d.clone() - ln_s.clone()).exp(),
        _ => e / s.clone(),
    });
    Row { probabilities: probabilities.collect(), shifted, ln_s }
}

/// Σ exp(xᵢ − max), tile by tile. A tile of −∞ alone adds nothing.
fn online<N: Number>(form: Form, row: &[N]) -> N {
    let minus_infinity = N::of(f64::NEG_INFINITY);
    let (mut largest, mut s) = (minus_infinity.clone(), N::zero());
    for tile in row.chunks(TILE) {
        let top = tile.iter().cloned().reduce(|a, b| a.max(&b)).expect("a class").max(&largest);
        if top == minus_infinity {
            continue;
        }
        let exps: Vec<N> = tile.iter().map(|x| (x.clone() - top.clone()).exp()).collect();
        s = s * (largest - top.clone()).exp() + form.sum(&exps);
        largest = top;
    }
    s
}

/// The targets of a case with smoothing: what each class of a row weighs.
fn smoothed<N: Number>(case: &Case, classes: usize, target: usize, weight: &Option<Vec<N>>) -> Vec<N> {
    let epsilon = N::of(case.params.number("label_smoothing").expect("a number"));
    let over_k = case.params.text("smoothing_form") == "over_k";
    let share = epsilon.clone() / N::of((classes - usize::from(!over_k)) as f64);
    let q = (0..classes).map(|c| {
        let q = match (c == target, over_k) {
            (true, true) => (N::one() - epsilon.clone()) + share.clone(),
            (true, false) => N::one() - epsilon.clone(),
            (false, _) => share.clone(),
        };
        if let Some(w) = weight { w[c].clone() * q } else { q }
    });
    q.collect()
}

/// What the rows of a case share: which are kept, their classes and weights.
struct Targets<N> {
    /// The class of each row; none for an ignored one.
    class: Vec<Option<usize>>,
    /// The weight of each row's class.
    weight: Vec<N>,
}

fn targets<N: Number>(case: &Case, class_weight: &Option<Vec<N>>) -> Targets<N> {
    let ignored = case.params.integer("ignore_index");
    let targets = case.input("target").integers();
    let class: Vec<Option<usize>> =
        targets.iter().map(|&t| (Some(t) != ignored).then_some(t as usize)).collect();
    let weight = class.iter().map(|class| match (class, class_weight) {
        (Some(t), Some(w)) => w[*t].clone(),
        _ => N::one(),
    });
    Targets { weight: weight.collect(), class }
}

impl<N: Number> Targets<N> {
    fn reduction(&self, case: &Case, form: Form) -> Reduction<N> {
        let kept = self.class.iter().zip(&self.weight).filter(|(class, _)| class.is_some());
        let kept: Vec<N> = kept.map(|(_, w)| w.clone()).collect();
        Reduction::of(case, form, || form.sum(&kept))
    }
}

pub fn cross_entropy<N: Number>(case: &Case, form: Form) -> Tensors {
    let (logits, classes) = (input::<N>(case, "logits"), case.input("logits").shape[1]);
    let class_weight = optional::<N>(case, "class_weight");
    let smoothing = case.params.number("label_smoothing").is_some_and(|epsilon| epsilon > 0.0);
    let targets = targets(case, &class_weight);
    let reduction = targets.reduction(case, form);
    let (mut terms, mut gradient) = (Vec::new(), Vec::new());
    for (n, logits) in logits.chunks_exact(classes).enumerate() {
        let Some(t) = targets.class[n] else {
            terms.push(N::zero());
            gradient.extend((0..classes).map(|_| N::zero()));
            continue;
        };
        let row = look(form, logits);
        let surprise = |c: usize| row.ln_s.clone() - row.shifted[c].clone();
        if !smoothing {
            let w = &targets.weight[n];
            terms.push(w.clone() * surprise(t));
            for (c, p) in row.probabilities.iter().enumerate() {
                let local = if c == t { p.clone() - N::one() } else { p.clone() };
                gradient.push(reduction.scaled(n, &[w.clone(), local]));
            }
            continue;
        }
        let q = smoothed(case, classes, t, &class_weight);
        let weighed = |c: usize| {
            if q[c].is_zero() { N::zero() } else { q[c].clone() * surprise(c) }
        };
        terms.push(match form.way {
            Way::Usual => form.sum(&(0..classes).map(weighed).collect::<Vec<_>>()),
            // The target's part and the part that is spread, apart.
            Way::Other => {
                let others: Vec<N> = (0..classes).filter(|&c| c != t).map(weighed).collect();
                weighed(t) + form.sum(&others)
            }
        });
        let total = form.sum(&q);
        for (p, q) in row.probabilities.iter().zip(&q) {
            gradient.push(reduction.scaled(n, &[p.clone() * total.clone() - q.clone()]));
        }
    }
    answer(case, &reduction.loss(case, &terms), vec![("logits", gradient)])
}

/// At 300 bits: the tail of a confident row is summed by itself, and what may cancel to exactly 0 is divided last.
pub fn cross_entropy_exactly<N: Number>(case: &Case, form: Form) -> Tensors {
    let (logits, classes) = (input::<N>(case, "logits"), case.input("logits").shape[1]);
    let class_weight = optional::<N>(case, "class_weight");
    let smoothing = case.params.number("label_smoothing").expect("a number");
    let over_k = case.params.text("smoothing_form") == "over_k";
    let targets = targets(case, &class_weight);
    let reduction = targets.reduction(case, form);
    let (mut terms, mut gradient) = (Vec::new(), Vec::new());
    for (n, x) in logits.chunks_exact(classes).enumerate() {
        let Some(t) = targets.class[n] else {
            terms.push(N::zero());
            gradient.extend((0..classes).map(|_| N::zero()));
            continue;
        };
        let largest = x.iter().cloned().reduce(|a, b| a.max(&b)).expect("a class");
        let e: Vec<N> = x.iter().map(|x| (x.clone() - largest.clone()).exp()).collect();
        let s = form.sum(&e);
        let without = |c: usize| {
            let others: Vec<N> =
                e.iter().enumerate().filter(|&(i, _)| i != c).map(|(_, e)| e.clone()).collect();
            form.sum(&others)
        };
        let surprise = |c: usize| match x[c] == largest {
            true => without(c).ln_1p(),
            false => s.ln() + (largest.clone() - x[c].clone()),
        };
        if smoothing == 0.0 {
            let w = &targets.weight[n];
            terms.push(w.clone() * surprise(t));
            for c in 0..classes {
                let local = if c == t { -without(c) } else { e[c].clone() };
                gradient.push(reduction.scaled(n, &[local / s.clone(), w.clone()]));
            }
            continue;
        }
        // Times the divisor, the targets are exact.
        let divisor = N::of((classes - usize::from(!over_k)) as f64);
        let epsilon = N::of(smoothing);
        let at_target = divisor.clone() * (N::one() - epsilon.clone());
        let at_target = if over_k { at_target + epsilon.clone() } else { at_target };
        let q: Vec<N> = (0..classes)
            .map(|c| {
                let q = if c == t { at_target.clone() } else { epsilon.clone() };
                class_weight.as_ref().map_or(q.clone(), |w| w[c].clone() * q)
            })
            .collect();
        let weighed: Vec<N> =
            (0..classes).filter(|&c| !q[c].is_zero()).map(|c| q[c].clone() * surprise(c)).collect();
        terms.push(form.sum(&weighed) / divisor.clone());
        // p·Σq − q = Σⱼ (qⱼ·e − q·eⱼ)/s, each difference by itself: they cancel.
        for c in 0..classes {
            let difference = |j: usize| {
                let apart = x[j].clone() - x[c].clone();
                if apart.abs() < N::one() {
                    e[c].clone() * ((q[j].clone() - q[c].clone()) - q[c].clone() * apart.expm1())
                } else {
                    q[j].clone() * e[c].clone() - q[c].clone() * e[j].clone()
                }
            };
            let differences: Vec<N> = (0..classes).map(difference).collect();
            let local = form.sum(&differences) / s.clone() / divisor.clone();
            gradient.push(reduction.scaled(n, &[local]));
        }
    }
    answer(case, &reduction.loss(case, &terms), vec![("logits", gradient)])
}
