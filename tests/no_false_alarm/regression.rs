//! Losses of a residual, as plain loops.

use crate::form::{Form, Reduction, Way, answer, input, number, optional};
use crate::number::Number;
use lossproof::case::{Case, Tensors};

/// A loss of the residual and its derivative.
type Term<N> = fn(&Case, Form, N) -> (N, N);

fn pointwise<N: Number>(case: &Case, form: Form, term: Term<N>) -> Tensors {
    let (x, y) = (input::<N>(case, "prediction"), input::<N>(case, "target"));
    let weight = optional::<N>(case, "weight");
    let divisor = || match &weight {
        Some(weight) if case.params.text("mean_over") == "weight" => form.sum(weight),
        _ => N::of(x.len() as f64),
    };
    let reduction = Reduction::of(case, form, divisor);
    let mut terms = Vec::new();
    let mut gradient = Vec::new();
    for (i, (x, y)) in x.iter().zip(&y).enumerate() {
        let (value, derivative) = term(case, form, x.clone() - y.clone());
        match &weight {
            Some(w) => {
                terms.push(w[i].clone() * value);
                gradient.push(reduction.scaled(i, &[w[i].clone(), derivative]));
            }
            None => {
                terms.push(value);
                gradient.push(reduction.scaled(i, &[derivative]));
            }
        }
    }
    let negative = gradient.iter().map(|x| -x.clone()).collect();
    answer(case, &reduction.loss(case, &terms), vec![("prediction", gradient), ("target", negative)])
}

pub fn mse<N: Number>(case: &Case, form: Form) -> Tensors {
    pointwise(case, form, |_, _, r: N| (r.clone() * r.clone(), N::of(2.0) * r))
}

pub fn mae<N: Number>(case: &Case, form: Form) -> Tensors {
    pointwise(case, form, |_, _, r: N| (r.abs(), r.sign()))
}

pub fn huber<N: Number>(case: &Case, form: Form) -> Tensors {
    pointwise(case, form, |case, form, r: N| {
        let (a, delta, half) = (r.abs(), number::<N>(case, "delta"), N::of(0.5));
        let inside = a <= delta;
        let value = match form.way {
            Way::Usual if inside => half * a.clone() * a,
            Way::Usual => delta.clone() * (a - half * delta.clone()),
            Way::Other => {
                let q = if inside { a.clone() } else { delta.clone() };
                half * q.clone() * q.clone() + delta.clone() * (a - q)
            }
        };
        (value, if inside { r } else { r.sign() * delta })
    })
}

pub fn smooth_l1<N: Number>(case: &Case, form: Form) -> Tensors {
    pointwise(case, form, |case, _, r: N| {
        let (a, beta, half) = (r.abs(), number::<N>(case, "beta"), N::of(0.5));
        if a < beta { (half * a.clone() * a / beta.clone(), r / beta) } else { (a - half * beta, r.sign()) }
    })
}

pub fn log_cosh<N: Number>(case: &Case, form: Form) -> Tensors {
    pointwise(case, form, |_, _, r: N| {
        let (a, two) = (r.abs(), N::of(2.0));
        let decay = -(two.clone() * a.clone());
        let value = if a < N::of(0.5) {
            // cosh r − 1 = e²/(2 + 2e) with e = e^|r| − 1.
            let e = a.expm1();
            (e.clone() * e.clone() / (two.clone() * (N::one() + e))).ln_1p()
        } else {
            a + decay.exp().ln_1p() - N::ln_2()
        };
        let lacking = decay.expm1();
        (value, r.sign() * (-lacking.clone() / (two + lacking)))
    })
}
