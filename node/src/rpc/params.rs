//! Parameters of a method, from a JSON body or from a URI query with CometBFT's quoting rules.
//!
//! In a URI: text stands in double quotes, numbers bare or quoted, bytes as `0x` hex or as quoted text (the text's own bytes),
//! booleans bare. In JSON: 64-bit numbers as text or number, bytes as base64, hash and query data also as hex.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::envelope::RpcError;

/// The arguments of one call by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(BTreeMap<String, Arg>);

#[derive(Clone, Debug, PartialEq)]
enum Arg {
    Json(Value),
    Uri(String),
}

type Parsed<T> = Result<Option<T>, RpcError>;

impl Params {
    /// From `params` of a JSON-RPC call; an array is matched to `names` by position. Unknown names are refused.
    pub fn from_json(params: Value, names: &[&str]) -> Result<Self, RpcError> {
        let pairs: Vec<(String, Value)> = match params {
            Value::Null => Vec::new(),
            Value::Object(object) => object.into_iter().collect(),
            Value::Array(items) if items.len() <= names.len() => {
                names.iter().map(|name| (*name).to_owned()).zip(items).collect()
            }
            Value::Array(items) => {
                return Err(bad(format!("{} parameters given, at most {} expected", items.len(), names.len())));
            }
            _ => return Err(bad("params is an object or an array".into())),
        };
        Self::collect(pairs.into_iter().filter(|(_, value)| !value.is_null()).map(|(n, v)| (n, Arg::Json(v))), names)
    }

    /// From the part of a URI behind `?`, percent-decoded here.
    pub fn from_query(query: &str, names: &[&str]) -> Result<Self, RpcError> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (percent_decode(name)?, percent_decode(value)?);
            if !value.is_empty() {
                pairs.push((name, Arg::Uri(value)));
            }
        }
        Self::collect(pairs.into_iter(), names)
    }

    fn collect(pairs: impl Iterator<Item = (String, Arg)>, names: &[&str]) -> Result<Self, RpcError> {
        let mut args = BTreeMap::new();
        for (name, value) in pairs {
            if !names.contains(&name.as_str()) {
                return Err(bad(format!("unknown parameter {name:?}; expected: {}", names.join(", "))));
            }
            if args.insert(name.clone(), value).is_some() {
                return Err(bad(format!("parameter {name:?} is given twice")));
            }
        }
        Ok(Self(args))
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Parsed<i64> {
        let Some(arg) = self.0.get(name) else { return Ok(None) };
        let text = match arg {
            Arg::Json(Value::Number(number)) => {
                return number.as_i64().map(Some).ok_or_else(|| expected(name, "a whole number"));
            }
            Arg::Json(Value::String(text)) => text.as_str(),
            Arg::Uri(text) => unquote(text).unwrap_or(text),
            Arg::Json(_) => return Err(expected(name, "a whole number")),
        };
        text.parse().map(Some).map_err(|_| expected(name, "a whole number"))
    }

    /// Text.
    pub fn text(&self, name: &str) -> Parsed<String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Arg::Json(Value::String(text))) => Ok(Some(text.clone())),
            Some(Arg::Uri(text)) if is_hex(text) => {
                let bytes = hex::decode(&text[2..]).map_err(|_| expected(name, "hex digits after 0x"))?;
                String::from_utf8(bytes).map(Some).map_err(|_| expected(name, "UTF-8 text"))
            }
            Some(Arg::Uri(text)) => json_text(text).map(Some).ok_or_else(|| expected(name, "text in double quotes")),
            Some(Arg::Json(_)) => Err(expected(name, "text")),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Parsed<bool> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Arg::Json(Value::Bool(flag))) => Ok(Some(*flag)),
            Some(Arg::Uri(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(_) => Err(expected(name, "true or false")),
        }
    }

    /// Bytes, such as a transaction: base64 in JSON, `0x` hex or quoted text in a URI.
    pub fn bytes(&self, name: &str) -> Parsed<Vec<u8>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Arg::Json(Value::String(text))) => {
                STANDARD.decode(text).map(Some).map_err(|_| expected(name, "base64"))
            }
            Some(Arg::Uri(text)) => uri_bytes(text).map(Some).ok_or_else(|| expected(name, "0x hex or quoted text")),
            Some(Arg::Json(_)) => Err(expected(name, "base64")),
        }
    }

    /// Bytes that clients write as hex in JSON (`abci_query` data).
    pub fn hex_bytes(&self, name: &str) -> Parsed<Vec<u8>> {
        match self.0.get(name) {
            Some(Arg::Json(Value::String(text))) => {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                hex::decode(digits).map(Some).map_err(|_| expected(name, "hex"))
            }
            _ => self.bytes(name),
        }
    }

    /// A 32-byte hash: base64 or hex in JSON, `0x` hex (or quoted hex) in a URI.
    pub fn hash(&self, name: &str) -> Parsed<[u8; 32]> {
        let Some(arg) = self.0.get(name) else { return Ok(None) };
        let text = match arg {
            Arg::Json(Value::String(text)) => text.as_str(),
            Arg::Uri(text) => unquote(text).unwrap_or(text),
            Arg::Json(_) => return Err(expected(name, "a hash of 32 bytes")),
        };
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let bytes = if digits.len() == 64 { hex::decode(digits).ok() } else { STANDARD.decode(text).ok() };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Some).ok_or_else(|| expected(name, "a hash of 32 bytes"))
    }
}

/// Fails where a required parameter is absent.
pub fn required<T>(name: &str, value: Option<T>) -> Result<T, RpcError> {
    value.ok_or_else(|| bad(format!("parameter {name:?} is missing")))
}

fn uri_bytes(text: &str) -> Option<Vec<u8>> {
    if is_hex(text) { hex::decode(&text[2..]).ok() } else { json_text(text).map(String::into_bytes) }
}

fn is_hex(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X")
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn json_text(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

fn bad(message: String) -> RpcError {
    RpcError::Params(message)
}

fn expected(name: &str, what: &str) -> RpcError {
    bad(format!("parameter {name:?}: {what} is expected"))
}

/// Decodes `%41` and `+`; the result must be UTF-8.
pub fn percent_decode(text: &str) -> Result<String, RpcError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next().unwrap_or(b'?'), bytes.next().unwrap_or(b'?')];
                let mut decoded = [0];
                hex::decode_to_slice(pair, &mut decoded)
                    .map_err(|_| bad("a % is not followed by two hex digits".into()))?;
                out.push(decoded[0]);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| bad("a parameter is not UTF-8".into()))
}

#[cfg(test)]
#[path = "params_test.rs"]
mod tests;
