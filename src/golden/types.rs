//! What golden files hold, as types: reading, writing and the JSON Schema follow from them.
//!
//! Every type refuses fields that it does not know: a field that is there and not understood could be one that matters.

use super::list::{List, expand, preferred_runs};
use super::number::{Float, Number};
use crate::case::regime::Regime;
use crate::format::Format;
use crate::judge::{Fares, Level, Machine};
use crate::loss::Params;
use crate::tensor::Tensor;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The version of the files' form that this version writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// A golden file: one loss in one format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The version of this form.
    #[cfg_attr(feature = "oracle", schemars(range(min = 1, max = 1)))]
    pub schema: u32,
    /// The loss's id in the catalogue.
    pub loss: String,
    /// The format of all float inputs and outputs.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::FormatName"))]
    pub format: Format,
    /// What made the file.
    pub source: Source,
    /// The machine model of the budgets: the default one of the format.
    pub machine: MachineModel,
    /// Whether the loss itself is never negative: an element below 0 is then broken.
    pub nonnegative: bool,
    /// How many tests there are; they are numbered from 1.
    pub number_of_tests: usize,
    /// What each regime and flag of the tests aims at.
    pub notes: BTreeMap<String, Note>,
    /// The tests, by parameters.
    pub groups: Vec<Group>,
}

/// What made a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The version of lossproof.
    pub lossproof: String,
    /// The version of MPFR.
    pub mpfr: String,
    /// The seed of the drawn cases.
    pub seed: u64,
}

/// The machine model of the budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineModel {
    /// The format in which a kernel is assumed to compute.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::FormatName"))]
    pub compute: Format,
    /// Whether it may take subnormals for 0.
    pub flush_to_zero: bool,
    /// How it sums.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::SummationName"))]
    pub summation: crate::judge::Summation,
}

impl MachineModel {
    /// The default one of a format.
    pub fn of(format: Format) -> MachineModel {
        let Machine { compute, flush_to_zero, summation } = Machine::of(format);
        MachineModel { compute, flush_to_zero, summation }
    }
}

/// What a regime or a flag aims at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The danger, the bug that shipped, or the wrong kernel that the tests convict.
    pub aim: String,
    /// Public threads about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// Tests that share parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Every parameter of the loss.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::ParamValues"))]
    pub params: Params,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One case with its proved answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Its number in the file.
    pub id: usize,
    /// The regime that made it.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::RegimeName"))]
    pub regime: Regime,
    /// Bugs that shipped whose trigger it is, and wrong kernels for whose sake it was chosen; see the notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The inputs by name; optional ones may be missing.
    pub inputs: BTreeMap<String, StoredTensor>,
    /// The gradient that arrives from above, of the loss's shape.
    pub upstream: StoredTensor,
    /// What is right: `loss`, and `grad.<input>` for every differentiable input that is there.
    pub outputs: BTreeMap<String, Output>,
    /// What is right under other known choices, where they make a difference: whoever gives that follows another convention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conventions: Vec<Convention>,
}

/// What is right for a test under another known choice, or two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Convention {
    /// The parameters that are chosen otherwise than in the test's group.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::ParamValues"))]
    pub params: Params,
    /// What is right then; outputs for which it is what it is in the test are left out.
    pub outputs: BTreeMap<String, Output>,
}

/// What is right for one output. All lists have an element for each of the output's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its extents.
    pub shape: Vec<usize>,
    /// The correctly rounded truth; of a kink the element nearest to 0; "nan" where the mathematics has no value.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Floats"))]
    pub values: List<Float>,
    /// The truth, 8 bits wider than the format.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Numbers"))]
    pub canonical: List<Number>,
    /// The kind of each; left out where all are `proved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Kinds"))]
    pub kinds: Option<List<Kind>>,
    /// The elements whose flag "y is exactly the canonical number" is not what that number's last bit says (0: exactly).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exactness_flipped: Vec<usize>,
    /// The absolute error that an honest implementation may make.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Floats"))]
    pub budget: List<Float>,
    /// The bound of the level `backward`, likewise.
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Floats"))]
    pub backward: List<Float>,
    /// The longest sum behind it.
    pub longest_sum: usize,
    /// The elements on whose way a step leaves the compute format's range though the truth does not; left out where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "oracle", schemars(with = "super::schema::Booleans"))]
    pub overflows_on_the_way: Option<List<bool>>,
    /// How a kernel that ignores the upstream would fare; left out where the upstream is all ones, and of the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignoring_upstream: Option<Ignoring>,
}

