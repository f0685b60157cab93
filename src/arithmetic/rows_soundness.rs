//! The soundness of what rows share: exponentials, softmax, cross-entropies and norms, against 2000-bit MPFR at points
//! inside the row's balls. Unit tests, as these items are private.

use super::ball::Ball;
use super::rows::{Exponentials, RowNorm};
use super::specimen::{Outcome, REFERENCE, Recipe, Truth, all, judge, run};
use super::value::{Effort, Value};
use crate::graph::Power;
use rug::Float;
use rug::float::Round;
use rug::ops::Pow;

/// A number known to within its ends: the reference's own arithmetic, rounded outward.
#[derive(Clone)]
pub(super) struct Span(Float, Float);

impl Span {
    pub(super) fn point(x: &Float) -> Span {
        Span(x.clone(), x.clone())
    }

    fn monotone(&self, f: impl Fn(&Float, Round) -> Float) -> Span {
        Span(f(&self.0, Round::Down), f(&self.1, Round::Up))
    }

    pub(super) fn exp(&self) -> Span {
        self.monotone(|x, round| Float::with_val_round(REFERENCE, x.exp_ref(), round).0)
    }

    pub(super) fn ln(&self) -> Span {
        self.monotone(|x, round| Float::with_val_round(REFERENCE, x.ln_ref(), round).0)
    }

    fn ln_1p(&self) -> Span {
        self.monotone(|x, round| Float::with_val_round(REFERENCE, x.ln_1p_ref(), round).0)
    }

    pub(super) fn add(&self, other: &Span) -> Span {
        let sum = |a: &Float, b: &Float, round| Float::with_val_round(REFERENCE, a + b, round).0;
        Span(sum(&self.0, &other.0, Round::Down), sum(&self.1, &other.1, Round::Up))
    }

    fn neg(&self) -> Span {
        Span(Float::with_val(self.1.prec(), -&self.1), Float::with_val(self.0.prec(), -&self.0))
    }

    pub(super) fn sub(&self, other: &Span) -> Span {
        self.add(&other.neg())
    }

    fn corners(&self, other: &Span, f: impl Fn(&Float, &Float, Round) -> Float) -> Span {
        let all = |round| {
            [(&self.0, &other.0), (&self.0, &other.1), (&self.1, &other.0), (&self.1, &other.1)]
                .map(|(a, b)| f(a, b, round))
        };
        let low = all(Round::Down).into_iter().reduce(|a, b| a.min(&b));
        let high = all(Round::Up).into_iter().reduce(|a, b| a.max(&b));
        Span(low.unwrap(), high.unwrap())
    }

    pub(super) fn mul(&self, other: &Span) -> Span {
        self.corners(other, |a, b, round| Float::with_val_round(REFERENCE, a * b, round).0)
    }

    /// For a positive divisor.
    fn div(&self, other: &Span) -> Span {
        self.corners(other, |a, b, round| Float::with_val_round(REFERENCE, a / b, round).0)
    }

    pub(super) fn truth(self) -> Truth {
        Truth::Around(self.0, self.1)
    }
}

const ROW: usize = 4;

/// A row of logits and one of targets with points inside; some logits −∞, some equal.
struct Rows {
    logits: Vec<Ball>,
    points: Vec<Option<Float>>,
    q: Vec<Ball>,
    q_points: Vec<Float>,
}

fn rows(recipes: &[Recipe; 2 * ROW], which: u8) -> Option<Rows> {
    let (mut logits, mut points): (Vec<Ball>, Vec<Option<Float>>) = (Vec::new(), Vec::new());
    let count = 1 + usize::from(which) % ROW;
    for (at, recipe) in recipes[..count].iter().enumerate() {
        let (ball, point) = match which >> 4 {
            // Tied with the first, as numbers, or masked.
            3 | 4 if at > 1 => (logits[0].clone(), points[0].clone()),
            5 | 6 if at % 2 == 1 => (Ball::Infinite(true), None),
            _ => recipe.logit().map(|(ball, point)| (ball, Some(point)))?,
        };
        logits.push(ball);
        points.push(point);
    }
    let targets: Option<Vec<(Ball, Float)>> = recipes[ROW..ROW + count].iter().map(Recipe::logit).collect();
    let (q, q_points) = targets?.into_iter().unzip();
    Some(Rows { logits, points, q, q_points })
}

