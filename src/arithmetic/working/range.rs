//! Overflow on the way (rule 11): which elements of which nodes leave the compute format's range, and which elements of
//! later nodes depend on one that does. Element by element, so that one row that overflows excuses no other.

use super::ball::Ball;
use super::eval::along;
use super::model::Model;
use super::norm::power_sum;
use super::views::{around, broadcast, concatenate, slice};
use crate::format::Format;
use crate::graph::{Node, Op, Power};
use std::rc::Rc;

/// Of each element of a node, whether it, or one behind it, has left the range; nothing where none has.
pub(super) type Left = Option<Rc<[bool]>>;

/// What has left the range in a node, given what has in its arguments.
pub(super) fn left(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    value: &[Ball],
    before: &[&Left],
) -> Left {
    let mut left = vec![false; value.len()];
    inherit(node, shapes, before, &mut left);
    leave(model, node, args, shapes, value, &mut left);
    left.contains(&true).then(|| left.into())
}

/// Marks the elements that depend on one that has left.
fn inherit(node: &Node, shapes: &[&[usize]], before: &[&Left], left: &mut [bool]) {
    for (at, before) in before.iter().enumerate() {
        let Some(before) = before else { continue };
        let shape = shapes[at];
        let marks: Vec<bool> = match &node.op {
            Op::Select(mask) => {
                before.iter().zip(mask.iter()).map(|(&left, &keep)| left && keep == (at == 0)).collect()
            }
            Op::Broadcast => broadcast(before, shape, &node.shape),
            Op::Slice { axis, start } => slice(before, shape, *axis, *start, node.shape[*axis]),
            Op::Concatenate { axis } => {
                let none: Vec<Vec<bool>> =
                    shapes.iter().map(|shape| vec![false; shape.iter().product()]).collect();
                let parts = none.iter().enumerate().map(|(part, none)| {
                    let marks = if part == at { &before[..] } else { &none[..] };
                    (marks, shapes[part])
                });
                concatenate(&parts.collect::<Vec<_>>(), *axis)
            }
            Op::Gather(indices) => indices.iter().map(|&i| before[i]).collect(),
            Op::ScatterAdd(indices) => {
                indices.iter().zip(before.iter()).for_each(|(&i, &mark)| left[i] |= mark);
                continue;
            }
            Op::Sum { axis } | Op::Dot { axis } | Op::MaxAxis { axis } => {
                along(shape, *axis, |mut line| line.any(|i| before[i]))
            }
            Op::MaxShare { axis } => {
                let (_, n, inner) = around(shape, *axis);
                let lines = along(shape, *axis, |mut line| line.any(|i| before[i]));
                (0..left.len()).map(|i| lines[i / (n * inner) * inner + i % inner]).collect()
            }
            op if on_rows(op) => {
                let width = shape.last().copied().unwrap_or(1).max(1);
                let each = if left.len() == before.len() { width } else { 1 };
                let rows = before.chunks(width).map(|row| row.contains(&true));
                rows.flat_map(|mark| std::iter::repeat_n(mark, each)).collect()
            }
            _ => before.to_vec(),
        };
        left.iter_mut().zip(marks).for_each(|(left, mark)| *left |= mark);
    }
}

/// Whether each element of the result depends on a whole row.
fn on_rows(op: &Op) -> bool {
    matches!(
        op,
        Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient
            | Op::Norm { .. }
            | Op::NormGradient { .. }
            | Op::Normalize
    )
}

