//! A case in the making: what every kind of input shares, from the parameters to the inputs that nothing else has filled.

use super::numbers::Numbers;
use super::random::Random;
use super::{Regime, Taken, params, upstream};
use crate::case::{Case, CaseError, Tensors};
use crate::format::Format;
use crate::loss::{Domain, InputSpec, LossEntry, ParamValue, Params, Spec};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// What happens to the weights that the scenario leaves to [`Draft::finish`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Weights {
    /// As the regime draws them.
    Drawn,
    /// All 0.
    Zero,
    /// All one large number: a sum of weighted terms overflows and their weighted mean does not.
    Large,
    /// All one small number.
    Small,
}

/// A case in the making.
pub(super) struct Draft<'a> {
    pub entry: &'a dyn LossEntry,
    pub spec: &'static Spec,
    pub regime: Regime,
    pub taken: &'a Taken,
    /// Which of the regime's scenarios: counted from the first case that is no trigger.
    pub scenario: usize,
    pub numbers: Numbers,
    pub params: Params,
    pub inputs: Tensors,
    /// The extents of symbols that the scenario has bound: "N", "C", "D", "N…".
    pub extents: BTreeMap<&'static str, Vec<usize>>,
    /// A length for the axis that sums run along.
    pub length: usize,
    pub weights: Weights,
    /// Set where a term is infinite or undefined: no weight and no upstream is 0 then.
    pub nonzero: bool,
    /// Optional inputs that the scenario asks for.
    wanted: Vec<&'static str>,
    random: Random,
}

impl<'a> Draft<'a> {
    pub fn new(
        entry: &'a dyn LossEntry,
        format: Format,
        regime: Regime,
        taken: &'a Taken,
        random: Random,
        scenario: usize,
        long: usize,
    ) -> Draft<'a> {
        let spec = entry.spec();
        let length = length(regime, scenario, &mut random.fork("length"), long);
        Draft {
            entry,
            spec,
            regime,
            taken,
            scenario,
            numbers: Numbers { format, random: random.fork("numbers") },
            params: params::draw(spec, taken, &random.fork("params")),
            inputs: Tensors::new(),
            extents: BTreeMap::new(),
            length,
            weights: Weights::Drawn,
            nonzero: false,
            wanted: Vec::new(),
            random,
        }
    }

    pub fn format(&self) -> Format {
        self.numbers.format
    }

    /// Binds a symbolic extent.
    pub fn bind(&mut self, symbol: &'static str, extents: Vec<usize>) {
        self.extents.insert(symbol, extents);
    }

    /// Puts a float input.
    pub fn put(&mut self, name: &str, shape: &[usize], values: Vec<f64>) {
        self.inputs.insert(name.to_owned(), Tensor::float(self.format(), shape, values));
    }

    /// Sets a parameter unless it is pinned or unknown; whether it has the value now.
    pub fn prefer(&mut self, name: &str, value: impl Into<ParamValue>) -> bool {
        let value = value.into();
        if self.spec.param(name).is_none() {
            return false;
        }
        if !self.taken.pinned.0.contains_key(name) {
            self.params.set(name, value.clone());
        }
        *self.params.get(name) == value
    }

    /// Asks for every optional input of weights that the subject takes; whether there is one.
    pub fn want_weights(&mut self) -> bool {
        let weights = self.spec.inputs.iter().filter(|input| {
            input.optional && input.domain == Domain::NonNegative && takes(self.taken, input)
        });
        self.wanted = weights.map(|input| input.name).collect();
        !self.wanted.is_empty()
    }

    /// A shape of `length` elements for inputs of any shape: one axis, mostly, or two; a scalar sometimes for one.
    pub fn any_shape(&mut self, length: usize) -> Vec<usize> {
        let random = &mut self.numbers.random;
        let axis_input = self.spec.inputs.iter().any(|input| input.shape == ["C"]);
        if length == 1 && !axis_input && random.chance(1, 3) {
            return Vec::new();
        }
        let divisors: Vec<usize> = (2..=8).filter(|d| length > *d && length.is_multiple_of(*d)).collect();
        match divisors.last() {
            Some(&rows) if random.chance(1, 2) => vec![rows, length / rows],
            _ if random.chance(1, 6) => vec![1, length],
            _ => vec![length],
        }
    }

    /// Rows for a row length, so that the whole stays small.
    pub fn rows(&mut self, row_length: usize) -> usize {
        1 + self.numbers.random.below((40 / row_length.max(1)).clamp(1, 8))
    }

    /// The shape of an input, after binding what is unbound to `length` where sums run along, else to something small.
    fn shape_of(&mut self, input: &'static InputSpec) -> Vec<usize> {
        let mut shape = Vec::new();
        for &symbol in input.shape {
            if !self.extents.contains_key(symbol) {
                let extents = match symbol {
                    "N…" => self.any_shape(self.length),
                    // The last axis of inputs of any shape.
                    "C" if self.extents.contains_key("N…") => {
                        vec![self.extents["N…"].last().copied().unwrap_or(1)]
                    }
                    "N" if input.shape.len() > 1 => vec![self.rows(self.length)],
                    _ => vec![self.length.max(1)],
                };
                self.bind(symbol, extents);
            }
            shape.extend(&self.extents[symbol]);
        }
        shape
    }

    /// Fills an input by its domain alone.
    fn fill(&mut self, input: &'static InputSpec) {
        let shape = self.shape_of(input);
        let count = shape.iter().product();
        let tensor = match input.domain {
            Domain::Class => {
                let classes = self.extents.get("C").map_or(1, |c| c[0]);
                Tensor::i64(&shape, (0..count).map(|_| self.numbers.random.below(classes) as i64).collect())
            }
            Domain::Mask => {
                Tensor::bool(&shape, (0..count).map(|_| self.numbers.random.chance(3, 4)).collect())
            }
            domain => {
                let zero = !self.nonzero;
                let max = self.format().max_value();
                let draw = |_| match (input.domain == Domain::NonNegative && input.optional, self.weights) {
                    (true, Weights::Zero) if zero => 0.0,
                    (true, Weights::Large) => self.numbers.finite(max / 4.0),
                    (true, Weights::Small) => self.numbers.finite(max.recip().sqrt()),
                    _ => self.numbers.of_domain(domain, self.regime, zero),
                };
                let values = (0..count).map(draw).collect();
                Tensor::float(self.numbers.format, &shape, values)
            }
        };
        self.inputs.insert(input.name.to_owned(), tensor);
    }

    /// Fills every input that is not there yet (an optional one half the time), draws the upstream, and checks.
    pub fn finish(mut self) -> Result<Case, CaseError> {
        for input in self.spec.inputs {
            let coin = self.random.fork(input.name).chance(1, 2);
            let included =
                !input.optional || takes(self.taken, input) && (coin || self.wanted.contains(&input.name));
            if included && !self.inputs.contains_key(input.name) {
                self.fill(input);
            }
        }
        let shape = self.entry.loss_shape(&self.params, &self.inputs);
        let mut numbers = Numbers { format: self.format(), random: self.random.fork("upstream") };
        let upstream = upstream::draw(&mut numbers, &shape, self.regime, self.nonzero);
        let (spec, format, taken) = (self.spec, self.format(), self.taken);
        let with = |params: &Params| {
            case(spec, format, taken, params.clone(), self.inputs.clone(), upstream.clone())
        };
        let mut drawn = with(&self.params);
        // A combination that the loss refuses: parameters that are not pinned go back to their defaults until it does not.
        for param in spec.params.iter().filter(|param| !taken.pinned.0.contains_key(param.name)) {
            if drawn.is_ok() {
                break;
            }
            self.params.set(param.name, param.default_value());
            drawn = with(&self.params);
        }
        drawn
    }
}

