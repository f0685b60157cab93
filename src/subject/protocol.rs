//! The adapter protocol, version 1: the lines that lossproof and an adapter exchange, for either side.

use super::Answer;
use crate::case::{Case, CaseError, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::kernel::Support;
use crate::loss::{self, Params};
use crate::tensor::{Dtype, Tensor, Values};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The protocol's version.
pub const VERSION: u64 = 1;

/// The first line: lossproof asks, the adapter introduces itself.
pub fn hello_request() -> String {
    format!("{{\"lossproof\":{VERSION}}}\n")
}

/// What an adapter says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it takes, losses of this catalogue only.
    pub supports: Vec<Support>,
    /// Losses that it names and this catalogue does not have: an adapter may be newer than lossproof.
    pub unknown_losses: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct RawHello {
    lossproof: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    supports: Vec<Support>,
}

impl Hello {
    /// Reads a hello; in words what is wrong with it otherwise.
    pub fn parse(line: &[u8]) -> Result<Hello, String> {
        let raw: RawHello = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if raw.lossproof != VERSION {
            return Err(format!("it speaks protocol version {}, this is version {VERSION}", raw.lossproof));
        }
        let (mut supports, mut unknown_losses) = (Vec::new(), Vec::new());
        for support in raw.supports {
            if loss::find(&support.loss).is_none() {
                if !unknown_losses.contains(&support.loss) {
                    unknown_losses.push(support.loss);
                }
            } else {
                supports.push(checked(support)?);
            }
        }
        let name = if raw.name.is_empty() { "adapter".to_owned() } else { raw.name };
        Ok(Hello { name, version: raw.version, supports, unknown_losses })
    }

    /// As one line, with its end.
    pub fn to_line(&self) -> String {
        let (name, version, supports) = (self.name.clone(), self.version.clone(), self.supports.clone());
        line(&RawHello { lossproof: VERSION, name, version, supports })
    }
}

/// With every name held against the catalogue, and the pinned parameters in the form that their kinds write: 2.0 where
/// 2 was given.
fn checked(mut support: Support) -> Result<Support, String> {
    let loss = &support.loss;
    let spec = loss::find(loss).ok_or_else(|| format!("no loss `{loss}`"))?.spec();
    if let Some(name) = support.gradients.iter().find(|name| !spec.differentiable().any(|d| d == **name)) {
        return Err(format!("{loss} has no gradient by `{name}`"));
    }
    let optional = |name: &String| spec.input(name).is_some_and(|input| input.optional);
    if let Some(name) = support.optional_inputs.iter().find(|name| !optional(name)) {
        return Err(format!("{loss} has no optional input `{name}`"));
    }
    let complete = support.params.complete(spec).map_err(|error| error.to_string())?;
    for (name, value) in &mut support.params.0 {
        *value = complete.get(name).clone();
    }
    Ok(support)
}

/// A request as it is written.
#[derive(Serialize)]
struct RequestLine<'a> {
    id: u64,
    #[serde(flatten)]
    case: &'a Case,
}

/// A case as a request line, with its end.
pub fn request_line(id: u64, case: &Case) -> String {
    line(&RequestLine { id, case })
}

/// A case as the request that it is in files and reports: without an id.
pub fn request(case: &Case) -> String {
    let mut text = line(case);
    text.pop();
    text
}

fn line(value: &impl Serialize) -> String {
    // Maps have string keys and tensors serialise by themselves, so this cannot fail; a failure would be an empty line,
    // which the other side refuses.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is not JSON, or not of the form.
    #[error("the request cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A format that there is not.
    #[error("unknown format `{0}`; there are f64, f32, f16 and bf16")]
    Format(String),
    /// It does not describe a case.
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// A request as it was read: parameters, upstream and gradients may be left out, and are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The case, checked.
    pub case: Case,
    /// Whether the answer shall carry the truth's bounds; by size if nothing is said.
    pub truth: Option<bool>,
}

#[derive(Deserialize)]
struct RawRequest {
    loss: String,
    format: String,
    #[serde(default)]
    params: Option<Params>,
    inputs: Tensors,
    #[serde(default)]
    upstream: Option<Tensor>,
    #[serde(default)]
    gradients: Option<Vec<String>>,
    #[serde(default)]
    truth: Option<bool>,
}

impl Request {
    /// Reads a request.
    pub fn parse(text: &[u8]) -> Result<Request, RequestError> {
        let raw: RawRequest = serde_json::from_slice(text)?;
        let format = Format::parse(&raw.format).ok_or(RequestError::Format(raw.format))?;
        let entry = loss::find(&raw.loss).ok_or_else(|| CaseError::UnknownLoss(raw.loss.clone()))?;
        let spec = entry.spec();
        let params = raw.params.unwrap_or_default().complete(spec).map_err(CaseError::from)?;
        let upstream = match raw.upstream {
            Some(upstream) => upstream,
            None => {
                // The inputs first: the default upstream has a shape that follows from them.
                let domain = |error| CaseError::Domain { loss: spec.id, error };
                entry.check(format, &params, &raw.inputs).map_err(domain)?;
                Tensor::full(format, &entry.loss_shape(&params, &raw.inputs), 1.0)
            }
        };
        let gradients = raw.gradients.unwrap_or_default();
        let case = Case { loss: raw.loss, format, params, inputs: raw.inputs, upstream, gradients };
        Ok(Request { case: case.checked()?, truth: raw.truth })
    }
}

