//! Floats in reports as the protocol writes them: a number, or "inf", "-inf", "nan".

use crate::tensor::{JsonFloat, parse_json_float};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    JsonFloat(*x).serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    parse_json_float(&value).ok_or_else(|| D::Error::custom(format!("{value} is no number")))
}

/// The same, with null for nothing.
pub mod optional {
    use super::*;

    pub fn serialize<S: Serializer>(x: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        x.map(JsonFloat).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(None),
            value => parse_json_float(&value)
                .map(Some)
                .ok_or_else(|| D::Error::custom(format!("{value} is no number"))),
        }
    }
}