/// The checked case of these parts, with the gradients that the subject takes.
pub(super) fn case(
    spec: &'static Spec,
    format: Format,
    taken: &Taken,
    params: Params,
    inputs: Tensors,
    upstream: Tensor,
) -> Result<Case, CaseError> {
    let gradients = spec.differentiable().filter(|name| taken.gradients.iter().any(|taken| taken == name));
    let gradients = gradients.filter(|&name| inputs.contains_key(name)).map(str::to_owned).collect();
    Case { loss: spec.id.to_owned(), format, params, inputs, upstream, gradients }.checked()
}

fn takes(taken: &Taken, input: &InputSpec) -> bool {
    taken.optional_inputs.iter().any(|name| name == input.name)
}

/// The length of the axis that sums run along: mostly a handful; around the powers of two at which blocks and lanes
/// end; 257 and 2049 once in the first cases of few regimes, because proofs cost by the element.
fn length(regime: Regime, scenario: usize, random: &mut Random, long: usize) -> usize {
    match (regime, scenario % 24) {
        (Regime::Long, _) => long,
        (Regime::Typical, 9) => 2049,
        (Regime::Typical | Regime::Cancelling, 6) => 257,
        (Regime::Typical, block @ 1..=3) => 62 + block,
        // A sweep needs a few elements to be one.
        (Regime::Saturated, _) => 4 + random.below(9),
        _ => match random.below(20) {
            0 | 1 => 1,
            2..5 => 2,
            5..8 => 7,
            8..14 => 3 + random.below(6),
            14..19 => 9 + random.below(8),
            _ => 63 + random.below(3),
        },
    }
}
