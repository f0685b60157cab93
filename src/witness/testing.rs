//! What the tests of the witnesses share: cases, claims by name, and central differences.

use super::{Claim, agrees, witness};
use crate::case::Case;
use crate::format::Format;
use crate::loss::Params;
use crate::tensor::Tensor;
use num_bigfloat::{BigFloat, ONE, ZERO};

/// The step of the differences, 9·10⁻¹³: values on the grid of [`Random`] take it exactly.
const STEP_EXPONENT: i32 = -40;
/// How far differences may be from the gradient. Central differences err by step²/6·f‴, some 10⁻²⁵·f‴, and the loss's
/// rounding by 10⁻⁴⁰/step, some 10⁻²⁸.
const DIFFERENCE: f64 = 1e-18;

/// No parameters given.
pub fn params() -> Params {
    Params::default()
}

/// A tensor of f64.
pub fn floats(shape: &[usize], values: &[f64]) -> Tensor {
    Tensor::float(Format::F64, shape, values.to_vec())
}

/// A checked case.
pub fn case<'a>(loss: &str, params: Params, inputs: impl IntoIterator<Item = (&'a str, Tensor)>) -> Case {
    let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    Case::new(loss, Format::F64, params, inputs).unwrap_or_else(|error| panic!("{error}"))
}

/// The claims of one output.
pub fn claims_of(case: &Case, output: &str) -> Vec<Claim> {
    let witness = witness(case).unwrap_or_else(|skip| panic!("skipped: {skip}"));
    let output = witness.outputs.into_iter().find(|found| found.name == output);
    output.unwrap_or_else(|| panic!("no output of that name")).elements
}

/// The name under which the case is skipped.
pub fn skip_of(case: &Case) -> &'static str {
    match witness(case) {
        Ok(found) => panic!("not skipped: {found:?}"),
        Err(skip) => skip.name(),
    }
}

/// The number that is claimed.
pub fn claim_value(claim: &Claim) -> BigFloat {
    match claim {
        Claim::Value { value, .. } => *value,
        _ => panic!("no value: {claim:?}"),
    }
}

/// The scale of a number that is claimed.
pub fn claims_scale(claim: &Claim) -> f64 {
    match claim {
        Claim::Value { scale, .. } => scale.to_f64(),
        _ => panic!("no value: {claim:?}"),
    }
}

/// Every element is the number, within 10⁻³⁶ of itself: the claims' own scales do not help. 0 is exact.
pub fn assert_values(case: &Case, output: &str, expected: &[&str]) {
    let claims = claims_of(case, output);
    assert_eq!(claims.len(), expected.len(), "{output}");
    for (claim, &expected) in claims.iter().zip(expected) {
        let (found, number) = (claim_value(claim), BigFloat::parse(&shortened(expected)).unwrap());
        let difference = (found - number).abs().to_f64();
        assert!(difference <= 1e-36 * number.abs().to_f64(), "{output}: {found} instead of {expected}");
        assert!(agrees(expected, expected, claim), "{output}: {claim:?} and {expected}");
    }
}

/// At most 40 digits of a decimal: BigFloat::parse drops the exponent behind more.
fn shortened(decimal: &str) -> String {
    let (mantissa, exponent) = decimal.split_once('e').unwrap_or((decimal, "0"));
    format!("{}e{exponent}", &mantissa[..mantissa.len().min(40)])
}

/// Every element is as written: a number, `inf`, `undefined`, `[low, high]`, or `[low, high] tight`.
pub fn assert_claims(case: &Case, output: &str, expected: &[&str]) {
    let claims = claims_of(case, output);
    assert_eq!(claims.len(), expected.len(), "{output}: {claims:?}");
    for (claim, &expected) in claims.iter().zip(expected) {
        let (text, is_tight) = match expected.strip_suffix(" tight") {
            Some(text) => (text, true),
            None => (expected, false),
        };
        let (low, high) = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(ends) => ends.split_once(", ").expect("two ends"),
            None if text == "undefined" => ("nan", "nan"),
            None => (text, text),
        };
        // A set is held against its ends, tight or not.
        let held = match claim {
            Claim::Interval { low, high, scale, tight } => {
                assert_eq!(*tight, is_tight, "{output}: {claim:?} and {expected}");
                Claim::Interval { low: *low, high: *high, scale: *scale, tight: true }
            }
            other => other.clone(),
        };
        assert!(agrees(low, high, &held), "{output}: {claim:?} and {expected}");
        assert_eq!(matches!(claim, Claim::Interval { .. }), text.starts_with('['), "{output}: {claim:?}");
    }
}

/// Random numbers on a grid of 2⁻²⁰, by SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Numbers above `low` and at most `high`.
    pub fn values(&mut self, count: usize, low: f64, high: f64) -> Vec<f64> {
        let grid = 2f64.powi(20);
        let steps = ((high - low) * grid) as u64;
        (0..count).map(|_| ((low * grid).floor() + 1.0 + (self.next() % steps) as f64) / grid).collect()
    }
}

/// The case with another upstream.
pub fn with_random_upstream(mut case: Case, random: &mut Random) -> Case {
    case.upstream = floats(&case.upstream.shape.clone(), &random.values(case.upstream.len(), -2.0, 2.0));
    case
}

/// ⟨upstream, loss⟩ by the witness.
fn weighted_loss(case: &Case) -> BigFloat {
    let loss = claims_of(case, "loss");
    let upstream = case.upstream.floats().iter().map(|&x| (x * 2f64.powi(20)) as i64);
    let grid = BigFloat::from_i64(1 << 20) + ZERO;
    loss.iter()
        .zip(upstream)
        .fold(ZERO, |sum, (claim, up)| sum + claim_value(claim) * (BigFloat::from_i64(up) + ZERO) / grid)
}

/// Every gradient that the case asks for is the central difference of its loss; how many elements were compared. A case
/// whose gradients are all zero fails, for it would say nothing.
pub fn assert_differences(case: &Case) -> usize {
    let twice_the_step = (BigFloat::from_i64(1) + ZERO) / BigFloat::from_i64(1 << (-STEP_EXPONENT - 1));
    let (mut compared, mut nonzero) = (0, false);
    for input in &case.gradients {
        let claims = claims_of(case, &crate::case::gradient_name(input));
        for (element, claim) in claims.iter().enumerate() {
            let moved = |sign: f64| {
                let mut case = case.clone();
                let tensor = case.inputs.get_mut(input).unwrap();
                let mut values = tensor.floats().to_vec();
                values[element] += sign * 2f64.powi(STEP_EXPONENT);
                *tensor = floats(&tensor.shape.clone(), &values);
                weighted_loss(&case)
            };
            let difference = (moved(1.0) - moved(-1.0)) / twice_the_step;
            let gradient = claim_value(claim);
            let error = (difference - gradient).abs() / gradient.abs().max(&ONE);
            assert!(
                error.to_f64() <= DIFFERENCE,
                "{input} {element}: {gradient}, not {difference}; {case:?}"
            );
            nonzero |= !gradient.is_zero();
            compared += 1;
        }
    }
    assert!(nonzero, "all zero: {case:?}");
    compared
}
