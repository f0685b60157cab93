//! Cases in few words, and a random source for them.

use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::loss::{ParamValue, Params};
use lossproof::tensor::Tensor;
use lossproof::truth::{OutputTruth, Truth};

/// Pseudo-random numbers from a seed: splitmix64.
pub struct Source(pub u64);

impl Source {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A finite number of the format of one of the sorts that cases are made of.
    pub fn float(&mut self, format: Format, sort: Sort) -> f64 {
        let spread = self.unit() * 8.0 - 4.0;
        let x = match sort {
            Sort::Typical => spread,
            // So few that ties, coinciding points and exact margins are common.
            Sort::Tied => self.pick(&[-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0, 3.0, 4.0]),
            Sort::Extreme => {
                let scale = match format {
                    Format::F64 => 300.0,
                    Format::F32 | Format::Bf16 => 38.0,
                    Format::F16 => 4.5,
                };
                let power = self.pick(&[scale, -scale, scale / 2.0, -scale / 2.0, 1.0, 0.0]);
                spread * format!("1e{}", power as i32).parse::<f64>().unwrap()
            }
            Sort::Saturated => spread.signum() * self.pick(&[20.0, 90.0, 750.0, 2e4, 6e4, 1e30]) + spread,
            Sort::Subnormal => (spread * 1e6).trunc() * format.min_subnormal(),
            Sort::Mixed => {
                let sort =
                    self.pick(&[Sort::Typical, Sort::Tied, Sort::Extreme, Sort::Saturated, Sort::Subnormal]);
                return self.float(format, sort);
            }
        };
        let x = format.round(x);
        if x.is_finite() { x } else { format.max_value().copysign(x) }
    }

    pub fn floats(&mut self, format: Format, sort: Sort, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.float(format, sort)).collect()
    }
}

/// Where a case's numbers come from.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Sort {
    Typical,
    Tied,
    Extreme,
    Saturated,
    Subnormal,
    Mixed,
}

pub const SORTS: [Sort; 6] =
    [Sort::Typical, Sort::Tied, Sort::Extreme, Sort::Saturated, Sort::Subnormal, Sort::Mixed];

/// A case that is being put together.
pub struct Draft {
    pub format: Format,
    pub params: Params,
    pub inputs: Vec<(&'static str, Tensor)>,
    pub upstream: Option<Vec<f64>>,
}

impl Draft {
    pub fn new(format: Format) -> Draft {
        Draft { format, params: Params::default(), inputs: Vec::new(), upstream: None }
    }

    pub fn param(mut self, name: &str, value: impl Into<ParamValue>) -> Draft {
        self.params.set(name, value);
        self
    }

    pub fn floats(mut self, name: &'static str, shape: &[usize], values: &[f64]) -> Draft {
        self.inputs.push((name, Tensor::float(self.format, shape, values.to_vec())));
        self
    }

    pub fn classes(mut self, name: &'static str, values: &[i64]) -> Draft {
        self.inputs.push((name, Tensor::i64(&[values.len()], values.to_vec())));
        self
    }

    pub fn upstream(mut self, values: &[f64]) -> Draft {
        self.upstream = Some(values.to_vec());
        self
    }

    pub fn case(self, loss: &str) -> Case {
        let inputs = self.inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let mut case = Case::new(loss, self.format, self.params, inputs).expect("the case is valid");
        if let Some(upstream) = self.upstream {
            let mut upstream = upstream.into_iter().cycle();
            let values = (0..case.upstream.len()).map(|_| upstream.next().unwrap()).collect();
            case.upstream = Tensor::float(case.format, &case.upstream.shape.clone(), values);
        }
        case.checked().expect("the upstream is valid")
    }
}

/// The truths of a case.
pub fn prove(case: &Case) -> Vec<OutputTruth> {
    lossproof::oracle::prove(case).expect("the loss is known")
}

/// The case as the protocol writes it.
pub fn written(case: &Case) -> String {
    serde_json::to_string(case).expect("cases can be written")
}

/// The kind and the correctly rounded value of an output's element.
pub fn answer(case: &Case, output: usize, element: usize) -> (&'static str, f64) {
    let truth: Truth = prove(case)[output].elements[element];
    (truth.kind(), truth.value(case.format))
}
