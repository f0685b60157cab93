//! What a loss says of itself: inputs, parameters, conventions, kinks, dangers, sources. Everything that prints, checks
//! or generates reads it from here.

use super::params::{ParamValue, Params};
use serde::{Serialize, Serializer};

/// The description of a loss; see [`crate::loss::Definition`] for its formula as code.
#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    /// The id in the catalogue, snake_case.
    pub id: &'static str,
    /// The family: a file in `src/loss/` and a folder in `golden/`.
    pub family: Family,
    /// One line: what it is.
    pub summary: &'static str,
    /// The formula, in plain text.
    pub formula: &'static str,
    /// Which stable form the definition is written in, and why: it sets the tolerance.
    pub form: &'static str,
    /// The inputs, in order.
    pub inputs: &'static [InputSpec],
    /// The parameters with their defaults.
    pub params: &'static [ParamSpec],
    /// The shape of the loss with reduction `none`.
    pub unreduced: Unreduced,
    /// Whether the loss is never negative on its domain.
    pub nonnegative: bool,
    /// Where it is not differentiable, and what is accepted there.
    pub kinks: &'static [&'static str],
    /// Numerical dangers and the form that avoids each.
    pub dangers: &'static [&'static str],
    /// Papers, documents and public threads.
    pub sources: &'static [&'static str],
    /// What other libraries call it and where they differ.
    pub names: &'static [Alias],
}

impl Spec {
    /// The parameter of that name.
    pub fn param(&self, name: &str) -> Option<&'static ParamSpec> {
        self.params.iter().find(|param| param.name == name)
    }

    /// The input of that name.
    pub fn input(&self, name: &str) -> Option<&'static InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// The names of the differentiable inputs.
    pub fn differentiable(&self) -> impl Iterator<Item = &'static str> {
        self.inputs.iter().filter(|input| input.differentiable).map(|input| input.name)
    }
}

/// The families of the catalogue.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Family {
    Regression,
    Density,
    Classification,
    Divergence,
    Contrastive,
    Metric,
    Ranking,
    Preference,
    Generative,
    Sequence,
    Detection,
    Segmentation,
    Structure,
    Multitask,
}

impl Family {
    /// The name as a file or folder.
    pub fn name(self) -> &'static str {
        match self {
            Family::Regression => "regression",
            Family::Density => "density",
            Family::Classification => "classification",
            Family::Divergence => "divergence",
            Family::Contrastive => "contrastive",
            Family::Metric => "metric",
            Family::Ranking => "ranking",
            Family::Preference => "preference",
            Family::Generative => "generative",
            Family::Sequence => "sequence",
            Family::Detection => "detection",
            Family::Segmentation => "segmentation",
            Family::Structure => "structure",
            Family::Multitask => "multitask",
        }
    }
}

/// One input of a loss.
#[derive(Clone, Debug, Serialize)]
pub struct InputSpec {
    /// Its name.
    pub name: &'static str,
    /// Its shape in symbols: "N…" is any shape and the same wherever it stands; "N", "C", "D" are extents.
    pub shape: &'static [&'static str],
    /// What values it takes.
    pub domain: Domain,
    /// Whether the loss is differentiated by it.
    pub differentiable: bool,
    /// Whether it may be left out.
    pub optional: bool,
    /// One line: what it means.
    pub doc: &'static str,
}

/// The values that an input takes. All but the last two are floats of the case's format.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Finite floats.
    Finite,
    /// Finite floats and −∞.
    FiniteOrMinusInfinity,
    /// [0, 1].
    Unit,
    /// [0, ∞).
    NonNegative,
    /// [0, ∞); where the parameter `log_target` is set the logarithms of such numbers: finite floats and −∞.
    NonNegativeOrLog,
    /// −1 or 1.
    SignValue,
    /// (0, ∞).
    Positive,
    /// i64 classes in [0, C), or the ignore index.
    Class,
    /// bool.
    Mask,
}

