//! Overflow on the way (rule 11): which elements of which nodes leave the compute format's range, and which elements of
//! later nodes depend on one that does. Element by element, so that one row that overflows excuses no other.

use super::ball::Ball;
use super::eval::along;
use super::model::Model;
use super::norm::power_sum;
use super::sum::Sides;
use super::views::{around, broadcast, concatenate, slice};
use crate::format::Format;
use crate::graph::{Node, Op, Power};
use std::rc::Rc;

/// An element, or one behind it, has left the range.
pub(super) const LEFT: u8 = 1;
/// Two that have left it on opposite sides meet in a sum, or one meets a 0, on the way to this element: kernels have NaN
/// there.
pub(super) const MET: u8 = 2;

/// Of each element of a node what has happened on the way to it; nothing where nothing has.
pub(super) type Left = Option<Rc<[u8]>>;

/// What has left the range in a node, given what has in its arguments, and in some order of its factors: of each element, or
/// nothing.
pub(super) fn left(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    value: &[Ball],
    in_some_order: &[u8],
    before: &[&Left],
) -> Left {
    let mut left = vec![0; value.len()];
    if before.iter().any(|before| before.is_some()) {
        inherit(node, shapes, before, &mut left);
    }
    meet(model.compute.overflow_threshold(), node, args, shapes, before, &mut left);
    let mut leaving = vec![false; value.len()];
    leave(model, node, args, shapes, value, &mut leaving);
    left.iter_mut().zip(in_some_order).for_each(|(left, mark)| *left |= mark);
    left.iter_mut().zip(leaving).for_each(|(left, leaves)| *left |= if leaves { LEFT } else { 0 });
    left.iter().any(|&left| left != 0).then(|| left.into())
}

/// Marks the elements that depend on a marked one.
fn inherit(node: &Node, shapes: &[&[usize]], before: &[&Left], left: &mut [u8]) {
    for (at, before) in before.iter().enumerate() {
        let Some(before) = before else { continue };
        let shape = shapes[at];
        let marks: Vec<u8> = match &node.op {
            Op::Select(mask) => {
                let chosen = before.iter().zip(mask.iter());
                chosen.map(|(&left, &keep)| if keep == (at == 0) { left } else { 0 }).collect()
            }
            Op::Broadcast => broadcast(before, shape, &node.shape),
            Op::Slice { axis, start } => slice(before, shape, *axis, *start, node.shape[*axis]),
            Op::Concatenate { axis } => {
                let none: Vec<Vec<u8>> = shapes.iter().map(|shape| vec![0; shape.iter().product()]).collect();
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
                along(shape, *axis, |line| line.fold(0, |all, i| all | before[i]))
            }
            Op::MaxShare { axis } => {
                let (_, n, inner) = around(shape, *axis);
                let lines = along(shape, *axis, |line| line.fold(0, |all, i| all | before[i]));
                (0..left.len()).map(|i| lines[i / (n * inner) * inner + i % inner]).collect()
            }
            op if op.is_on_rows() => {
                let width = shape.last().copied().unwrap_or(1).max(1);
                let each = if left.len() == before.len() { width } else { 1 };
                let rows = before.chunks(width).map(|row| row.iter().fold(0, |all, mark| all | mark));
                rows.flat_map(|mark| std::iter::repeat_n(mark, each)).collect()
            }
            _ => before.to_vec(),
        };
        left.iter_mut().zip(marks).for_each(|(left, mark)| *left |= mark);
    }
}

