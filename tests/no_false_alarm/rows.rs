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
        let row = ExactRow::of(form, x);
        if smoothing == 0.0 {
            let w = &targets.weight[n];
            terms.push(w.clone() * row.surprise(t));
            for c in 0..classes {
                let local = if c == t { -row.without(c) } else { row.e[c].clone() };
                gradient.push(reduction.scaled(n, &[local / row.s.clone(), w.clone()]));
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
        let (loss, locals) = soft_row_exactly(form, x, &q);
        terms.push(loss / divisor.clone());
        let local = |local: N| reduction.scaled(n, &[local / divisor.clone()]);
        gradient.extend(locals.into_iter().map(local));
    }
    answer(case, &reduction.loss(case, &terms), vec![("logits", gradient)])
}

/// The longest row whose classes are taken in pairs: time grows with the square.
const MOST_PAIRS: usize = 100;

/// Σ q_c·(ln s − d_c) of a row, and its derivative by the logits, with nothing subtracted that a tail would be lost in.
fn soft_row_exactly<N: Number>(form: Form, x: &[N], q: &[N]) -> (N, Vec<N>) {
    let row = ExactRow::of(form, x);
    let live = (0..x.len()).filter(|&c| !q[c].is_zero());
    let loss = form.sum(&live.map(|c| q[c].clone() * row.surprise(c)).collect::<Vec<_>>());
    if x.len() > MOST_PAIRS {
        let total = form.sum(q);
        let local =
            |(e, q): (&N, &N)| (e.clone() * total.clone() - q.clone() * row.s.clone()) / row.s.clone();
        return (loss, row.e.iter().zip(q).map(local).collect());
    }
    // p·Σq − q = Σⱼ (qⱼ·e − q·eⱼ)/s, each difference by itself: they cancel.
    let local = |c: usize| {
        let difference = |j: usize| {
            let apart = x[j].clone() - x[c].clone();
            if apart.abs() < N::one() {
                row.e[c].clone() * ((q[j].clone() - q[c].clone()) - q[c].clone() * apart.expm1())
            } else {
                q[j].clone() * row.e[c].clone() - q[c].clone() * row.e[j].clone()
            }
        };
        form.sum(&(0..x.len()).map(difference).collect::<Vec<_>>()) / row.s.clone()
    };
    let gradient = (0..x.len()).map(local).collect();
    (loss, gradient)
}

/// A row's exponentials, at 300 bits.
struct ExactRow<N> {
    form: Form,
    x: Vec<N>,
    largest: N,
    e: Vec<N>,
    s: N,
}

impl<N: Number> ExactRow<N> {
    fn of(form: Form, x: &[N]) -> ExactRow<N> {
        let largest = x.iter().cloned().reduce(|a, b| a.max(&b)).expect("a class");
        let e: Vec<N> = x.iter().map(|x| (x.clone() - largest.clone()).exp()).collect();
        let s = form.sum(&e);
        ExactRow { form, x: x.to_vec(), largest, e, s }
    }

    /// Σ eᵢ over the other classes.
    fn without(&self, c: usize) -> N {
        let others = self.e.iter().enumerate().filter(|&(i, _)| i != c);
        self.form.sum(&others.map(|(_, e)| e.clone()).collect::<Vec<_>>())
    }

    /// ln s − d of a class.
    fn surprise(&self, c: usize) -> N {
        match self.x[c] == self.largest {
            true => self.without(c).ln_1p(),
            false => self.s.ln() + (self.largest.clone() - self.x[c].clone()),
        }
    }
}

pub fn nll_loss<N: Number>(case: &Case, form: Form) -> Tensors {
    let (log_probs, classes) = (input::<N>(case, "log_probs"), case.input("log_probs").shape[1]);
    let targets = targets(case, &optional::<N>(case, "class_weight"));
    let reduction = targets.reduction(case, form);
    let mut terms = Vec::new();
    let mut gradient = vec![N::zero(); log_probs.len()];
    for (n, row) in log_probs.chunks_exact(classes).enumerate() {
        let (Some(t), w) = (targets.class[n], &targets.weight[n]) else {
            terms.push(N::zero());
            continue;
        };
        terms.push(-(w.clone() * row[t].clone()));
        gradient[n * classes + t] = reduction.scaled(n, &[-w.clone()]);
    }
    answer(case, &reduction.loss(case, &terms), vec![("log_probs", gradient)])
}

/// The kernel of one row of a soft cross-entropy: the loss, its derivative by the logits, and ln s − d of each class.
type SoftRow<N> = fn(Form, &[N], &[N]) -> (N, Vec<N>, Vec<N>);

fn soft<N: Number>(case: &Case, form: Form, row: SoftRow<N>) -> Tensors {
    let (logits, target) = (input::<N>(case, "logits"), input::<N>(case, "target"));
    let shape = &case.input("logits").shape;
    let class_weight = optional::<N>(case, "class_weight");
    let reduction = Reduction::of(case, form, || N::of(shape[0] as f64));
    let (mut terms, mut by_logits, mut by_target) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..shape[0] {
        let places = n * shape[1]..(n + 1) * shape[1];
        let weigh =
            |(c, q): (usize, &N)| class_weight.as_ref().map_or(q.clone(), |w| w[c].clone() * q.clone());
        let q: Vec<N> = target[places.clone()].iter().enumerate().map(weigh).collect();
        let (loss, locals, surprises) = row(form, &logits[places], &q);
        terms.push(loss);
        by_logits.extend(locals.into_iter().map(|local| reduction.scaled(n, &[local])));
        for (c, surprise) in surprises.into_iter().enumerate() {
            by_target.push(match &class_weight {
                Some(w) => reduction.scaled(n, &[w[c].clone(), surprise]),
                None => reduction.scaled(n, &[surprise]),
            });
        }
    }
    let gradients = vec![("logits", by_logits), ("target", by_target)];
    answer(case, &reduction.loss(case, &terms), gradients)
}

pub fn cross_entropy_soft<N: Number>(case: &Case, form: Form) -> Tensors {
    soft(case, form, |form, x: &[N], q| {
        let row = look(form, x);
        let surprises: Vec<N> = row.shifted.iter().map(|d| row.ln_s.clone() - d.clone()).collect();
        let weighed =
            surprises.iter().zip(q).map(|(x, q)| if q.is_zero() { N::zero() } else { q.clone() * x.clone() });
        let loss = form.sum(&weighed.collect::<Vec<_>>());
        let total = form.sum(q);
        let local = |(p, q): (&N, &N)| p.clone() * total.clone() - q.clone();
        (loss, row.probabilities.iter().zip(q).map(local).collect(), surprises)
    })
}

pub fn cross_entropy_soft_exactly<N: Number>(case: &Case, form: Form) -> Tensors {
    soft(case, form, |form, x: &[N], q| {
        let row = ExactRow::of(form, x);
        let (loss, locals) = soft_row_exactly(form, x, q);
        (loss, locals, (0..x.len()).map(|c| row.surprise(c)).collect())
    })
}