fn exponentials(recipes: &[Recipe; 2 * ROW], which: u8, prec: u32) -> Outcome {
    let Some(Rows { logits, points, q, q_points }) = rows(recipes, which) else { return Outcome::Skipped };
    let row: Vec<&Ball> = logits.iter().collect();
    let Some(shared) = Exponentials::of(&row, prec) else {
        return Outcome::Unsound("a row with a finite entry has exponentials".into());
    };
    // exp(xᵢ − x_top), Σ without the top's own 1, in spans.
    let top = points[shared.top].clone().expect("the top is finite");
    let gaps: Vec<Option<Span>> =
        points.iter().map(|x| Some(Span::point(x.as_ref()?).sub(&Span::point(&top)))).collect();
    let zero = Span::point(&Float::new(2));
    let terms: Vec<Span> =
        gaps.iter().map(|gap| gap.as_ref().map_or(zero.clone(), |gap| gap.exp())).collect();
    let others = |own: usize| {
        let others = terms.iter().enumerate().filter(|&(at, _)| at != own);
        others.fold(zero.clone(), |sum, (_, term)| sum.add(term))
    };
    let tail = others(shared.top);
    let total = tail.add(&Span::point(&Float::with_val(2, 1)));
    if !total.1.is_finite() {
        return Outcome::Skipped;
    }
    let surprise = |c: usize| gaps[c].as_ref().map(|gap| tail.ln_1p().sub(gap));
    let operands: Vec<(&Ball, &Float)> =
        row.iter().zip(&points).map(|(&ball, point)| (ball, point.as_ref().unwrap_or(&top))).collect();
    let judged = |name: &str, result: &Ball, truth: Truth| judge(name, prec, result, &truth, &operands);
    let c = usize::from(which / 7) % row.len();
    let mut outcomes = vec![
        judged("softmax", &shared.softmax(c, prec), terms[c].div(&total).truth()),
        judged(
            "surprise",
            &shared.surprise(c, row[shared.top], row[c], prec),
            surprise(c).map_or(Truth::Infinite(false), Span::truth),
        ),
        judged("softmax − 1", &shared.softmax_minus_one(c, prec), others(c).div(&total).neg().truth()),
        judged("ln total", &shared.ln_total, tail.ln_1p().truth()),
    ];
    // The soft target's gradient: (e_c·(Q − q_c) − q_c·Σ_{i≠c} e_i)/Σe.
    let targets: Vec<&Ball> = q.iter().collect();
    let q_total = Ball::sum(targets.iter().copied(), prec);
    let rest = q_points.iter().enumerate().filter(|&(at, _)| at != c);
    let rest = rest.fold(zero.clone(), |sum, (_, q)| sum.add(&Span::point(q)));
    let gradient = terms[c].mul(&rest).sub(&Span::point(&q_points[c]).mul(&others(c))).div(&total);
    outcomes.push(judged("soft gradient", &shared.soft_gradient(&q[c], &q_total, c, prec), gradient.truth()));
    if points.iter().all(Option::is_some) {
        let loss = (0..row.len()).fold(zero.clone(), |sum, c| {
            sum.add(&Span::point(&q_points[c]).mul(&surprise(c).expect("every entry is finite")))
        });
        outcomes.push(judged(
            "soft cross-entropy",
            &shared.soft_cross_entropy(&row, &targets, prec),
            loss.truth(),
        ));
    }
    all(outcomes)
}

#[test]
fn rows_of_exponentials_hold_their_values() {
    run(20, exponentials);
}

const DEGREES: [f64; 6] = [1.0, 2.0, 1.5, 3.0, 2.7, 4.0];

