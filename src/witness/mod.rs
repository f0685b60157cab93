//! The second derivation of every loss: its closed-form loss and gradient from the literature, written by hand with
//! num-bigfloat, so that an error of the traced definition, of its differentiation, of the balls or of MPFR shows.
//!
//! Nothing here imports the graph, its interpreters or MPFR; `tests/witness_is_independent.rs` reads the sources and
//! says so. A new loss has one function in its family's file and one line in `WITNESSES`.

mod amount;
mod binary;
mod classification;
mod cosine;
mod decimal;
mod density;
mod divergence;
mod hinge;
mod metric;
mod real;
mod reduction;
mod regression;
#[cfg(test)]
mod testing;

use crate::case::{Case, LOSS, gradient_name};
use amount::Amount;
use decimal::Decimal;
use num_bigfloat::BigFloat;
use real::{Real, power_of_ten};

/// A loss's closed form: the answer to a checked case, before it is written as claims.
type ClosedForm = fn(&Case) -> Result<Derivation, Skip>;

/// The witness of each loss.
static WITNESSES: &[(&str, ClosedForm)] = &[
    ("mse", regression::mse),
    ("mae", regression::mae),
    ("huber", regression::huber),
    ("smooth_l1", regression::smooth_l1),
    ("log_cosh", regression::log_cosh),
    ("gaussian_nll", density::gaussian_nll),
    ("cross_entropy", classification::cross_entropy),
    ("cross_entropy_soft", classification::cross_entropy_soft),
    ("nll_loss", classification::nll_loss),
    ("bce_with_logits", classification::bce_with_logits),
    ("hinge", hinge::hinge),
    ("bce", binary::bce),
    ("focal_sigmoid", binary::focal_sigmoid),
    ("kl_div", divergence::kl_div),
    ("triplet_margin", metric::triplet_margin),
    ("cosine_embedding", cosine::cosine_embedding),
];

/// The decimal exponent of the error that an agreement allows, of a claim's scale: MODEL.md, rule 12.
const AGREEMENT_OF_SCALE: i8 = -36;
/// The same, of the value itself.
const AGREEMENT_OF_VALUE: i8 = -30;
/// The decimal exponent from which on a claimed number is skipped as too large: MODEL.md, rule 12.
const LARGEST: i8 = 120;

/// What the closed form says of a case.
#[derive(Clone, Debug)]
pub struct Witness {
    /// In the order of [`Case::outputs`].
    pub outputs: Vec<WitnessOutput>,
}

/// What the closed form says of one output.
#[derive(Clone, Debug)]
pub struct WitnessOutput {
    /// `loss` or `grad.<input>`.
    pub name: String,
    /// Its elements, row-major.
    pub elements: Vec<Claim>,
}

/// What the closed form says of one element.
#[derive(Clone, Debug)]
pub enum Claim {
    /// A number. The scale is the magnitude of the largest term that went into it by addition or subtraction, carried
    /// to first order through whatever was then done to the sum: the error is a small multiple of 10⁻⁴⁰ of it. It is
    /// at least |value|, and 0 only where the value is 0 without any rounding.
    Value { value: BigFloat, scale: BigFloat },
    /// A kink: the closed interval of the derivatives. `tight` says that its ends are those of the set itself; where
    /// several kinks meet in an element, or where equality was seen only to 36 digits, the set lies inside it.
    Interval { low: BigFloat, high: BigFloat, scale: BigFloat, tight: bool },
    /// +∞ or −∞.
    Infinite { negative: bool },
    /// There is no value.
    Undefined,
}

/// Why a case has no witness. Callers count skips by [`Skip::name`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Skip {
    /// No closed form is written for the loss.
    #[error("no witness of `{0}`")]
    NoWitness(String),
    /// The catalogue gives no formula for these parameters.
    #[error("no closed form of `{loss}` with {parameters}")]
    NoClosedForm { loss: &'static str, parameters: &'static str },
    /// A number above 10¹²⁰ on the way or as the answer.
    #[error("{output} at {element}: a number on the way is out of num-bigfloat's range")]
    TooLarge { output: String, element: usize },
    /// An answer, or an input, so small that num-bigfloat does not hold 30 digits of what comes of it.
    #[error("{output} at {element}: too small for num-bigfloat to hold 30 digits")]
    TooSmall { output: String, element: usize },
}

impl Skip {
    /// `no_witness`, `no_closed_form`, `too_large` or `too_small`.
    pub fn name(&self) -> &'static str {
        match self {
            Skip::NoWitness(_) => "no_witness",
            Skip::NoClosedForm { .. } => "no_closed_form",
            Skip::TooLarge { .. } => "too_large",
            Skip::TooSmall { .. } => "too_small",
        }
    }
}