/// How a kernel that ignores the upstream would fare with an output.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ignoring {
    /// The worst level of its elements; none where no element has one.
    #[cfg_attr(feature = "oracle", schemars(with = "Option<super::schema::LevelName>"))]
    pub level: Option<Level>,
    /// Whether passing would say something: whether an element is wrong that could be told.
    pub counts: bool,
}

impl From<Fares> for Ignoring {
    fn from(Fares { level, counts }: Fares) -> Ignoring {
        Ignoring { level, counts }
    }
}

impl From<Ignoring> for Fares {
    fn from(Ignoring { level, counts }: Ignoring) -> Fares {
        Fares { level, counts }
    }
}

/// The kind of a proved truth.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A finite y.
    Proved,
    /// A kink: a closed interval of accepted values.
    Set,
    /// A finite y that rounds to an infinity.
    Overflow,
    /// Exactly infinite.
    Infinite,
    /// The mathematics has no value: NaN is owed.
    Undefined,
}

impl Kind {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Proved => "proved",
            Kind::Set => "set",
            Kind::Overflow => "overflow",
            Kind::Infinite => "infinite",
            Kind::Undefined => "undefined",
        }
    }
}

/// A tensor as the protocol writes it, or with `runs` instead of `values`.
#[derive(Clone, Debug)]
pub struct StoredTensor(pub Tensor);

impl PartialEq for StoredTensor {
    fn eq(&self, other: &StoredTensor) -> bool {
        self.0.same_bits(&other.0)
    }
}

#[derive(Serialize)]
struct Runs<'a, T> {
    dtype: &'static str,
    shape: &'a [usize],
    runs: Vec<(usize, T)>,
}

impl Serialize for StoredTensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use crate::tensor::Values;
        let (dtype, shape) = (self.0.dtype.name(), &self.0.shape[..]);
        match &self.0.values {
            Values::Float(values) => {
                let floats: Vec<Float> = values.iter().map(|&x| Float(x)).collect();
                if let Some(runs) = preferred_runs(&floats) {
                    return Runs { dtype, shape, runs }.serialize(serializer);
                }
            }
            Values::I64(values) => {
                if let Some(runs) = preferred_runs(values) {
                    return Runs { dtype, shape, runs }.serialize(serializer);
                }
            }
            Values::Bool(values) => {
                if let Some(runs) = preferred_runs(values) {
                    return Runs { dtype, shape, runs }.serialize(serializer);
                }
            }
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredTensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StoredTensor, D::Error> {
        let mut map = serde_json::Map::deserialize(deserializer)?;
        let known = ["dtype", "shape", "values", "runs", "base64"];
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(D::Error::custom(format!("unknown field `{name}` of a tensor")));
        }
        if let Some(runs) = map.remove("runs") {
            let runs: Vec<(usize, serde_json::Value)> =
                serde_json::from_value(runs).map_err(D::Error::custom)?;
            let values = expand(runs).map_err(D::Error::custom)?;
            if map.insert("values".to_owned(), values.into()).is_some() {
                return Err(D::Error::custom("both values and runs given"));
            }
        }
        let tensor = serde_json::from_value(serde_json::Value::Object(map)).map_err(D::Error::custom)?;
        Ok(StoredTensor(tensor))
    }
}

/// `MANIFEST.json`: what belongs to a set of golden files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the files' form.
    pub schema: u32,
    /// What made the set.
    pub source: Source,
    /// Every file, by its path inside the folder.
    pub files: BTreeMap<String, Listed>,
}

/// A file of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "oracle", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3 hash in hexadecimal.
    pub blake3: String,
}