/// The id of a line, as it stands there; null where the line has none. An error where it is not JSON.
///
/// Nothing else of the line is kept in memory.
pub fn id_of(text: &[u8]) -> Result<Envelope, serde_json::Error> {
    serde_json::from_slice(text)
}

/// What tells lines apart.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// The id, of a request or an answer.
    #[serde(default)]
    pub id: Value,
    /// The protocol's version, of a hello.
    #[serde(default)]
    pub lossproof: Value,
}

/// An answer as it was read, with the id of its request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The id.
    pub id: u64,
    /// The answer; outputs that cannot be read are a `protocol_error`.
    pub answer: Answer,
}

#[derive(Deserialize)]
struct RawReply {
    outputs: Option<Tensors>,
    unsupported: Option<String>,
    error: Option<String>,
}

impl Reply {
    /// Reads an answer line; in words why it answers nothing otherwise.
    pub fn parse(text: &[u8]) -> Result<Reply, String> {
        let envelope = id_of(text).map_err(|error| format!("a line that is no JSON object: {error}"))?;
        let id = envelope.id.as_u64().ok_or_else(|| format!("an answer with id {}", envelope.id))?;
        let protocol_error = |reason| Answer::Failed { fault: Fault::ProtocolError, reason };
        let answer = match serde_json::from_slice(text) {
            Err(error) => protocol_error(format!("an answer that cannot be read: {error}")),
            Ok(RawReply { error: Some(reason), .. }) => Answer::Failed { fault: Fault::Crash, reason },
            Ok(RawReply { unsupported: Some(why), .. }) => Answer::Unsupported(why),
            Ok(RawReply { outputs: Some(outputs), .. }) => Answer::Outputs(outputs),
            Ok(_) => protocol_error("an answer without outputs, unsupported or error".to_owned()),
        };
        Ok(Reply { id, answer })
    }
}

/// A bounded piece of something that a stranger wrote, for messages.
pub fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 120;
    let shown = String::from_utf8_lossy(&text[..text.len().min(LONGEST)]);
    let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.len() > LONGEST { format!("`{shown}…`") } else { format!("`{shown}`") }
}

/// A float tensor of an answer; the values are numbers of the format.
pub fn output_tensor(format: Format, shape: &[usize], values: Vec<f64>) -> Tensor {
    Tensor { dtype: Dtype::Float(format), shape: shape.to_vec(), values: Values::Float(values) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::ParamValue;

    const REQUEST: &str = r#"{"id":7,"loss":"mse","format":"f32","inputs":{
        "prediction":{"dtype":"f32","shape":[3],"values":[0.5,-0.0,2.0]},
        "target":{"dtype":"f32","shape":[3],"values":[0.0,1.0,4.0]}},"gradients":["prediction"],"new":1}"#;

    #[test]
    fn a_request_is_filled_in_and_comes_back_as_it_was() {
        let request = Request::parse(REQUEST.as_bytes()).unwrap();
        assert_eq!(request.case.upstream, Tensor::full(Format::F32, &[], 1.0));
        assert_eq!(request.case.params.text("reduction"), "mean");
        let again = request_line(7, &request.case);
        assert!(again.starts_with(r#"{"id":7,"loss":"mse","format":"f32","params":{"#), "{again}");
        assert_eq!(Request::parse(again.as_bytes()).unwrap(), request);
    }

    #[test]
    fn a_hello_is_held_against_the_catalogue() {
        let hello = |supports: &str| {
            let text = format!(r#"{{"lossproof":1,"name":"a","version":"2","supports":[{supports}]}}"#);
            Hello::parse(text.as_bytes())
        };
        let good = hello(
            r#"{"loss":"triplet_margin","formats":["f32","bf16"],"gradients":["anchor"],"params":{"p":2}},{"loss":"x","formats":[]}"#,
        );
        let good = good.unwrap();
        assert_eq!(good.unknown_losses, ["x"]);
        assert_eq!(*good.supports[0].params.get("p"), ParamValue::Number(2.0));
        assert_eq!(Hello::parse(good.to_line().as_bytes()).unwrap().supports, good.supports);
        let refused = [
            (r#"{"loss":"mse","formats":["f8"]}"#, "unknown variant `f8`"),
            (r#"{"loss":"mse","formats":["f32"],"gradients":["weight"]}"#, "mse has no gradient by `weight`"),
            (
                r#"{"loss":"mse","formats":["f32"],"optional_inputs":["target"]}"#,
                "no optional input `target`",
            ),
            (r#"{"loss":"mse","formats":["f32"],"params":{"reduction":"max"}}"#, "`reduction` is one of"),
        ];
        for (supports, problem) in refused {
            let error = hello(supports).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        assert!(Hello::parse(br#"{"lossproof":2,"supports":[]}"#).unwrap_err().contains("version 2"));
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_still_its_case_s_own() {
        let parse = |text: &str| Reply::parse(text.as_bytes());
        let bad = parse(r#"{"id":3,"outputs":{"loss":{"dtype":"f32","shape":[2],"values":[1.0]}}}"#).unwrap();
        assert!(matches!(bad, Reply { id: 3, answer: Answer::Failed { fault: Fault::ProtocolError, .. } }));
        let crash = parse(r#"{"id":3,"error":"boom"}"#).unwrap().answer;
        assert_eq!(crash, Answer::Failed { fault: Fault::Crash, reason: "boom".into() });
        assert!(parse("Traceback").is_err());
        assert!(parse(r#"{"outputs":{}}"#).is_err());
        assert!(parse(r#"{"id":"7","outputs":{}}"#).is_err());
    }
}
