//! Embeddings, a vector a row: what matters is their differences and their lengths.
//!
//! Every other vector is the first one plus a difference, so that each scenario is a choice of a base and of differences.

use super::Regime;
use super::draft::Draft;
use super::numbers::Numbers;
use crate::loss::{Domain, Spec};

/// The vectors: all inputs of rows of features, where there are two or more; the first is the one that others are
/// measured from.
pub(super) fn roles(spec: &Spec) -> Option<Vec<&'static str>> {
    let vectors: Vec<_> = spec
        .inputs
        .iter()
        .filter(|input| input.shape == ["N", "D"] && input.domain == Domain::Finite && !input.optional)
        .map(|input| input.name)
        .collect();
    (vectors.len() >= 2).then_some(vectors)
}

/// Fills all.
pub(super) fn fill(draft: &mut Draft<'_>, names: &[&'static str]) {
    let k = draft.scenario;
    let (rows, features) = match (draft.regime, k % 6) {
        (Regime::Degenerate, 0) => (0, draft.length),
        (Regime::Degenerate, 1) => (1, 1),
        (Regime::Long, _) => (1, draft.length),
        (Regime::Edge, 0 | 1) => (draft.rows(16), draft.length.clamp(2, 8)),
        // There are several such inputs.
        _ => (draft.rows(2 * draft.length), draft.length),
    };
    draft.bind("N", vec![rows]);
    draft.bind("D", vec![features]);
    let alike = draft.regime != Regime::Tied || tie(draft);
    if draft.regime == Regime::Overflowing {
        draft.prefer("epsilon", 0.0);
    }
    let margin = draft.params.number("margin").unwrap_or(1.0);
    let mut tensors = vec![Vec::new(); names.len()];
    for r in 0..rows {
        let vectors = row(&mut draft.numbers, draft.regime, k, names.len(), features, (margin, alike));
        for (tensor, mut vector) in tensors.iter_mut().zip(vectors) {
            // Padding: whole rows of zeros, and features that are zero everywhere.
            if draft.regime == Regime::Masked {
                let zero_row = k.is_multiple_of(2) && r + 1 == rows;
                vector.iter_mut().skip(features / 2).for_each(|x| *x = 0.0);
                vector.iter_mut().take(if zero_row { features } else { 0 }).for_each(|x| *x = 0.0);
            }
            tensor.extend(vector);
        }
    }
    for (name, values) in names.iter().zip(tensors) {
        draft.put(name, &[rows, features], values);
    }
}

/// Chooses norm and margin so that equal distances are provably equal; whether vectors of equal distances may differ in
/// more than one feature.
///
/// The sums of absolute values and the largest ones are exact; the roots of equal sums of squares are compared by
/// these sums, and what is left without a margin is exactly 0. Other norms of several features are irrational, and no
/// precision tells whether two of them are equal.
fn tie(draft: &mut Draft<'_>) -> bool {
    if draft.spec.param("p").is_none() {
        return true;
    }
    // No number is "inf".
    if draft.params.number("p").is_none_or(|p| p == 1.0) {
        return true;
    }
    draft.prefer("p", 2.0) && draft.prefer("margin", 0.0)
}

/// One vector for each role.
fn row(
    numbers: &mut Numbers,
    regime: Regime,
    k: usize,
    roles: usize,
    features: usize,
    (margin, alike): (f64, bool),
) -> Vec<Vec<f64>> {
    let format = numbers.format;
    let half = format.max_exponent() / 2;
    let base: Vec<f64> = (0..features).map(|_| base(numbers, regime, k)).collect();
    // Along one axis each: every p-norm of the difference is its length, so the margin is met exactly for any p where
    // the format holds it.
    let met = regime == Regime::Edge && k % 6 <= 1;
    let near = f64::from(numbers.random.within(1, 4));
    let shared: Vec<f64> = (0..features).map(|_| numbers.normal(1.0)).collect();
    let turn = numbers.random.below(features.max(1));
    let mut vectors = vec![base.clone()];
    for role in 1..roles {
        let other = (0..features).map(|d| {
            let x = base[d];
            let difference = match regime {
                Regime::Edge if met => {
                    let far = numbers.finite(near + margin);
                    let far = if k.is_multiple_of(6) { far } else { format.next_up(far) };
                    let (axis, length) = if role == 1 { (0, near) } else { (features - 1, far) };
                    if d == axis { length } else { 0.0 }
                }
                Regime::Edge => numbers.edge(),
                Regime::Extreme if k.is_multiple_of(3) => numbers.any_scale(),
                Regime::Extreme => numbers.end(),
                // Nearly parallel: cosine 0.9 and nearer to 1; the distances in the smooth tail of the hinge.
                Regime::Saturated => {
                    let part = numbers.random.pick(&[0.25, 0.0625, 0.015625]);
                    x * part * numbers.random.sign()
                }
                Regime::Cancelling => {
                    let gap = numbers.offset_by_gap(x, k / 2);
                    return numbers.finite(gap);
                }
                Regime::Subnormal if k.is_multiple_of(2) => numbers.subnormal(),
                // The square of the difference falls below the normal numbers.
                Regime::Subnormal => numbers.scaled(-half - 14, -half),
                // The same difference, turned and reflected: equal lengths of any p, summed in another order.
                Regime::Tied if !alike && d > 0 => 0.0,
                Regime::Tied if !alike => numbers.random.sign(),
                Regime::Tied => match k % 3 {
                    0 => shared[(d + turn * role) % features] * numbers.random.sign(),
                    1 => numbers.finite(0.1) * numbers.random.sign(),
                    _ => numbers.random.sign(),
                },
                Regime::Degenerate => match (k % 6, role) {
                    (2, _) | (3, 1) | (4, 2) | (5, _) => 0.0,
                    _ => numbers.normal(1.0),
                },
                Regime::Long => match k % 3 {
                    1 => numbers.finite(0.1),
                    2 if d == 7 => 1000.0,
                    _ => numbers.normal(1.0),
                },
                // Squares overflow, the distance does not: two exponents of room for the sum over the features.
                Regime::Overflowing => numbers.scaled(half + 2, format.max_exponent() - 10),
                Regime::Typical | Regime::Masked | Regime::Worst => numbers.normal(1.0),
            };
            numbers.finite(x + difference)
        });
        vectors.push(other.collect());
    }
    vectors
}

/// A coordinate of the first vector.
fn base(numbers: &mut Numbers, regime: Regime, k: usize) -> f64 {
    match regime {
        Regime::Edge if k % 6 <= 1 => 0.0,
        Regime::Edge => numbers.edge(),
        Regime::Extreme | Regime::Subnormal | Regime::Overflowing | Regime::Tied => 0.0,
        Regime::Cancelling => {
            let offset = numbers.offset(k);
            numbers.offset_by_gap(offset, 0)
        }
        // The zero vector and nothing else.
        Regime::Degenerate if k % 6 == 5 => 0.0,
        _ => numbers.normal(1.0),
    }
}