/// Marks sums in which terms that have left the range on opposite sides meet, and rows in which one meets a 0.
fn meet(
    threshold: f64,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    before: &[&Left],
    left: &mut [u8],
) {
    /// On which sides a term has left.
    fn side(before: &Left, i: usize, x: f64) -> u8 {
        let has_left = before.as_ref().is_some_and(|before| before[i] & LEFT != 0);
        if has_left { if x < 0.0 { 1 } else { 2 } } else { 0 }
    }
    let (x, both) = (args.first().copied().unwrap_or(&[]), 3);
    match &node.op {
        Op::Add | Op::Sub => {
            let sign = if node.op == Op::Sub { -1.0 } else { 1.0 };
            for (i, left) in left.iter_mut().enumerate() {
                let sides = side(before[0], i, x[i].m) | side(before[1], i, sign * args[1][i].m);
                *left |= if sides == both { MET } else { 0 };
            }
        }
        Op::Sum { axis } => {
            let lines =
                along(shapes[0], *axis, |line| line.fold(0, |all, i| all | side(before[0], i, x[i].m)));
            left.iter_mut().zip(lines).for_each(|(left, sides)| *left |= if sides == both { MET } else { 0 });
        }
        Op::SoftCrossEntropy | Op::SoftCrossEntropyGradient => {
            // An infinite weight times a loss or a probability that is 0, and by the logits Σq times one.
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let gradient = matches!(node.op, Op::SoftCrossEntropyGradient);
            let each = if gradient { width } else { 1 };
            for (n, (row, left)) in args[1].chunks(width).zip(left.chunks_mut(each)).enumerate() {
                let infinite = (0..row.len()).any(|c| side(before[1], n * width + c, 1.0) != 0);
                let total: f64 = row.iter().map(|q| q.m.abs()).sum();
                // Nor has a class of weight 0 a loss of 0, where the loss has left the range: 0·∞.
                let x_row = &x[n * width..(n + 1) * width];
                let largest = x_row.iter().map(|x| x.m).fold(f64::NEG_INFINITY, f64::max);
                let far =
                    |(x, q): (&Ball, &Ball)| q.is_zero() && x.m.is_finite() && largest - x.m >= threshold;
                let meets_zero = !gradient && largest.is_finite() && x_row.iter().zip(row).any(far);
                if infinite || meets_zero || gradient && total >= threshold {
                    left.iter_mut().for_each(|left| *left |= LEFT | MET);
                }
            }
        }
        _ => {}
    }
}

/// Opens the choice between two that have both left the range: a kernel compares infinities.
pub(super) fn open_choices(node: &Node, before: &[&Left], value: &mut [Ball]) {
    if let (Op::TieShare, [Some(a), Some(b)]) = (&node.op, before) {
        for (i, share) in value.iter_mut().enumerate() {
            if a[i] & b[i] & LEFT != 0 {
                *share = Ball::new(share.m, 1.0);
            }
        }
    }
}

