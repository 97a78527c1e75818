//! Reads `pyralog.toml` into (key, text, line), refusing what no key is called.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};
use super::layers::ConfigError;

/// One setting as found in the file.
pub(super) struct Entry {
    pub key: &'static Key,
    pub text: String,
    pub line: usize,
}

/// Parses the whole file. Errors name the file and the line.
pub(super) fn parse(path: &Path, input: &str) -> Result<Vec<Entry>, ConfigError> {
    let reader = Reader { path, input };
    let table = DeTable::parse(input).map_err(|error| {
        let line = error.span().map_or(1, |span| reader.line(&span));
        reader.error(line, error.message().into())
    })?;
    let mut entries = Vec::new();
    reader.walk("", table.get_ref(), &mut entries)?;
    Ok(entries)
}

struct Reader<'a> {
    path: &'a Path,
    input: &'a str,
}

impl Reader<'_> {
    fn walk(&self, prefix: &str, table: &DeTable<'_>, out: &mut Vec<Entry>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let full =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let line = self.line(&name.span());
            match value.get_ref() {
                DeValue::Table(inner) if is_section(&full) => self.walk(&full, inner, out)?,
                other => {
                    let key = Key::find(&full).ok_or_else(|| self.error(line, unknown(&full)))?;
                    let text = scalar(key, other).map_err(|why| self.error(line, format!("{full}: {why}")))?;
                    out.push(Entry { key, text, line });
                }
            }
        }
        Ok(())
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.input.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn error(&self, line: usize, message: String) -> ConfigError {
        ConfigError::File { path: self.path.to_owned(), line, message }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.starts_with(name) && key.name.as_bytes().get(name.len()) == Some(&b'.'))
}

fn scalar(key: &Key, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Array(items) if key.list => {
            let texts: Result<Vec<_>, _> =
                items.iter().map(|item: &Spanned<DeValue<'_>>| text(item.get_ref())).collect();
            let texts = texts?;
            match texts.iter().find(|item| item.contains(',')) {
                Some(item) => Err(format!("the item {item:?} holds a comma")),
                None => Ok(texts.join(",")),
            }
        }
        _ if key.list => Err("an array of strings is expected".into()),
        DeValue::Array(_) | DeValue::Table(_) => Err("one value is expected, not a list or a section".into()),
        other => text(other),
    }
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        other => Err(format!("text, a decimal number or true/false is expected, not a {}", other.type_str())),
    }
}

fn unknown(name: &str) -> String {
    let near = KEYS.iter().map(|key| (distance(name, key.name), key.name)).min();
    match near {
        Some((far, key)) if far <= 3 => format!("unknown key {name:?}: did you mean {key:?}?"),
        _ => format!("unknown key {name:?}: `pyralogd config show` lists all keys"),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            let next = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
            row[j + 1] = next;
        }
    }
    row.last().copied().unwrap_or(0)
}
