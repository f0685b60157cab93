//! What gradients add up to (a loss that does not see a shift has gradients that sum to 0; Euler's theorem of homogeneous
//! functions), and what reductions add up to.

use crate::helpers::*;
use crate::invariance::RESIDUALS;
use crate::reals::{self, Real, numbers};
use lossproof::case::Case;
use lossproof::loss::{Domain, LossEntry};
use lossproof::tensor::Tensor;
use lossproof::truth::Truth;

#[test]
fn the_gradient_of_a_row_of_logits_sums_to_nothing() {
    holds(&["cross_entropy", "cross_entropy_soft"], |case| {
        let Some(gradient) = numbers(&reals::prove(case), "grad.logits") else { return Ok(0) };
        let classes = case.input("logits").shape[1];
        for (row, entries) in gradient.chunks(classes).enumerate() {
            let sum = Real::sum(entries);
            if !sum.may_be_zero() {
                return Err(format!("row {row} sums to {sum:?}"));
            }
        }
        Ok(gradient.len())
    });
}

#[test]
fn the_gradients_by_both_sides_of_a_residual_are_opposite() {
    for (loss, [x, y]) in RESIDUALS {
        holds(&[loss], |case| {
            let truths = prove(case);
            let of = |name: &str| output(&truths, &format!("grad.{name}")).ok_or("no such gradient");
            let expected: Vec<Truth> = of(x)?.elements.iter().map(negated).collect();
            same_elements(y, &of(y)?.elements, &expected)
        });
    }
}

#[test]
fn the_gradients_by_the_three_points_sum_to_nothing() {
    holds(&["triplet_margin"], |case| {
        let outputs = reals::prove(case);
        let mut compared = 0;
        for at in 0..case.input("anchor").len() {
            // A kink is one choice for all three, of which each set shows all.
            if outputs[1..].iter().any(|output| output.is_set[at]) {
                continue;
            }
            let entries: Option<Vec<Real>> =
                outputs[1..].iter().map(|output| output.elements[at].clone()).collect();
            let sum = Real::sum(&entries.ok_or("an undefined gradient")?);
            if !sum.may_be_zero() {
                return Err(format!("coordinate {at} sums to {sum:?}"));
            }
            compared += 3;
        }
        Ok(compared)
    });
}

/// Σᵢ xᵢ·gᵢ.
fn inner(x: &[f64], gradient: &[Real]) -> Real {
    let products: Vec<Real> = x.iter().zip(gradient).map(|(&x, g)| Real::of(x).times(g)).collect();
    Real::sum(&products)
}

#[test]
fn homogeneous_losses_follow_euler() {
    let degrees: [(&str, &[&str], f64); 3] = [
        ("mse", &["prediction", "target"], 2.0),
        ("mae", &["prediction", "target"], 1.0),
        ("triplet_margin", &["anchor", "positive", "negative"], 1.0),
    ];
    for (loss, names, degree) in degrees {
        holds(&[loss], |case| {
            let vectors = loss == "triplet_margin";
            let case = match vectors {
                true => with(case, &[("margin", 0.0.into()), ("epsilon", 0.0.into())]).ok_or("not valid")?,
                false => case.clone(),
            };
            let outputs = reals::prove(&case);
            let Some(values) = numbers(&outputs, "loss") else { return Ok(0) };
            let mut sides = Vec::new();
            for name in names {
                let Some(gradient) = numbers(&outputs, &format!("grad.{name}")) else { return Ok(0) };
                sides.push(inner(case.input(name).floats(), &gradient));
            }
            let expected = inner(case.upstream.floats(), &values).times(&Real::of(degree));
            reals::meet("Euler's sum", &[Real::sum(&sides)], &[expected])
        });
    }
}

#[test]
fn the_gradient_of_a_cosine_is_tangential() {
    holds(&["cosine_embedding"], |case| {
        let case = with(case, &[("epsilon", 0.0.into())]).ok_or("not valid")?;
        let (outputs, width) = (reals::prove(&case), case.input("x1").shape[1]);
        let mut compared = 0;
        for name in ["x1", "x2"] {
            let Some(gradient) = numbers(&outputs, &format!("grad.{name}")) else { continue };
            for (x, gradient) in case.input(name).floats().chunks(width).zip(gradient.chunks(width)) {
                let along = inner(x, gradient);
                if !along.may_be_zero() {
                    return Err(format!("{name}: a gradient of {along:?} along the vector"));
                }
                compared += width;
            }
        }
        Ok(compared)
    });
}

/// The case with a reduction and a scalar or unreduced upstream of one number.
fn reduced(case: &Case, reduction: &str, upstream: f64) -> Result<Case, String> {
    let mut reduced = case.clone();
    reduced.params.set("reduction", reduction);
    let shape = case.entry().expect("a loss of the catalogue").loss_shape(&reduced.params, &case.inputs);
    reduced.upstream = Tensor::full(case.format, &shape, upstream);
    reduced.checked().map_err(|error| error.to_string())
}

#[test]
fn a_sum_is_the_sum_of_the_unreduced_loss() {
    holds(&losses(|_| true), |case| {
        let (unreduced, sum) = (reduced(case, "none", -1.5)?, reduced(case, "sum", -1.5)?);
        // One upstream for all: the gradients are the same in the reals, bit for bit.
        let (each, all) = (prove(&unreduced), prove(&sum));
        let mut compared = same_outputs(&all[1..], &each[1..])?;
        let (each, all) = (reals::prove(&unreduced), reals::prove(&sum));
        if let (Some(each), Some(all)) = (numbers(&each, "loss"), numbers(&all, "loss")) {
            compared += reals::meet("loss", &all, &[Real::sum(&each)])?;
        }
        Ok(compared)
    });
}

#[test]
fn a_mean_times_its_divisor_is_the_sum() {
    // With classes it divides by the sum of their weights.
    let has_no_classes =
        |entry: &dyn LossEntry| entry.spec().inputs.iter().all(|input| input.domain != Domain::Class);
    holds(&losses(has_no_classes), |case| {
        let by_weight = case.params.text("mean_over") == "weight";
        let (unreduced, sum) = (reduced(case, "none", 1.0)?, reduced(case, "sum", 1.0)?);
        if by_weight || unreduced.upstream.is_empty() {
            return Ok(0);
        }
        let divisor = Real::of(unreduced.upstream.len() as f64);
        let (mean, sum) = (reals::prove(&reduced(case, "mean", 1.0)?), reals::prove(&sum));
        let mut compared = 0;
        for (mean, sum) in mean.iter().zip(&sum) {
            let (Some(means), Some(sums)) = (mean.numbers(), sum.numbers()) else { continue };
            let times: Vec<Real> = means.iter().map(|x| x.times(&divisor)).collect();
            compared += reals::meet(&mean.name, &times, &sums)?;
        }
        Ok(compared)
    });
}
