//! A JSON object, taken apart field by field, so that what is left over can be counted.
//!
//! Owns: that a field comes once, and has the type it should. Never: which fields there are.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object's fields that were not taken yet.
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

/// Why an object is not what it should be: the field, and what about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub field: &'static str,
    pub what: &'static str,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.what)
    }
}

impl std::error::Error for FieldError {}

impl<'a> Fields<'a> {
    /// The fields of the object that `json` is; `None` if it is none, or one field comes twice.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The field as it was written. `null` is as good as left out.
    pub(super) fn raw(&mut self, field: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(name, _)| name == field)?;
        let (_, value) = self.0.swap_remove(at);
        Some(value).filter(|value| value.get() != "null")
    }

    /// The field, if it is there.
    pub(super) fn get<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<Option<T>, FieldError> {
        let wrong = FieldError { field, what: "has the wrong type" };
        self.raw(field).map(|raw| serde_json::from_str(raw.get()).map_err(|_| wrong)).transpose()
    }

    /// The field, which must be there.
    pub(super) fn need<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<T, FieldError> {
        self.get(field)?.ok_or(FieldError { field, what: "is missing" })
    }

    /// The field as what its text means, if it is there.
    pub(super) fn read<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        let wrong = FieldError { field, what: "makes no sense" };
        self.get::<String>(field)?.map(|text| read(&text).ok_or(wrong)).transpose()
    }

    /// The field as a newtype of the domain, if it is there.
    pub(super) fn parse<T: FromStr>(&mut self, field: &'static str) -> Result<Option<T>, FieldError> {
        self.read(field, |text| text.parse().ok())
    }

    /// How many fields nobody took.
    pub(super) fn left(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

/// The value, or that the field is missing.
pub(super) fn needed<T>(field: &'static str, value: Option<T>) -> Result<T, FieldError> {
    value.ok_or(FieldError { field, what: "is missing" })
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    // Two readers of one text must never read different things.
                    if fields.len() >= FIELDS_MAX || fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("a field comes twice, or there are too many"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Fields of one object; looking each up costs as many steps.
const FIELDS_MAX: usize = 64;