/// Marks the elements that leave the range themselves, their arguments being inside. At a pole nothing leaves (a value
/// there is infinite). Of composite operations only those steps count on the inside that most kernels compute as they
/// stand: the power sum of a norm, the loss of a class before it is weighted, a weight times a softplus. A sum counts by
/// Σ|xᵢ|, because some order of the terms has that partial sum or nearly.
fn leave(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    value: &[Ball],
    left: &mut [bool],
) {
    let threshold = model.compute.overflow_threshold();
    let beyond = |x: f64| x.is_infinite() || x.abs() >= threshold;
    let finite = |x: &Ball| x.m.is_finite();
    match &node.op {
        Op::Sum { axis } => {
            let lines = along(shapes[0], *axis, |line| {
                let known = line.clone().all(|i| finite(&args[0][i]));
                known && beyond(line.map(|i| args[0][i].m.abs()).sum())
            });
            left.iter_mut().zip(lines).for_each(|(left, beyond)| *left |= beyond);
        }
        Op::Dot { axis } => {
            let lines = along(shapes[0], *axis, |line| {
                let known = line.clone().all(|i| finite(&args[0][i]) && finite(&args[1][i]));
                let total: f64 = line.map(|i| (args[0][i].m * args[1][i].m).abs()).sum();
                known && beyond(total)
            });
            left.iter_mut().zip(lines).for_each(|(left, beyond)| *left |= beyond);
        }
        Op::ScatterAdd(indices) => {
            let mut totals = vec![0.0; value.len()];
            let mut known = vec![true; value.len()];
            for (&i, x) in indices.iter().zip(args[0]) {
                totals[i] += x.m.abs();
                known[i] &= finite(x);
            }
            for (i, left) in left.iter_mut().enumerate() {
                *left |= known[i] && beyond(totals[i]);
            }
        }
        Op::Norm { p, .. } | Op::NormGradient { p, .. } => power_sums(args, shapes, p.power(), beyond, left),
        Op::Normalize => power_sums(args, shapes, Power::Finite(2.0), beyond, left),
        Op::CrossEntropy(_) | Op::LogSoftmax | Op::SoftCrossEntropyGradient => {
            // −∞ is a logit like any other; a loss that is infinite for another reason has it at the target.
            for (left, y) in left.iter_mut().zip(value) {
                *left |= y.m.is_finite() && beyond(y.m);
            }
            if model.compute == Format::F64 {
                unbounded_rows(args, value, left);
            }
        }
        Op::SoftCrossEntropy => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let rows = args[0].chunks(width).zip(args[1].chunks(width));
            for ((left, (x, q)), y) in left.iter_mut().zip(rows).zip(value) {
                // ln Σ exp is the largest logit, as far as the range goes.
                let largest = x.iter().map(|x| x.m).fold(f64::NEG_INFINITY, f64::max);
                let live = x.iter().zip(q).filter(|(x, q)| finite(x) && !q.is_zero());
                *left |= live.into_iter().any(|(x, _)| largest.is_finite() && beyond(largest - x.m))
                    || y.m.is_finite() && beyond(y.m);
            }
        }
        // Poles, and values that are arguments or lie between fixed bounds.
        Op::Ln | Op::Ln1p => {}
        Op::Pow(p) if p.get() < 0.0 => {
            for ((left, y), x) in left.iter_mut().zip(value).zip(args[0]) {
                *left |= x.m != 0.0 && finite(x) && beyond(y.m);
            }
        }
        Op::Xlogy => {
            for (i, (left, y)) in left.iter_mut().zip(value).enumerate() {
                *left |= finite(&args[0][i]) && finite(&args[1][i]) && args[1][i].m != 0.0 && beyond(y.m);
            }
        }
        Op::BceWithLogitsWeighted | Op::SoftplusGap => {
            let weight = args[args.len() - 1];
            for (i, (left, y)) in left.iter_mut().zip(value).enumerate() {
                let known = args.iter().all(|arg| finite(&arg[i]));
                // softplus(−z) is −z, as far as the range goes.
                *left |= known && (beyond(y.m) || beyond(weight[i].m * (-args[0][i].m).max(1.0)));
            }
        }
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Div
        | Op::Exp
        | Op::Expm1
        | Op::Expm1Minus
        | Op::Pow(_)
        | Op::BceWithLogits
        | Op::SigmoidMinusWeighted => {
            for (i, (left, y)) in left.iter_mut().zip(value).enumerate() {
                *left |= beyond(y.m) && args.iter().all(|arg| finite(&arg[i]));
            }
        }
        _ => {}
    }
}

/// Marks rows whose power sum is beyond the range.
fn power_sums(
    args: &[&[Ball]],
    shapes: &[&[usize]],
    power: Power,
    beyond: impl Fn(f64) -> bool,
    left: &mut [bool],
) {
    let width = shapes[0].last().copied().unwrap_or(1).max(1);
    let each = if left.len() == args[0].len() { width } else { 1 };
    for (row, left) in args[0].chunks(width).zip(left.chunks_mut(each)) {
        if row.iter().all(|x| x.m.is_finite()) && beyond(power_sum(row, power)) {
            left.fill(true);
        }
    }
}

/// Marks infinite values whose arguments are finite, where the midpoints have no more range than the machine.
fn unbounded_rows(args: &[&[Ball]], value: &[Ball], left: &mut [bool]) {
    let width = (args[0].len() / left.len().max(1)).max(1);
    let all_finite = |row: usize| {
        let row = row * width..(row + 1) * width;
        args.iter().all(|arg| arg[row.clone()].iter().all(|x| x.m.is_finite()))
    };
    for (i, (left, y)) in left.iter_mut().zip(value).enumerate() {
        *left |= y.m.is_infinite() && all_finite(i);
    }
}