impl Domain {
    /// In words, for errors and pages.
    pub fn describe(self) -> &'static str {
        match self {
            Domain::Finite => "finite",
            Domain::FiniteOrMinusInfinity => "finite or -inf",
            Domain::Unit => "in [0, 1]",
            Domain::NonNegative => "finite and at least 0",
            Domain::NonNegativeOrLog => "finite and at least 0; with log_target finite or -inf",
            Domain::SignValue => "-1 or 1",
            Domain::Positive => "finite and above 0",
            Domain::Class => "a class in [0, C) or the ignore index",
            Domain::Mask => "true or false",
        }
    }

    /// The domain under these parameters, where it depends on them.
    pub fn given(self, params: &Params) -> Domain {
        match self {
            Domain::NonNegativeOrLog if params.flag("log_target") => Domain::FiniteOrMinusInfinity,
            Domain::NonNegativeOrLog => Domain::NonNegative,
            domain => domain,
        }
    }

    /// Whether a float is in the domain. NaN is in every one: it makes NaN of what depends on it.
    pub fn holds(self, x: f64) -> bool {
        x.is_nan()
            || match self {
                Domain::Finite => x.is_finite(),
                Domain::FiniteOrMinusInfinity | Domain::NonNegativeOrLog => x < f64::INFINITY,
                Domain::Unit => (0.0..=1.0).contains(&x),
                Domain::NonNegative => (0.0..f64::INFINITY).contains(&x),
                Domain::SignValue => x == 1.0 || x == -1.0,
                Domain::Positive => x > 0.0 && x.is_finite(),
                Domain::Class | Domain::Mask => false,
            }
    }
}

/// One parameter of a loss.
#[derive(Clone, Debug, Serialize)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// Its default; for a convention the pure formula.
    pub default: Default,
    /// Set where the parameter is a convention: the choices of frameworks, with who makes which.
    pub conventions: &'static [Convention],
    /// One line: what it does.
    pub doc: &'static str,
}

/// A choice that frameworks differ in knowingly.
#[derive(Clone, Debug, Serialize)]
pub struct Convention {
    /// The parameter's value.
    pub value: Default,
    /// Who chooses so.
    pub who: &'static str,
}

/// A constant parameter value.
#[derive(Copy, Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Default {
    Null,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(&'static str),
}

impl Default {
    /// As a parameter value.
    pub fn to_value(self) -> ParamValue {
        match self {
            Default::Null => ParamValue::Null,
            Default::Flag(value) => ParamValue::Bool(value),
            Default::Integer(value) => ParamValue::Integer(value),
            Default::Number(value) => ParamValue::Number(value),
            Default::Text(value) => value.into(),
        }
    }
}

impl Serialize for Default {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

/// An interval of real numbers for a parameter.
#[derive(Copy, Clone, Debug, PartialEq, Serialize)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end; infinite for none.
    #[serde(serialize_with = "serialize_end")]
    pub high: f64,
    /// Whether the lower end itself is outside.
    pub open_low: bool,
}

fn serialize_end<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    crate::tensor::JsonFloat(*x).serialize(serializer)
}

impl Range {
    /// [low, high], finite values only.
    pub const fn closed(low: f64, high: f64) -> Range {
        Range { low, high, open_low: false }
    }

    /// [low, ∞).
    pub const fn at_least(low: f64) -> Range {
        Range { low, high: f64::INFINITY, open_low: false }
    }

    /// (low, ∞).
    pub const fn above(low: f64) -> Range {
        Range { low, high: f64::INFINITY, open_low: true }
    }

    /// Whether the finite number x lies in it.
    pub fn holds(&self, x: f64) -> bool {
        x.is_finite() && x <= self.high && if self.open_low { x > self.low } else { x >= self.low }
    }
}

/// What a parameter takes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// A real number in a range; null if `null`; one of the names in `also`.
    Real { range: Range, null: bool, also: &'static [&'static str] },
    /// A whole number; null if `null`.
    Integer { null: bool },
    /// true or false.
    Flag,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// One of these names, or null.
    ChoiceOrNull(&'static [&'static str]),
}

impl ParamKind {
    /// In words, for errors and pages.
    pub fn describe(&self) -> String {
        match self {
            ParamKind::Real { range, null, also } => {
                let mut text = match (range.high.is_infinite(), range.open_low) {
                    (true, true) => format!("a number above {}", range.low),
                    (true, false) => format!("a number of at least {}", range.low),
                    _ => format!("a number in [{}, {}]", range.low, range.high),
                };
                for name in also.iter() {
                    text.push_str(&format!(" or {name:?}"));
                }
                if *null {
                    text.push_str(" or null");
                }
                text
            }
            ParamKind::Integer { null } => {
                if *null { "a whole number or null" } else { "a whole number" }.to_owned()
            }
            ParamKind::Flag => "true or false".to_owned(),
            ParamKind::Choice(names) | ParamKind::ChoiceOrNull(names) => {
                let mut choices: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                if matches!(self, ParamKind::ChoiceOrNull(_)) {
                    choices.push("null".to_owned());
                }
                format!("one of {}", choices.join(", "))
            }
        }
    }
}

/// The shape of a loss without reduction.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreduced {
    /// The shape of the first input.
    Elementwise,
    /// One value a row: the first input's leading extent.
    Rows,
}

/// Another library's name for a loss.
#[derive(Clone, Debug, Serialize)]
pub struct Alias {
    /// The library.
    pub library: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Where it differs; empty if nowhere.
    pub differs: &'static str,
}
