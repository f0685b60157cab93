//! Parameter values worth a case: defaults, limits, the choices of frameworks, and what a parameter's name calls for.

use super::Taken;
use super::random::Random;
use crate::loss::{ParamKind, ParamSpec, ParamValue, Params, Spec};

/// Values of a parameter of that name, whatever loss has it; those that it refuses are left out.
fn by_name(name: &str) -> Vec<ParamValue> {
    let numbers: &[f64] = match name {
        "label_smoothing" => &[0.1, 0.2, 0.1, 0.5, 1.0, 0.001],
        "margin" => &[0.0, 0.2, 0.5, 1.0, 2.0],
        "p" => &[1.0, 2.0, 3.0, 1.5, 4.0],
        // 1.345 is Huber's own constant (95 % efficiency at the normal distribution).
        "delta" | "beta" => &[0.0, 0.1, 0.5, 1.0, 1.345, 2.0],
        // 1/8 is a number of every format: it can be met exactly.
        "variance_floor" => &[0.125, 1e-6],
        "gamma" => &[0.0, 0.5, 1.0, 1.5, 2.0, 5.0],
        "alpha" => &[0.0, 0.25, 0.5, 1.0],
        "temperature" | "tau" => &[0.07, 0.1, 0.5, 1.0, 2.0],
        // A class of its own, the last of the common ones, and an ordinary class: the row is ignored all the same.
        "ignore_index" => return [-100i64, -1, 0, 255].map(ParamValue::from).to_vec(),
        _ => &[],
    };
    numbers.iter().copied().map(ParamValue::from).collect()
}

/// Every value that cases give the parameter, each in the form that the parameter writes.
pub(super) fn interesting(param: &ParamSpec) -> Vec<ParamValue> {
    let mut values = vec![param.default_value()];
    values.extend(param.conventions.iter().map(|convention| convention.value.to_value()));
    values.extend(by_name(param.name));
    match &param.kind {
        ParamKind::Choice(names) => values.extend(names.iter().map(|&name| name.into())),
        ParamKind::ChoiceOrNull(names) => {
            values.push(ParamValue::Null);
            values.extend(names.iter().map(|&name| name.into()));
        }
        ParamKind::Flag => values.extend([false.into(), true.into()]),
        ParamKind::Integer { null } => {
            if *null {
                values.push(ParamValue::Null);
            }
        }
        ParamKind::Real { range, null, also } => {
            values.extend(also.iter().map(|&name| name.into()));
            if *null {
                values.push(ParamValue::Null);
            }
            // A convention has its known choices; any other number also comes at its limits and at a plain number.
            if param.conventions.is_empty() {
                let ends = [range.low, range.high, 0.1].into_iter().filter(|&x| range.holds(x));
                values.extend(ends.map(ParamValue::from));
            }
            values.retain(|value| match value {
                ParamValue::Number(x) => range.holds(*x),
                _ => true,
            });
        }
    }
    let mut distinct: Vec<ParamValue> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// A value for every parameter: the pinned one; else the default three times in eight, else any interesting one.
pub(super) fn draw(spec: &Spec, taken: &Taken, random: &Random) -> Params {
    let mut params = taken.pinned.clone();
    for param in spec.params.iter().filter(|param| !taken.pinned.0.contains_key(param.name)) {
        let mut random = random.fork(param.name);
        let value = match param.name {
            // Unreduced losses show each element's error; a mean is what training uses.
            "reduction" => {
                let all = interesting(param);
                let unreduced = ParamValue::from("none");
                if all.contains(&unreduced) && random.chance(3, 10) { unreduced } else { random.pick(&all) }
            }
            _ if random.chance(3, 8) => param.default_value(),
            _ => random.pick(&interesting(param)),
        };
        params.set(param.name, value);
    }
    params
}