/// A loss and its gradients, of which a case may ask for some.
struct Derivation {
    loss: Vec<Amount>,
    gradients: Vec<(&'static str, Vec<Amount>)>,
}

/// The closed-form answer to a checked case.
///
/// Sound to a few units in the 40th digit of each claim's scale, by first-order error propagation, not by enclosure:
/// it is the second opinion, not the proof. Not total: see [`Skip`]. Numbers below 10⁻⁸⁹, which num-bigfloat holds with
/// fewer digits or not at all, raise the scale of what depends on them and make a skip only where they are the answer.
pub fn witness(case: &Case) -> Result<Witness, Skip> {
    let closed_form = WITNESSES.iter().find(|(loss, _)| *loss == case.loss);
    let (_, closed_form) = closed_form.ok_or_else(|| Skip::NoWitness(case.loss.clone()))?;
    let Derivation { loss, gradients } = closed_form(case)?;
    let mut outputs = vec![claims(LOSS.to_owned(), &loss)?];
    for input in &case.gradients {
        let gradient = gradients.iter().find(|(name, _)| name == input);
        let (name, gradient) = gradient.ok_or_else(|| Skip::NoWitness(gradient_name(input)))?;
        outputs.push(claims(gradient_name(name), gradient)?);
    }
    Ok(Witness { outputs })
}

fn claims(name: String, amounts: &[Amount]) -> Result<WitnessOutput, Skip> {
    let claim = |(element, amount): (usize, &Amount)| {
        let in_range = |x: Real| {
            if x.is_lost() || x.scale() >= power_of_ten(LARGEST) {
                Err(Skip::TooLarge { output: name.clone(), element })
            } else if x.is_underflow() {
                Err(Skip::TooSmall { output: name.clone(), element })
            } else {
                Ok(x)
            }
        };
        Ok(match *amount {
            Amount::Undefined => Claim::Undefined,
            Amount::Infinite { negative } => Claim::Infinite { negative },
            Amount::Number(x) => {
                let x = in_range(x)?;
                Claim::Value { value: x.value(), scale: x.scale() }
            }
            Amount::Set { low, high, tight } => {
                let (low, high) = (in_range(low)?, in_range(high)?);
                let scale = low.scale().max(&high.scale());
                Claim::Interval { low: low.value(), high: high.value(), scale, tight }
            }
        })
    };
    let elements = amounts.iter().enumerate().map(claim).collect::<Result<_, _>>()?;
    Ok(WitnessOutput { name, elements })
}

/// Whether a proved truth and a claim agree. The truth is given by outward-rounded decimal bounds of 40 digits or more,
/// as in `0.70833e-5`; `inf`, `-inf` and `nan` where it is infinite or undefined.
///
/// A value: both bounds are within 10⁻³⁶ of its scale, or 30 digits. An interval: the bounds are its ends, to the same
/// tolerance; or lie inside it, where it is not tight. Infinite: both bounds are that infinity. Undefined: both are
/// `nan`. False for anything that is no decimal number, and where the bounds are in the wrong order.
pub fn agrees(truth_low: &str, truth_high: &str, claim: &Claim) -> bool {
    let (Some(low), Some(high)) = (Decimal::parse(truth_low), Decimal::parse(truth_high)) else {
        return false;
    };
    let tolerance = |scale: &BigFloat, value: BigFloat| {
        let (of_scale, of_value) = (power_of_ten(AGREEMENT_OF_SCALE), power_of_ten(AGREEMENT_OF_VALUE));
        (*scale * of_scale).max(&(value.abs() * of_value))
    };
    match (claim, low, high) {
        (Claim::Value { value, scale }, Decimal::Number(low), Decimal::Number(high)) => {
            let tolerance = tolerance(scale, *value);
            low <= high && (low - *value).abs() <= tolerance && (high - *value).abs() <= tolerance
        }
        (
            Claim::Interval { low: from, high: to, scale, tight },
            Decimal::Number(low),
            Decimal::Number(high),
        ) => {
            let tolerance = tolerance(scale, from.abs().max(&to.abs()));
            let inside = low >= *from - tolerance && high <= *to + tolerance;
            let reaches_the_ends = low <= *from + tolerance && high >= *to - tolerance;
            low <= high && inside && (reaches_the_ends || !tight)
        }
        (
            Claim::Infinite { negative },
            Decimal::Infinite { negative: low },
            Decimal::Infinite { negative: high },
        ) => low == *negative && high == *negative,
        (Claim::Undefined, Decimal::NotANumber, Decimal::NotANumber) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::loss::LOSSES;

    #[test]
    fn every_loss_has_a_witness() {
        for loss in LOSSES {
            let id = loss.spec().id;
            assert!(WITNESSES.iter().any(|(witness, _)| *witness == id), "{id} has no witness");
        }
        assert_eq!(WITNESSES.len(), LOSSES.len());
    }

    #[test]
    fn outputs_are_those_of_the_case_in_its_order() {
        let inputs = [("prediction", floats(&[2], &[1.0, 2.0])), ("target", floats(&[2], &[0.0, 0.0]))];
        let mut case = case("mse", params(), inputs);
        case.gradients = vec!["target".to_owned(), "prediction".to_owned()];
        let outputs = witness(&case).unwrap().outputs;
        let shapes: Vec<_> =
            outputs.iter().map(|output| (output.name.clone(), output.elements.len())).collect();
        let expected =
            case.outputs().into_iter().map(|(name, shape)| (name, shape.iter().product::<usize>()));
        assert_eq!(shapes, expected.collect::<Vec<_>>());
    }

    #[test]
    fn values_agree_to_36_digits_of_the_scale_or_30_of_their_own() {
        let value = BigFloat::parse("0.25").unwrap();
        let of_scale = |scale: f64| Claim::Value { value, scale: Real::of(scale).value() };
        let truth = |tail: &str| format!("0.25000000000000000000000000000000000{tail}");
        let both = |low: String, high: String, claim: &Claim| agrees(&low, &high, claim);
        // 30 digits of the value: 2.5e-31.
        assert!(agrees(
            "0.2500000000000000000000000000002",
            "0.2500000000000000000000000000002",
            &of_scale(0.25)
        ));
        assert!(!agrees(
            "0.2500000000000000000000000000003",
            "0.2500000000000000000000000000003",
            &of_scale(0.25)
        ));
        // 36 digits of a large scale: 1e-29.
        assert!(agrees("0.25", "0.25000000000000000000000000000999", &of_scale(1e7)));
        assert!(!agrees("0.25", "0.25000000000000000000000000001001", &of_scale(1e7)));
        assert!(both(truth("12345"), truth("12346"), &of_scale(0.25)));
        // The bounds are in order, and both count.
        assert!(!agrees("0.26", "0.24", &of_scale(1e40)));
        assert!(!agrees("0.25", "0.26", &of_scale(0.25)));
        assert!(!agrees("0.24", "0.25", &of_scale(0.25)));
    }

    #[test]
    fn an_exact_zero_agrees_with_nothing_else() {
        let zero = Claim::Value { value: BigFloat::new(), scale: BigFloat::new() };
        assert!(agrees("0", "0", &zero) && agrees("-0.0", "0e3", &zero));
        assert!(!agrees("0", "1e-400", &zero) && !agrees("-1e-90", "0", &zero));
        let cancelled = Claim::Value { value: BigFloat::new(), scale: power_of_ten(0) };
        assert!(agrees("-1e-90", "1e-37", &cancelled) && !agrees("0", "1e-35", &cancelled));
    }

    #[test]
    fn intervals_agree_by_their_ends_or_by_inclusion() {
        let interval = |tight| Claim::Interval {
            low: -power_of_ten(0),
            high: power_of_ten(0),
            scale: power_of_ten(0),
            tight,
        };
        assert!(agrees("-1", "1", &interval(true)) && agrees("-1", "1", &interval(false)));
        assert!(!agrees("-1", "0.5", &interval(true)) && agrees("-1", "0.5", &interval(false)));
        assert!(!agrees("0", "0", &interval(true)) && agrees("0", "0", &interval(false)));
        assert!(!agrees("-1", "1.5", &interval(true)) && !agrees("-1", "1.5", &interval(false)));
        assert!(!agrees("-1.5", "1", &interval(true)) && !agrees("-1.5", "1", &interval(false)));
    }

    #[test]
    fn kinds_do_not_mix() {
        let one = Claim::Value { value: power_of_ten(0), scale: power_of_ten(0) };
        let infinite = |negative| Claim::Infinite { negative };
        assert!(agrees("inf", "inf", &infinite(false)) && agrees("-inf", "-inf", &infinite(true)));
        assert!(!agrees("inf", "inf", &infinite(true)) && !agrees("-inf", "inf", &infinite(false)));
        assert!(!agrees("1e400", "inf", &infinite(false)) && !agrees("1e400", "1e400", &infinite(false)));
        assert!(agrees("nan", "nan", &Claim::Undefined) && !agrees("1", "1", &Claim::Undefined));
        assert!(!agrees("nan", "nan", &one) && !agrees("inf", "inf", &one) && agrees("1", "1.0", &one));
        assert!(!agrees("", "1", &one) && !agrees("one", "one", &one));
    }

    #[test]
    fn skips_are_named() {
        let mse = |x: f64, weight: f64| {
            let inputs = [("prediction", x), ("target", 0.0), ("weight", weight)];
            case("mse", params(), inputs.map(|(name, x)| (name, floats(&[1], &[x]))))
        };
        assert_eq!(skip_of(&mse(1e70, 1.0)), "too_large");
        assert_eq!(skip_of(&mse(1e200, 1.0)), "too_large");
        assert_eq!(skip_of(&mse(1e-50, 1.0)), "too_small");
        assert_eq!(skip_of(&mse(1e-200, 1.0)), "too_small");
        assert_eq!(skip_of(&mse(1.0, 1e-100)), "too_small");
        assert!(witness(&mse(1e55, 1.0)).is_ok() && witness(&mse(1e-40, 1.0)).is_ok());
        assert!(witness(&mse(1e-200, 0.0)).is_ok());
        let mut unknown = mse(1.0, 1.0);
        unknown.loss = "perplexity".to_owned();
        assert_eq!(skip_of(&unknown), "no_witness");
    }
}
