//! Golden tests as safetensors, for programs that read arrays: inputs, upstream, values and bounds. The JSON beside them has
//! the rest, canonical truth among it.

use super::{File, GoldenError};
use crate::format::Format;
use crate::tensor::{Dtype, Tensor};
use safetensors::Dtype as Stored;
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// The file as safetensors. Tensors are named by the test's number: `7.inputs.logits`, `7.upstream`,
/// `7.outputs.loss.values`, and `.budget` and `.backward` (f64) for each output. The metadata have loss and format, and for
/// each test its parameters, regime and flags as JSON.
///
/// Errors: the tensors cannot be put together, which is a bug.
pub fn bytes(file: &File) -> Result<Vec<u8>, GoldenError> {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let mut about: Vec<(String, String)> =
        vec![("loss".to_owned(), file.loss.clone()), ("format".to_owned(), file.format.name().to_owned())];
    for group in &file.groups {
        for test in &group.tests {
            let id = test.id;
            let said = serde_json::json!({
                "params": group.params, "regime": test.regime, "flags": test.flags
            });
            about.push((id.to_string(), said.to_string()));
            let inputs =
                test.inputs.iter().map(|(name, tensor)| (format!("{id}.inputs.{name}"), tensor.0.clone()));
            tensors.extend(inputs);
            tensors.push((format!("{id}.upstream"), test.upstream.0.clone()));
            for (name, output) in &test.outputs {
                let floats =
                    |list: &super::List<super::Float>| list.0.iter().map(|x| x.0).collect::<Vec<_>>();
                let mut add = |what: &str, format, values| {
                    let tensor = Tensor::float(format, &output.shape, values);
                    tensors.push((format!("{id}.outputs.{name}.{what}"), tensor));
                };
                add("values", file.format, floats(&output.values));
                add("budget", Format::F64, floats(&output.budget));
                add("backward", Format::F64, floats(&output.backward));
            }
        }
    }
    // Names are unique, and the library orders tensors by dtype and name. Its metadata is a hash map, whose order is not
    // fixed: everything goes into one entry of ordered JSON.
    let about: serde_json::Map<String, serde_json::Value> =
        about.into_iter().map(|(name, value)| (name, value.into())).collect();
    let metadata = HashMap::from([("lossproof".to_owned(), serde_json::Value::Object(about).to_string())]);
    let wrong = |error: safetensors::SafeTensorError| GoldenError::File {
        path: format!("{}.{}", file.loss, file.format.name()),
        problem: format!("no safetensors: {error}"),
    };
    let stored: Vec<(String, Vec<usize>, Stored, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor.shape.clone(), dtype(tensor.dtype), tensor.to_bytes()))
        .collect();
    let views = stored.iter().map(|(name, shape, dtype, bytes)| {
        Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>().map_err(wrong)?;
    safetensors::serialize(views, Some(metadata)).map_err(wrong)
}

fn dtype(dtype: Dtype) -> Stored {
    match dtype {
        Dtype::Float(Format::F64) => Stored::F64,
        Dtype::Float(Format::F32) => Stored::F32,
        Dtype::Float(Format::F16) => Stored::F16,
        Dtype::Float(Format::Bf16) => Stored::BF16,
        Dtype::I64 => Stored::I64,
        Dtype::Bool => Stored::BOOL,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Group, MachineModel, SCHEMA, Source, select};
    use super::*;
    use crate::loss::LOSSES;
    use safetensors::SafeTensors;
    use std::collections::BTreeMap;

    #[test]
    fn the_tensors_are_those_of_the_file_to_the_bit() {
        let entry = LOSSES[0];
        let (flags, regime, case) = select::triggers(entry, Format::Bf16, 16).swap_remove(0);
        let (params, mut test) = select::proved(case, regime, flags).unwrap();
        test.id = 7;
        let file = File {
            schema: SCHEMA,
            loss: entry.spec().id.to_owned(),
            format: Format::Bf16,
            source: Source { lossproof: String::new(), mpfr: String::new(), seed: 0 },
            machine: MachineModel::of(Format::Bf16),
            nonnegative: entry.spec().nonnegative,
            number_of_tests: 1,
            notes: BTreeMap::new(),
            groups: vec![Group { params, tests: vec![test.clone()] }],
        };
        let bytes = super::bytes(&file).unwrap();
        assert_eq!(bytes, super::bytes(&file).unwrap(), "the same bytes every time");
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.len(), test.inputs.len() + 1 + 3 * test.outputs.len());
        for (name, input) in &test.inputs {
            let stored = read.tensor(&format!("7.inputs.{name}")).unwrap();
            assert_eq!((stored.dtype(), stored.data()), (dtype(input.0.dtype), &input.0.to_bytes()[..]));
        }
        for (name, output) in &test.outputs {
            let stored = read.tensor(&format!("7.outputs.{name}.budget")).unwrap();
            let budget: Vec<u8> = output.budget.0.iter().flat_map(|x| x.0.to_le_bytes()).collect();
            assert_eq!(
                (stored.dtype(), stored.shape(), stored.data()),
                (Stored::F64, &output.shape[..], &budget[..])
            );
        }
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = &metadata.metadata().as_ref().unwrap()["lossproof"];
        assert!(about.contains("\"7\":") && about.contains(regime.name()), "{about}");
    }
}
