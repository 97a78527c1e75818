//! Bodies that are one JSON object, and why one is refused: in words of JSON, since those of the libraries name our types and repeat what was sent, however
//! long it is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

use super::Problem;
use super::values::short;

/// Most characters of a sentence of a library.
const MAX_SENTENCE: usize = 300;

/// What stands in braces: a struct would take its members from a list, too, by their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Reads a body that is an object; `remedy` says what to send.
///
/// # Errors
/// 400, with the field that is wrong.
pub fn read_object<T: DeserializeOwned>(body: &[u8], remedy: &str) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let why = match serde_path_to_error::deserialize(&mut json) {
        Ok(Object(read)) => match json.end() {
            Ok(()) => return Ok(read),
            Err(error) => in_words(&error),
        },
        Err(error) => {
            let why = in_words(error.inner());
            format!("{}{why}", field(error.path(), 0, &why))
        }
    };
    Err(Problem::bad(format!("the body is not understood: {why}")).remedy(remedy))
}

/// The field to which a path leads, with a colon, without the first `skip` parts; nothing where `why` names it.
pub fn field(path: &Path, skip: usize, why: &str) -> String {
    // The last part of the path to a name that nobody knows is that name.
    let known = path.iter().len() - usize::from(why.starts_with("unknown field") && path.iter().len() > 0);
    let mut text = String::new();
    for part in path.iter().take(known).skip(skip) {
        match part {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                text.push_str(if text.is_empty() { "" } else { "." });
                text.push_str(&short(key));
            }
            Segment::Unknown => {}
        }
    }
    if text.is_empty() { text } else { text + ": " }
}

/// What is wrong with a body, and where.
pub fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => plain(text) + &place,
        None => plain(&text),
    }
}

/// A sentence of serde in words of JSON.
pub fn plain(text: &str) -> String {
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((found, wanted)) = text.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("found {}, expected {}", value(found), kind_of(wanted));
        }
    }
    // What was sent may have anything in it, what follows it is ours.
    let unknown = |kind: &str| text.strip_prefix(kind).and_then(|rest| rest.rsplit_once("`, expected "));
    if let Some((found, wanted)) = unknown("unknown variant `") {
        return format!("found {:?}, expected {wanted}", short(found));
    }
    if let Some((found, wanted)) = unknown("unknown field `") {
        return format!("unknown field `{}`, expected {wanted}", short(found));
    }
    if let Some(what) = text.strip_prefix("EOF while parsing ") {
        return format!("it ends within {what}");
    }
    let cut: String = text.chars().take(MAX_SENTENCE).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

/// What was found, from serde's name of it.
fn value(found: &str) -> String {
    let quoted = |kind: &str, mark: char| {
        let inner = found.strip_prefix(kind)?.strip_prefix(mark)?.strip_suffix(mark)?;
        Some(short(inner))
    };
    if let Some(text) = quoted("string ", '"') {
        return format!("the string \"{text}\"");
    }
    let plain = ["integer ", "floating point ", "boolean "].into_iter().find_map(|kind| quoted(kind, '`'));
    plain.unwrap_or_else(|| match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "unit value" => "null".to_owned(),
        other => short(other),
    })
}

/// What was expected, from serde's name of it.
fn kind_of(wanted: &str) -> String {
    let number = |max: u64| format!("a whole number from 0 to {max}");
    match wanted {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "u64" | "usize" => number(u64::MAX),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "variant identifier" | "field identifier" | "string or map" => "a string".to_owned(),
        wanted if wanted.starts_with("struct ") => "an object".to_owned(),
        wanted => wanted.to_owned(),
    }
}

#[cfg(test)]
#[path = "object_test.rs"]
mod tests;