/// Marks the elements that leave the range themselves, their arguments being inside. At a pole nothing leaves (a value
/// there is infinite). Of composite operations only those steps count on the inside that most kernels compute as they
/// stand: the power sum of a norm, the square of smooth_l1, the loss of a class before it is weighted, a weight times a
/// softplus, the focal γ times the loss. A sum counts by its positive and by its negative terms, which some order of the terms adds first.
/// No partial sum of any order is larger.
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
                known && beyond(Sides::of(line.map(|i| args[0][i].m)).largest())
            });
            left.iter_mut().zip(lines).for_each(|(left, beyond)| *left |= beyond);
        }
        Op::Dot { axis } => {
            let lines = along(shapes[0], *axis, |line| {
                let known = line.clone().all(|i| finite(&args[0][i]) && finite(&args[1][i]));
                known && beyond(Sides::of(line.map(|i| args[0][i].m * args[1][i].m)).largest())
            });
            left.iter_mut().zip(lines).for_each(|(left, beyond)| *left |= beyond);
        }
        Op::ScatterAdd(indices) => {
            let mut totals = vec![Sides::default(); value.len()];
            let mut known = vec![true; value.len()];
            for (&i, x) in indices.iter().zip(args[0]) {
                totals[i].push(x.m);
                known[i] &= finite(x);
            }
            for (i, left) in left.iter_mut().enumerate() {
                *left |= known[i] && beyond(totals[i].largest());
            }
        }
        Op::Norm { p, .. } | Op::NormGradient { p, .. } => power_sums(args, shapes, p.power(), beyond, left),
        Op::Normalize => power_sums(args, shapes, Power::Finite(2.0), beyond, left),
        // The product of the squared norms is what kernels take one root of.
        Op::Cosine { .. } | Op::CosineGradient { .. } => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let each = left.len() / (args[0].len() / width).max(1);
            for (at, (x, y)) in args[0].chunks(width).zip(args[1].chunks(width)).enumerate() {
                let sums = [x, y].map(|row| power_sum(row, Power::Finite(2.0)));
                if x.iter().chain(y).all(finite)
                    && (beyond(sums[0] * sums[1]) || sums.into_iter().any(beyond))
                {
                    left[at * each..(at + 1) * each].fill(true);
                }
            }
        }
        Op::CrossEntropy(_) | Op::LogSoftmax | Op::SoftCrossEntropyGradient => {
            // −∞ is a logit like any other; a loss that is infinite for another reason has it at the target.
            for (left, y) in left.iter_mut().zip(value) {
                *left |= y.m.is_finite() && beyond(y.m);
            }
            if model.compute == Format::F64 {
                unbounded_classes(node, args, value, left);
            }
            if node.op == Op::SoftCrossEntropyGradient {
                // Σq before softmax takes its part.
                let width = shapes[0].last().copied().unwrap_or(1).max(1);
                for (q, left) in args[1].chunks(width).zip(left.chunks_mut(width)) {
                    if q.iter().all(finite) && beyond(q.iter().map(|q| q.m.abs()).sum()) {
                        left.fill(true);
                    }
                }
            }
        }
        Op::SoftCrossEntropy => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let rows = args[0].chunks(width).zip(args[1].chunks(width));
            for ((left, (x, q)), y) in left.iter_mut().zip(rows).zip(value) {
                // ln Σ exp is the largest logit, as far as the range goes.
                let largest = x.iter().map(|x| x.m).fold(f64::NEG_INFINITY, f64::max);
                // An excluded class that weighs something makes it infinite, and nothing leaves.
                let mut weighing = x.iter().zip(q).filter(|(_, q)| !q.is_zero());
                let known = largest.is_finite() && weighing.all(|(x, q)| finite(x) && finite(q));
                // A class of weight 0 leaves the range like any other: 0·∞.
                let mut classes = x.iter().filter(|x| finite(x));
                *left |= known && (beyond(y.m) || classes.any(|x| beyond(largest - x.m)));
            }
        }
        Op::SmoothL1(beta) => {
            for (left, &x) in left.iter_mut().zip(args[0]) {
                *left |= model.smooth_l1_leaves_range(x, beta.get());
            }
        }
        // Poles, and values that are arguments or lie between fixed bounds.
        Op::Ln | Op::Ln1p => {}
        Op::Pow(p) if p.get() < 0.0 => {
            for ((left, y), x) in left.iter_mut().zip(value).zip(args[0]) {
                *left |= x.m != 0.0 && finite(x) && beyond(y.m);
            }
        }
        // Its poles are at 0 and 1.
        Op::BceGradient(_) => {
            for ((left, y), p) in left.iter_mut().zip(value).zip(args[0]) {
                *left |= p.m > 0.0 && p.m < 1.0 && beyond(y.m);
            }
        }
        Op::KlDiv | Op::KlDivLog | Op::KlDivLogSlope => {
            // t·ln t and t·x, and e^t and t − x, on their own: of finite arguments that are not 0 by definition.
            let inside = |t: f64, x: f64| match node.op {
                Op::KlDiv if t == 0.0 => [0.0; 2],
                Op::KlDiv => [t * core_math::log(t), t * x],
                _ => [core_math::exp(t), t - x],
            };
            for ((left, y), (t, x)) in left.iter_mut().zip(value).zip(args[0].iter().zip(args[1])) {
                let known = finite(t) && finite(x);
                *left |= known && (beyond(y.m) || inside(t.m, x.m).into_iter().any(beyond));
            }
        }
        // γ·L, L being |z| as far as the range goes.
        Op::FocalGradient(form) => {
            for (left, z) in left.iter_mut().zip(args[0]) {
                *left |= finite(z) && beyond(form.gamma() * z.m.abs());
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
        | Op::Huber(_)
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

/// Marks infinite values of classes whose logits are finite, where the midpoints have no more range than the machine.
fn unbounded_classes(node: &Node, args: &[&[Ball]], value: &[Ball], left: &mut [bool]) {
    let width = (args[0].len() / left.len().max(1)).max(1);
    for (i, (left, y)) in left.iter_mut().zip(value).enumerate() {
        let own = match &node.op {
            Op::CrossEntropy(classes) => i * width + classes[i],
            _ => i,
        };
        *left |= y.m.is_infinite() && args[0][own].m.is_finite();
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
    fn a_sum_overflows_where_the_terms_of_one_sign_do() {
        let sides = super::Sides::of([3.0, -4.0, 2.5, -1.0].into_iter());
        assert_eq!((sides.largest(), sides.times(2.0)), (5.5, 21.0));
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

    /// Whether all elements of an output overflow on the way, on a machine that computes in the format itself, with that upstream.
    fn all_on_the_way(case: Case, upstream: f64, output: &str) -> bool {
        let shape = case.upstream.shape.clone();
        let upstream = tensor(case.format, &shape, &vec![upstream; shape.iter().product()]);
        let case = Case { upstream, ..case }.checked().unwrap();
        let machine = Machine { compute: case.format, ..Machine::of(case.format) };
        let verified = crate::oracle::verify(&case, &machine).unwrap();
        let at = verified.outputs.iter().position(|found| found.name == output).unwrap();
        verified.tolerances[at].overflows_on_the_way.iter().all(|&left| left)
    }

    #[test]
    fn the_upstream_may_meet_a_part_before_it_is_small() {
        let none = || Params::default().with("reduction", "none");
        let pair = |loss, format, params, names: [&'static str; 2], x: &[f64], y: &[f64]| {
            let shape = [1, x.len()];
            case(
                loss,
                format,
                params,
                vec![(names[0], tensor(format, &shape, x)), (names[1], tensor(format, &shape, y))],
            )
        };
        // g·Σq.
        let soft = |q: f64| {
            pair("cross_entropy_soft", Format::F32, none(), ["logits", "target"], &[0.0, -200.0], &[q, 1.0])
        };
        assert!(all_on_the_way(soft(2.9e38), 1.5, "grad.logits"));
        assert!(!all_on_the_way(soft(1e38), 1.5, "grad.logits"));
        // g·γ·L, and g·z without γ.
        let focal = |format, gamma: f64, z: f64| {
            let params = none().with("gamma", gamma);
            pair("focal_sigmoid", format, params, ["logits", "target"], &[z], &[0.0])
        };
        assert!(all_on_the_way(focal(Format::F16, 2.0, 65504.0), -1.85, "grad.logits"));
        assert!(all_on_the_way(focal(Format::F64, 0.0, f64::MAX), 1.5, "grad.logits"));
        assert!(all_on_the_way(focal(Format::F16, 5.0, 65504.0), 1.0, "grad.logits"));
        assert!(!all_on_the_way(focal(Format::F16, 2.0, 1000.0), -1.85, "grad.logits"));
        // (g·t)/t.
        let kl_div = |t: f64| {
            let params = none().with("log_target", false);
            pair("kl_div", Format::F16, params, ["log_prediction", "target"], &[0.0], &[t])
        };
        assert!(all_on_the_way(kl_div(65504.0), 1.5, "grad.target"));
        assert!(!all_on_the_way(kl_div(40000.0), 1.5, "grad.target"));
    }

    #[test]
    fn a_loss_beyond_the_range_meets_the_weight_0_though_the_whole_is_beyond_it_too() {
        let soft = |weight: f64| {
            let x = tensor(Format::F16, &[1, 3], &[40000.0, -40000.0, 0.0]);
            let q = tensor(Format::F16, &[1, 3], &[0.0, weight, 2.0]);
            case("cross_entropy_soft", Format::F16, Params::default(), vec![("logits", x), ("target", q)])
        };
        assert!(all_on_the_way(soft(0.0), 1.0, "loss"));
        assert!(!all_on_the_way(soft(0.25), 1.0, "loss"));
    }
}
