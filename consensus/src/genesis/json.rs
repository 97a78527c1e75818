//! Strict reading of JSON with the path in every error.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::GenesisError;

/// A JSON value that keeps duplicate keys, so that they can be refused by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// Null, a number or a bool: never expected, only named in errors.
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, v: &str) -> Result<Json, E> {
        Ok(Json::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Json, E> {
        Ok(Json::Text(v))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other("a bool"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other("a number"))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = map.next_entry()? {
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}

/// A value with its path.
pub(super) struct Node {
    pub path: String,
    json: Json,
}

impl Node {
    pub fn root(bytes: &[u8]) -> Result<Self, GenesisError> {
        // serde_json bounds the depth; the size was bounded before.
        let json = serde_json::from_slice(bytes).map_err(|e| GenesisError::Syntax(e.to_string()))?;
        Ok(Self { path: String::new(), json })
    }

    pub fn fail(&self, problem: impl Into<String>) -> GenesisError {
        GenesisError::field(if self.path.is_empty() { "the file" } else { &self.path }, problem)
    }

    pub fn object(self) -> Result<Fields, GenesisError> {
        match self.json {
            Json::Object(entries) => {
                let mut seen = BTreeSet::new();
                if let Some((key, _)) = entries.iter().find(|(key, _)| !seen.insert(key.clone())) {
                    let path = join(&self.path, key);
                    return Err(GenesisError::field(&path, "this key appears twice; keep one"));
                }
                Ok(Fields { path: self.path, entries })
            }
            ref other => Err(self.fail(format!("expected an object, found {}", kind(other)))),
        }
    }

    pub fn list(self) -> Result<Vec<Node>, GenesisError> {
        match self.json {
            Json::List(items) => {
                let path = self.path;
                let node = |(i, json)| Node { path: format!("{path}[{i}]"), json };
                Ok(items.into_iter().enumerate().map(node).collect())
            }
            ref other => Err(self.fail(format!("expected a list, found {}", kind(other)))),
        }
    }

    pub fn text(&self) -> Result<&str, GenesisError> {
        match &self.json {
            Json::Text(text) => Ok(text),
            other => Err(self.fail(format!("expected a string, found {}", kind(other)))),
        }
    }

    /// A decimal string without sign (unless negative), leading zeros or spaces.
    pub fn integer<T: FromStr + ToString>(&self) -> Result<T, GenesisError> {
        let text = self.text()?;
        let value = text.parse::<T>().ok().filter(|value| value.to_string() == text);
        value.ok_or_else(|| {
            let what = std::any::type_name::<T>();
            self.fail(format!(
                "expected a decimal integer of type {what} as a string, found \"{}\"",
                text.escape_debug()
            ))
        })
    }

    pub fn parse<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, GenesisError> {
        self.text()?.parse().map_err(|e: T::Err| self.fail(e.to_string()))
    }

    pub fn exactly(&self, expected: &str) -> Result<(), GenesisError> {
        let text = self.text()?;
        if text == expected {
            return Ok(());
        }
        Err(self.fail(format!("must be \"{expected}\", found \"{}\"", text.escape_debug())))
    }
}

/// The fields of an object; whoever took all that it knows calls [`Fields::finish`].
pub(super) struct Fields {
    path: String,
    entries: Vec<(String, Json)>,
}

impl Fields {
    pub fn optional(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        let (_, json) = self.entries.swap_remove(at);
        Some(Node { path: join(&self.path, key), json })
    }

    pub fn take(&mut self, key: &str) -> Result<Node, GenesisError> {
        let missing = GenesisError::field(&join(&self.path, key), "this key is missing");
        self.optional(key).ok_or(missing)
    }

    pub fn finish(self) -> Result<(), GenesisError> {
        match self.entries.iter().map(|(key, _)| key).min() {
            None => Ok(()),
            Some(key) => Err(GenesisError::field(&join(&self.path, key), "this key is unknown; remove it")),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = key.escape_debug();
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Text(_) => "a string",
        Json::List(_) => "a list",
        Json::Object(_) => "an object",
        Json::Other(kind) => kind,
    }
}