fn norms(recipes: &[Recipe; ROW], which: u8, prec: u32) -> Outcome {
    let count = 1 + usize::from(which) % ROW;
    let specimens: Option<Vec<(Ball, Float)>> = recipes[..count].iter().map(Recipe::logit).collect();
    let Some(mut specimens) = specimens else { return Outcome::Skipped };
    if which >> 6 == 1 {
        // A tie of opposite signs: exact, so that it is one.
        let (ball, point) = specimens[0].clone();
        if ball.is_exact() {
            specimens.push((ball.neg(), -point));
        }
    }
    let row: Vec<&Ball> = specimens.iter().map(|(ball, _)| ball).collect();
    let sizes: Vec<Float> = specimens.iter().map(|(_, point)| point.clone().abs()).collect();
    let operands: Vec<(&Ball, &Float)> = specimens.iter().map(|(ball, point)| (ball, point)).collect();
    let which = usize::from(which);
    let epsilon = if which & 8 == 0 { 0.0 } else { 1e-6 };
    let effort = Effort { prec, last: which & 16 != 0 };
    let i = (which / 5) % row.len();
    let point = &specimens[i].1;
    let judged = |name: String, result: &Ball, truth: Truth| judge(&name, prec, result, &truth, &operands);

    if which % 7 == 6 {
        let shared = RowNorm::of(&row, Power::Infinity, 0.0, prec);
        let most = sizes.iter().max_by(|a, b| a.total_cmp(b)).expect("a row has entries").clone();
        let leads = sizes[i] == most;
        let ties = sizes.iter().filter(|&size| *size == most).count() > 1;
        // Any one choice of the accepted values: the set's ends, or the single derivative.
        let sign = if *point < 0 { -1 } else { 1 };
        let share = if leads { sign } else { 0 };
        let gradient = shared.gradient(i, row[i], (Power::Infinity, 0.0), (0, 0, i), effort);
        return all([
            judged("norm inf".into(), &shared.norm, Truth::Within(most.clone(), most)),
            among(&gradient, share, leads && ties, prec, &operands),
        ]);
    }
    let p = DEGREES[which % DEGREES.len()];
    let shared = RowNorm::of(&row, Power::Finite(p), epsilon, prec);
    let zero = Span::point(&Float::new(2));
    let degree = Float::with_val(53, p);
    let raised = |x: &Float, by: &Float, round| Float::with_val_round(REFERENCE, x.pow(by), round).0;
    let sum = sizes
        .iter()
        .map(|size| Span::point(size).monotone(|x, round| raised(x, &degree, round)))
        .fold(zero, |sum, power| sum.add(&power))
        .add(&Span::point(&Float::with_val(53, epsilon)));
    // s^q, q around 1/p: monotone in both, so the corners bound it.
    let inverse = Span::point(&Float::with_val(2, 1)).div(&Span::point(&degree));
    let norm = sum.corners(&inverse, |s, q, round| raised(s, q, round));
    let gradient = shared.gradient(i, row[i], (Power::Finite(p), epsilon), (0, 0, i), effort);
    let of_norm = judged(format!("norm {p}"), &shared.norm, norm.clone().truth());
    if p == 1.0 || norm.1.is_zero() {
        // A kink where the coordinate, or for p > 1 the whole row, is 0.
        let sign = point.cmp0().map_or(0, |order| order as i32);
        return all([of_norm, among(&gradient, sign, point.is_zero(), prec, &operands)]);
    }
    let ratio = Span::point(&sizes[i]).div(&norm);
    let size = ratio.monotone(|x, round| raised(x, &Float::with_val(53, p - 1.0), round));
    let truth = if *point < 0 { size.neg() } else { size };
    all([of_norm, judged(format!("norm gradient {p}"), &gradient.ball(prec), truth.truth())])
}

/// Whether a kink's value has `derivative`; a set only where there is a kink, or where the balls do not tell.
fn among(value: &Value, derivative: i32, kink: bool, prec: u32, operands: &[(&Ball, &Float)]) -> Outcome {
    let exact = Float::with_val(2, derivative);
    let truth = Truth::Within(exact.clone(), exact);
    match value {
        Value::Point(_) if kink && operands.iter().all(|(ball, _)| ball.is_exact()) => {
            Outcome::Unsound(format!("a kink without its set: {value:?}, {operands:?}"))
        }
        _ => judge("kink", prec, &value.ball(prec), &truth, operands),
    }
}

#[test]
fn norms_and_their_gradients_hold_their_values() {
    run(12, norms);
}
