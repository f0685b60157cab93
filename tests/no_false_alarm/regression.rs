//! Losses of a residual, as plain loops.

use crate::form::{Form, Reduction, answer, input, optional};
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
