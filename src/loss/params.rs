//! A loss's parameters: names with values, completed and checked against the loss's [`Spec`].

use super::spec::{ParamKind, ParamSpec, Spec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A parameter's value. Numbers are exact f64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Absent on purpose: no ignore index, no clamp.
    Null,
    /// A switch.
    Bool(bool),
    /// A whole number where the parameter is one.
    Integer(i64),
    /// A real number.
    Number(f64),
    /// A choice by name.
    Text(String),
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamValue::Null => f.write_str("null"),
            ParamValue::Bool(value) => write!(f, "{value}"),
            ParamValue::Integer(value) => write!(f, "{value}"),
            ParamValue::Number(value) => write!(f, "{value:?}"),
            ParamValue::Text(value) => f.write_str(value),
        }
    }
}

impl From<&str> for ParamValue {
    fn from(text: &str) -> Self {
        ParamValue::Text(text.to_owned())
    }
}

impl From<f64> for ParamValue {
    fn from(value: f64) -> Self {
        ParamValue::Number(value)
    }
}

impl From<i64> for ParamValue {
    fn from(value: i64) -> Self {
        ParamValue::Integer(value)
    }
}

impl From<bool> for ParamValue {
    fn from(value: bool) -> Self {
        ParamValue::Bool(value)
    }
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// The loss has no parameter of that name.
    #[error("{loss} has no parameter `{name}`; it has {known}")]
    Unknown { loss: &'static str, name: String, known: String },
    /// The value is not one that the parameter takes.
    #[error("{loss}: parameter `{name}` is {expected}, not {found}")]
    Value { loss: &'static str, name: &'static str, expected: String, found: String },
}

/// Parameter values by name. Complete ones (from [`Params::complete`]) have every parameter of the loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(pub BTreeMap<String, ParamValue>);

impl Params {
    /// Completes the given values with the defaults and checks names, kinds and ranges.
    pub fn complete(&self, spec: &Spec) -> Result<Params, ParamError> {
        for name in self.0.keys() {
            if spec.param(name).is_none() {
                let known: Vec<String> = spec.params.iter().map(|p| format!("`{}`", p.name)).collect();
                return Err(ParamError::Unknown {
                    loss: spec.id,
                    name: name.clone(),
                    known: known.join(", "),
                });
            }
        }
        let complete = spec.params.iter().map(|param| {
            let given = self.0.get(param.name).cloned().unwrap_or_else(|| param.default_value());
            let value = param.kind.accept(&given).ok_or_else(|| ParamError::Value {
                loss: spec.id,
                name: param.name,
                expected: param.kind.describe(),
                found: given.to_string(),
            })?;
            Ok((param.name.to_owned(), value))
        });
        Ok(Params(complete.collect::<Result<_, _>>()?))
    }

    /// The value of a parameter; null where it is missing.
    pub fn get(&self, name: &str) -> &ParamValue {
        self.0.get(name).unwrap_or(&ParamValue::Null)
    }

    /// Sets a parameter.
    pub fn set(&mut self, name: &str, value: impl Into<ParamValue>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The same, as a builder.
    pub fn with(mut self, name: &str, value: impl Into<ParamValue>) -> Params {
        self.set(name, value);
        self
    }

    /// A number, from a number or an integer; `None` for anything else, null included.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            ParamValue::Number(value) => Some(*value),
            ParamValue::Integer(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// An integer; `None` for null.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            ParamValue::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// A choice by name; empty where it is none.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            ParamValue::Text(value) => value,
            _ => "",
        }
    }

    /// A switch; false where it is none.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), ParamValue::Bool(true))
    }
}

impl ParamSpec {
    /// The default, as the kind writes it.
    pub fn default_value(&self) -> ParamValue {
        self.default.to_value()
    }
}

impl ParamKind {
    /// The value in the form that the kind writes, or nothing where it does not take it.
    fn accept(&self, value: &ParamValue) -> Option<ParamValue> {
        let number = match value {
            ParamValue::Number(x) => Some(*x),
            ParamValue::Integer(x) => Some(*x as f64),
            _ => None,
        };
        match self {
            ParamKind::Real { range, null, also } => match value {
                ParamValue::Null if *null => Some(ParamValue::Null),
                ParamValue::Text(text) if also.contains(&text.as_str()) => Some(value.clone()),
                _ => number.filter(|&x| range.holds(x)).map(ParamValue::Number),
            },
            ParamKind::Integer { null } => match value {
                ParamValue::Null if *null => Some(ParamValue::Null),
                ParamValue::Integer(_) => Some(value.clone()),
                // 2^53: from here on an f64 need not be the integer that was meant.
                ParamValue::Number(x) if x.fract() == 0.0 && x.abs() <= 9007199254740992.0 => {
                    Some(ParamValue::Integer(*x as i64))
                }
                _ => None,
            },
            ParamKind::Flag => matches!(value, ParamValue::Bool(_)).then(|| value.clone()),
            ParamKind::ChoiceOrNull(_) if *value == ParamValue::Null => Some(ParamValue::Null),
            ParamKind::Choice(names) | ParamKind::ChoiceOrNull(names) => match value {
                ParamValue::Text(text) if names.contains(&text.as_str()) => Some(value.clone()),
                _ => None,
            },
        }
    }
}