#[cfg(test)]
mod tests {
    use crate::case::{Case, Tensors};
    use crate::format::Format;
    use crate::judge::Machine;
    use crate::loss::Params;
    use crate::tensor::Tensor;

    const BIG: f64 = 1.5e38f32 as f64;

    fn tensor(format: Format, shape: &[usize], values: &[f64]) -> Tensor {
        Tensor::float(format, shape, values.iter().map(|&x| format.round(x)).collect())
    }

    fn case(loss: &str, format: Format, params: Params, inputs: Vec<(&str, Tensor)>) -> Case {
        let inputs: Tensors = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Case::new(loss, format, params, inputs).unwrap()
    }

    /// Of each output its elements that overflow on the way.
    fn on_the_way(case: &Case) -> Vec<Vec<bool>> {
        let verified = crate::oracle::verify(case, &Machine::of(case.format)).unwrap();
        verified.tolerances.into_iter().map(|tolerance| tolerance.overflows_on_the_way).collect()
    }

    fn residual(loss: &str, format: Format, reduction: &str, prediction: &[f64]) -> Vec<Vec<bool>> {
        let shape = [prediction.len()];
        let zeros = vec![0.0; prediction.len()];
        let inputs = vec![
            ("prediction", tensor(format, &shape, prediction)),
            ("target", tensor(format, &shape, &zeros)),
        ];
        on_the_way(&case(loss, format, Params::default().with("reduction", reduction), inputs))
    }

    #[test]
    fn overflow_on_the_way_is_told_from_overflow_at_the_end() {
        // Σ leaves the range, the mean does not; the gradients know nothing of the sum.
        let mae = residual("mae", Format::F32, "mean", &[BIG; 4]);
        assert_eq!(mae, [vec![true], vec![false; 4], vec![false; 4]]);
        let at_end = residual("mae", Format::F32, "sum", &[BIG; 4]);
        assert!(at_end.iter().flatten().all(|&left| !left));
        assert!(residual("mae", Format::F32, "mean", &[BIG]).iter().flatten().all(|&left| !left));
        // The square leaves the range and stays outside.
        assert!(residual("mse", Format::F32, "mean", &[BIG]).iter().flatten().all(|&left| !left));
        // The same at the end of the f64 range, where the midpoints have no more of it than the machine.
        let mae = residual("mae", Format::F64, "mean", &[1e308; 4]);
        assert_eq!(mae[0], [true]);
    }

    #[test]
    fn an_element_is_excused_by_what_it_depends_on_alone() {
        // 2r leaves the range, 2r/n does not.
        let mse = residual("mse", Format::F32, "mean", &[2.0 * BIG, 1.0, 1e-20, 5.0]);
        assert_eq!(mse[1], [true, false, false, false]);
        // One row of two.
        let embedding = |x: f64| tensor(Format::F32, &[2, 2], &[x, 1.0, 1.0, 1.0]);
        let triplet = |x: f64| {
            let none = Params::default().with("reduction", "none");
            let inputs =
                vec![("anchor", embedding(x)), ("positive", embedding(0.0)), ("negative", embedding(-1.0))];
            on_the_way(&case("triplet_margin", Format::F32, none, inputs))
        };
        for (output, elements) in triplet(1e20).iter().enumerate() {
            let row = elements.len() / 2;
            assert!(elements[..row].iter().all(|&left| left), "{output}: {elements:?}");
            assert!(elements[row..].iter().all(|&left| !left), "{output}: {elements:?}");
        }
        assert!(triplet(1e10).iter().flatten().all(|&left| !left));
    }

    #[test]
    fn a_class_whose_loss_is_beyond_the_range_counts_before_it_is_weighted() {
        let logits = tensor(Format::F32, &[1, 2], &[2.0 * BIG, -2.0 * BIG]);
        let smoothed = |smoothing: f64| {
            let inputs = vec![("logits", logits.clone()), ("target", Tensor::i64(&[1], vec![0]))];
            let params = Params::default().with("label_smoothing", smoothing);
            on_the_way(&case("cross_entropy", Format::F32, params, inputs))
        };
        assert_eq!(smoothed(0.125), [vec![true], vec![false; 2]]);
        assert_eq!(smoothed(0.0), [vec![false], vec![false; 2]]);
    }
}
