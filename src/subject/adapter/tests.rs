//! One answer for each line, whatever the line and whatever the kernel does.

use super::*;
use crate::case::{LOSS, Tensors, gradient_name};
use crate::format::Format;
use crate::kernel::KernelError;
use crate::loss::Params;
use crate::tensor::{BASE64_ABOVE, Tensor};
use std::io::BufReader;

/// Answers mae by what the first prediction is.
struct Odd;

impl Kernel for Odd {
    fn run(&self, case: &Case) -> std::result::Result<Tensors, KernelError> {
        let prediction = case.input("prediction");
        match prediction.floats()[0] {
            0.0 => panic!("no zeros"),
            1.0 => Err(KernelError::Failed("one".into())),
            2.0 => Err(KernelError::Unsupported("two".into())),
            x => Ok(Tensors::from([
                (LOSS.to_owned(), Tensor::full(Format::F32, &[], x)),
                (gradient_name("prediction"), prediction.clone()),
            ])),
        }
    }

    fn version(&self) -> &str {
        "3.1"
    }

    fn supports(&self) -> Vec<Support> {
        vec![Support {
            formats: vec![Format::F32],
            gradients: vec!["prediction".to_owned()],
            optional_inputs: Vec::new(),
            params: Params::default().with("reduction", "mean"),
            ..Support::everything("mae")
        }]
    }
}

fn talk(input: &[u8]) -> Vec<Value> {
    let mut output = Vec::new();
    serve_on(&Odd, input, &mut output).unwrap();
    assert!(output.is_empty() || output.ends_with(b"\n"));
    output
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The answer to one request of mae with these predictions; `more` are fields besides.
fn ask(prediction: &[f64], more: &str) -> Value {
    let shape = [prediction.len()];
    let prediction = Tensor::float(Format::F32, &shape, prediction.to_vec());
    let inputs = Tensors::from([
        ("prediction".to_owned(), prediction),
        ("target".to_owned(), Tensor::full(Format::F32, &shape, 0.0)),
    ]);
    let inputs = serde_json::to_string(&inputs).unwrap();
    let line = format!(r#"{{"id":"a","loss":"mae","format":"f32","inputs":{inputs}{more}}}"#);
    let mut answers = talk(line.as_bytes());
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn the_hello_is_the_kernel_s_own() {
    let line = b"{\"lossproof\":1,\"new\":[]}\r\n";
    let mut output = Vec::new();
    serve_on(&Odd, &line[..], &mut output).unwrap();
    let hello = Hello::parse(&output).unwrap();
    assert_eq!((hello.name.as_str(), hello.version.as_str()), ("Odd", "3.1"));
    assert_eq!(hello.supports, Odd.supports());
    assert!(talk(b"{\"lossproof\":2}\n")[0]["error"].as_str().unwrap().contains("version 2"));
}

#[test]
fn a_kernel_that_fails_costs_its_request() {
    assert_eq!(ask(&[0.0], ""), json!({"id": "a", "error": "panicked: no zeros"}));
    assert_eq!(ask(&[1.0], ""), json!({"id": "a", "error": "one"}));
    assert_eq!(ask(&[2.0], ""), json!({"id": "a", "unsupported": "two"}));
    // Unknown fields are ignored.
    let good = ask(&[3.0], r#","gradients":["prediction"],"new":{"a":1}"#);
    assert_eq!(good["id"], "a");
    assert_eq!(good["outputs"]["loss"], json!({"dtype": "f32", "shape": [], "values": [3.0]}));
}

#[test]
fn what_is_not_declared_is_unsupported_without_asking() {
    let unsupported = |more: &str| ask(&[0.0], more)["unsupported"].as_str().map(str::to_owned);
    let weight = r#","inputs":{"prediction":{"dtype":"f32","shape":[1],"values":[0]},
        "target":{"dtype":"f32","shape":[1],"values":[0]},"weight":{"dtype":"f32","shape":[1],"values":[1]}}"#
        .replace('\n', "");
    let line = format!(r#"{{"id":"a","loss":"mae","format":"f32"{weight}}}"#);
    assert_eq!(talk(line.as_bytes())[0]["unsupported"], "mae: no input weight");
    assert_eq!(unsupported(r#","gradients":["target"]"#).unwrap(), "mae: no gradient by target");
    assert!(unsupported(r#","params":{"reduction":"sum"}"#).unwrap().contains("reduction is pinned to"));
    // What is not pinned is taken, and the kernel is asked.
    assert_eq!(unsupported(r#","params":{"empty_mean":"zero","reduction":"mean"}"#), None);
    let line = line.replace("mae", "mse").replace(&weight, &weight.replace("weight", "target"));
    assert_eq!(talk(line.as_bytes())[0]["unsupported"], "no mse in f32");
}

#[test]
fn bad_lines_are_answered_and_the_next_is_read() {
    let mut input = b"garbage\n\n[]\n{\"id\":1\n{\"loss\":\"mae\"}\n\xff\xfe\n".to_vec();
    input.extend(
        b"{\"id\":7,\"loss\":\"mae\"}\n{\"id\":[8],\"loss\":\"no such\",\"format\":\"f32\",\"inputs\":{}}",
    );
    let answers = talk(&input);
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(json!(ids), json!([null, null, null, null, null, null, 7, [8]]));
    assert!(answers.iter().all(|answer| answer["error"].is_string()), "{answers:?}");
}

#[test]
fn many_elements_travel_as_base64_both_ways() {
    let many: Vec<f64> = (0..=BASE64_ABOVE).map(|i| i as f64 + 3.0).collect();
    let answer = ask(&many, r#","gradients":["prediction"]"#);
    let gradient = &answer["outputs"]["grad.prediction"];
    assert!(gradient["base64"].is_string() && gradient["values"].is_null());
    let gradient: Tensor = serde_json::from_value(gradient.clone()).unwrap();
    assert_eq!(gradient.floats(), many);
    assert!(ask(&many[..BASE64_ABOVE], "")["outputs"]["grad.prediction"]["values"].is_array());
}

/// Fails at the second line, in this way.
struct Failing(ErrorKind, usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.1 += 1;
        if self.1 > 1 { Err(self.0.into()) } else { Ok(()) }
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error_and_ends_the_reading() {
    let endless = || BufReader::new(std::io::repeat(b'\n'));
    serve_on(&Odd, endless(), Failing(ErrorKind::BrokenPipe, 0)).unwrap();
    let error = serve_on(&Odd, endless(), Failing(ErrorKind::StorageFull, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(error.to_string().starts_with("standard output: "));
}
