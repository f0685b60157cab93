//! The JSON Schema of the golden files, from their types; what the types write by hand is described by hand here.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use std::borrow::Cow;

/// The schema's text, as it stands in `golden/schema.json`.
pub fn text() -> String {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<super::File>();
    schema.insert("title".to_owned(), "A golden file of lossproof".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// A type that stands for a schema only.
macro_rules! described {
    ($(#[$doc:meta])* $name:ident, $generator:ident, $schema:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// An enumeration of names.
fn names<T>(all: &[T], name: impl Fn(&T) -> &'static str) -> Schema {
    let names: Vec<&str> = all.iter().map(name).collect();
    json_schema!({ "type": "string", "enum": names })
}

described!(
    /// A format's name.
    FormatName, _generator, names(&crate::format::Format::ALL, |format| format.name())
);
described!(
    /// A regime's name.
    RegimeName, _generator, names(&crate::case::regime::Regime::ALL, |regime| regime.name())
);
described!(
    /// A level's name.
    LevelName, _generator,
    json_schema!({
        "type": "string",
        "enum": ["correct", "faithful", "accurate", "stable", "backward", "sane", "broken"]
    })
);
described!(
    /// The name of a way to sum.
    SummationName, _generator,
    json_schema!({ "type": "string", "enum": ["blocked", "pairwise", "sequential"] })
);
described!(
    /// Parameters by name.
    ParamValues, _generator,
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["null", "boolean", "integer", "number", "string"] }
    })
);
described!(
    /// A float: a number, the exact f64 in its shortest round-trip form, or a name.
    FloatValue, _generator,
    json_schema!({ "anyOf": [{ "type": "number" }, { "enum": ["inf", "-inf", "nan"] }] })
);
described!(
    /// y, one number: a float; head and tail in f64; m·2^e where neither holds it.
    OneNumber, generator,
    json_schema!({ "anyOf": [
        generator.subschema_for::<FloatValue>(),
        { "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 },
        { "type": "string", "pattern": r"^-?[0-9]+\*2\^-?[0-9]+$" }
    ] })
);
described!(
    /// The canonical truth of an element: one number, or both ends of a kink's interval.
    CanonicalNumber, generator,
    json_schema!({ "anyOf": [
        generator.subschema_for::<OneNumber>(),
        {
            "type": "object",
            "properties": {
                "low": generator.subschema_for::<OneNumber>(),
                "high": generator.subschema_for::<OneNumber>()
            },
            "required": ["low", "high"],
            "additionalProperties": false
        }
    ] })
);

/// A list of such elements in one of its forms.
fn list<T: JsonSchema>(generator: &mut SchemaGenerator, bytes: &[&str]) -> Schema {
    let element = generator.subschema_for::<T>();
    let object = |name: &str, schema: serde_json::Value| {
        serde_json::json!({
            "type": "object",
            "properties": { name: schema },
            "required": [name],
            "additionalProperties": false
        })
    };
    let run = serde_json::json!({
        "type": "array",
        "prefixItems": [{ "type": "integer", "minimum": 1 }, element.clone()],
        "minItems": 2,
        "maxItems": 2
    });
    let mut forms = vec![serde_json::json!({ "type": "array", "items": element })];
    forms.push(object("runs", serde_json::json!({ "type": "array", "items": run })));
    forms.extend(bytes.iter().map(|name| object(name, serde_json::json!({ "type": "string" }))));
    json_schema!({ "anyOf": forms })
}

described!(
    /// Floats, one an element.
    Floats, generator, list::<FloatValue>(generator, &["base64"])
);
described!(
    /// Canonical numbers, one an element.
    Numbers, generator, list::<CanonicalNumber>(generator, &["base64", "base64_pairs"])
);
described!(
    /// Kinds, one an element.
    Kinds, generator, list::<super::Kind>(generator, &[])
);
described!(
    /// Truth values, one an element.
    Booleans, generator, list::<bool>(generator, &[])
);

impl JsonSchema for super::StoredTensor {
    fn schema_name() -> Cow<'static, str> {
        "Tensor".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let element = serde_json::json!({ "anyOf": [
            generator.subschema_for::<FloatValue>(), { "type": "integer" }, { "type": "boolean" }
        ] });
        let form = |name: &str, schema: serde_json::Value| {
            serde_json::json!({
                "type": "object",
                "properties": {
                    "dtype": { "enum": ["f64", "f32", "f16", "bf16", "i64", "bool"] },
                    "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                    name: schema
                },
                "required": ["dtype", "shape", name],
                "additionalProperties": false
            })
        };
        let run = serde_json::json!({
            "type": "array",
            "prefixItems": [{ "type": "integer", "minimum": 1 }, element.clone()],
            "minItems": 2,
            "maxItems": 2
        });
        json_schema!({
            "description": "A tensor: values, runs of them, or little-endian bytes.",
            "anyOf": [
                form("values", serde_json::json!({ "type": "array", "items": element })),
                form("runs", serde_json::json!({ "type": "array", "items": run })),
                form("base64", serde_json::json!({ "type": "string" }))
            ]
        })
    }
}
