//! Pairs of embeddings that are compared by direction, with a sign that says whether they belong together: what matters is
//! the angle between them, and the scale of each.

use super::Regime;
use super::draft::Draft;
use super::numbers::Numbers;
use crate::format::power_of_two_f64;
use crate::loss::{Domain, Spec};

/// The two embeddings and the sign.
pub(super) type Roles = [&'static str; 3];

/// The roles, where there are two inputs of rows of features and a sign a row.
pub(super) fn roles(spec: &Spec) -> Option<Roles> {
    match spec.inputs {
        [first, second, sign]
            if [first, second]
                .iter()
                .all(|input| input.shape == ["N", "D"] && input.domain == Domain::Finite)
                && sign.shape == ["N"]
                && sign.domain == Domain::SignValue =>
        {
            Some([first.name, second.name, sign.name])
        }
        _ => None,
    }
}

/// Fills all.
pub(super) fn fill(draft: &mut Draft<'_>, [first, second, sign]: Roles) {
    let k = draft.scenario;
    let (rows, features) = match (draft.regime, k % 6) {
        (Regime::Degenerate, 0) => (0, draft.length),
        (Regime::Degenerate, 1) => (1, 1),
        (Regime::Long, _) => (1, draft.length),
        (Regime::Edge, _) => (draft.rows(8), draft.length.clamp(3, 8)),
        _ => (draft.rows(2 * draft.length), draft.length),
    };
    if draft.regime == Regime::Edge {
        // Cosines that integer vectors have exactly: parallel, 1/2, orthogonal, antiparallel.
        draft.prefer("epsilon", 0.0);
        draft.prefer("margin", [0.0, 0.5, 1.0, -1.0][k % 4]);
    }
    if draft.regime == Regime::Overflowing {
        draft.prefer("epsilon", 0.0);
    }
    let (mut x1, mut x2, mut signs) = (Vec::new(), Vec::new(), Vec::new());
    let regime = draft.regime;
    let numbers = &mut draft.numbers;
    for r in 0..rows {
        let (mut x, mut y) = pair(numbers, regime, k, features);
        if regime == Regime::Masked {
            // Padding: features that are 0 everywhere, and now and then a whole vector.
            let live = features.div_ceil(2);
            x[live..].fill(0.0);
            y[live..].fill(0.0);
            if k % 4 == 3 && r + 1 == rows {
                y.fill(0.0);
            }
        }
        x1.extend(x);
        x2.extend(y);
        let apart = regime == Regime::Edge && r.is_multiple_of(2) || numbers.random.chance(1, 2);
        signs.push(if apart { -1.0 } else { 1.0 });
    }
    draft.bind("N", vec![rows]);
    draft.bind("D", vec![features]);
    draft.put(first, &[rows, features], x1);
    draft.put(second, &[rows, features], x2);
    draft.put(sign, &[rows], signs);
}

/// Two vectors.
fn pair(numbers: &mut Numbers, regime: Regime, k: usize, features: usize) -> (Vec<f64>, Vec<f64>) {
    let format = numbers.format;
    let half = format.max_exponent() / 2;
    let tenth = numbers.finite(0.1);
    let mut normal = |scale: f64| -> Vec<f64> { (0..features).map(|_| numbers.normal(scale)).collect() };
    match regime {
        Regime::Edge => exact(numbers, k, features),
        // Each vector of a scale of its own, and single coordinates of every scale.
        Regime::Extreme if k % 3 < 2 => {
            let (x, y) = (normal(1.0), normal(1.0));
            let (low, high) = (-half / 2, half / 2);
            let scales = [0; 2].map(|_| power_of_two_f64(numbers.random.within(low, high)));
            let scaled = |x: Vec<f64>, scale: f64| x.into_iter().map(|x| numbers.finite(x * scale)).collect();
            (scaled(x, scales[0]), scaled(y, scales[1]))
        }
        Regime::Extreme => {
            let mut any = || (0..features).map(|_| numbers.scaled(-half - 8, half - 8)).collect();
            (any(), any())
        }
        // Cosines of ±0.99 and nearer to 1.
        Regime::Saturated => {
            let (x, part) = (normal(1.0), [0.125, 0.03125, 0.0078125, 1e-3][k % 4]);
            let sign = numbers.random.sign();
            let y = x.iter().map(|&x| {
                let moved = x + part * numbers.normal(1.0);
                numbers.finite(moved * sign)
            });
            let y = y.collect();
            (x, y)
        }
        // Parallel but for a few ulps, or exactly, at another length: 1 − c cancels, and so does the gradient.
        Regime::Cancelling => {
            let (x, scale) = (normal(1.0), [1.0, 2.0, 0.5, -1.0][k % 4]);
            let y = x.iter().map(|&x| {
                let steps = f64::from(numbers.random.within(-2, 2)) * f64::from(u8::from(k % 8 < 6));
                numbers.finite((x + steps * format.ulp(x)) * scale)
            });
            let y = y.collect();
            (x, y)
        }
        Regime::Subnormal => match k % 3 {
            0 => {
                let mut small = || (0..features).map(|_| numbers.subnormal()).collect();
                (small(), small())
            }
            // Squares fall below the normal numbers.
            1 => {
                let mut small = || (0..features).map(|_| numbers.scaled(-half - 14, -half)).collect();
                (small(), small())
            }
            _ => {
                let x = normal(1.0);
                (x, (0..features).map(|_| numbers.scaled(-half - 14, -half)).collect())
            }
        },
        // One size everywhere: parallel, or a cosine that is a whole number over the number of features.
        Regime::Tied => {
            let size = numbers.random.pick(&[1.0, 0.1, 3.0]);
            let size = numbers.finite(size);
            let mut signs = || (0..features).map(|_| size * numbers.random.sign()).collect::<Vec<f64>>();
            match k % 3 {
                0 => (vec![size; features], vec![size * 2.0; features]),
                1 => (signs(), signs()),
                _ => (vec![size; features], vec![-size; features]),
            }
        }
        Regime::Degenerate => match k % 6 {
            2 => (vec![0.0; features], normal(1.0)),
            3 => (normal(1.0), vec![0.0; features]),
            4 => (vec![0.0; features], vec![0.0; features]),
            5 => {
                let x = normal(1.0);
                (x.clone(), x)
            }
            _ => (normal(1.0), normal(1.0)),
        },
        Regime::Long => match k % 3 {
            1 => (vec![tenth; features], normal(1.0)),
            2 => {
                let mut x = normal(0.001);
                x[features / 3] = 100.0;
                (x, normal(1.0))
            }
            _ => (normal(1.0), normal(1.0)),
        },
        // Squares overflow, or the product of the squared norms does; the cosine does neither.
        Regime::Overflowing => {
            let low = if k.is_multiple_of(2) { half + 1 } else { half / 2 + 1 };
            let mut large = || (0..features).map(|_| numbers.scaled(low, low + 2)).collect();
            (large(), large())
        }
        Regime::Typical | Regime::Masked | Regime::Worst => (normal(1.0), normal(1.0)),
    }
}

/// Integer vectors with the cosine 0, 1/2, 1 or −1, whatever the scale of each.
fn exact(numbers: &mut Numbers, k: usize, features: usize) -> (Vec<f64>, Vec<f64>) {
    let scale = [0; 2].map(|_| power_of_two_f64(numbers.random.within(-3, 3)));
    let whole: Vec<f64> = (0..features).map(|_| f64::from(numbers.random.within(-3, 3))).collect();
    // Of three features at least.
    let mut first = vec![0.0; features];
    let mut second = vec![0.0; features];
    match (k + numbers.random.below(2)) % 4 {
        0 => {
            // Orthogonal by two coordinates each.
            (first[0], first[1]) = (3.0, 1.0);
            (second[0], second[1]) = (-1.0, 3.0);
        }
        1 => {
            (first[0], first[1]) = (1.0, 1.0);
            (second[0], second[2]) = (1.0, 1.0);
        }
        parallel => {
            first = whole;
            first[0] = 1.0;
            second = first.iter().map(|x| if parallel == 2 { *x } else { -x }).collect();
        }
    }
    let scaled = |x: Vec<f64>, scale: f64| x.into_iter().map(|x| x * scale).collect();
    (scaled(first, scale[0]), scaled(second, scale[1]))
}
