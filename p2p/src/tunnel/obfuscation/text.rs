//! The text of the parameters.

use zeroize::Zeroizing;

use super::{
    Header, Junk, KINDS, MAX_OBFUSCATION_TEXT, MOST_JUNK, MOST_PADDING, Obfuscation, SECRET_BYTES, Shared, draw,
};
use crate::ObfuscationError;

/// What stands there.
#[derive(Default)]
pub(super) struct Given {
    secret: Option<Zeroizing<String>>,
    paddings: [Option<u16>; 4],
    headers: [Option<Header>; 4],
    /// `Jc`, `Jmin`, `Jmax`.
    junk: [Option<u16>; 3],
}

/// Reads all lines.
pub(super) fn read(text: &str) -> Result<Given, ObfuscationError> {
    if text.len() > MAX_OBFUSCATION_TEXT {
        return Err(ObfuscationError::TooLong { most: MAX_OBFUSCATION_TEXT });
    }
    let mut given = Given::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.eq_ignore_ascii_case("[interface]") {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(ObfuscationError::Line { line: number })?;
        given.set(number, key.trim(), value.trim())?;
    }
    Ok(given)
}

impl Given {
    pub(super) fn of(secret: &str) -> Self {
        Self { secret: Some(Zeroizing::new(secret.to_owned())), ..Self::default() }
    }

    fn set(&mut self, line: usize, key: &str, value: &str) -> Result<(), ObfuscationError> {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        if is("Secret") {
            return once(&mut self.secret, line, "Secret", Zeroizing::new(value.to_owned()));
        }
        let junk = [("Jc", MOST_JUNK.0), ("Jmin", MOST_JUNK.1), ("Jmax", MOST_JUNK.1)];
        for (place, (name, most)) in self.junk.iter_mut().zip(junk) {
            if is(name) {
                return once(place, line, name, number(line, name, most, comment_cut(value))?);
            }
        }
        for (kind, (padding, header, _)) in KINDS.into_iter().enumerate() {
            if is(padding) {
                let value = number(line, padding, MOST_PADDING[kind], comment_cut(value))?;
                return once(&mut self.paddings[kind], line, padding, value);
            }
            if is(header) {
                let value = range(comment_cut(value)).ok_or(ObfuscationError::Header { line, key: header })?;
                return once(&mut self.headers[kind], line, header, value);
            }
        }
        Err(ObfuscationError::UnknownKey { line })
    }

    /// With all that is not given.
    pub(super) fn settle(self) -> Result<Obfuscation, ObfuscationError> {
        let secret = self.secret.as_deref().map(|text| text.as_bytes());
        if secret.is_some_and(|secret| !SECRET_BYTES.contains(&secret.len())) {
            let (least, most) = (*SECRET_BYTES.start(), *SECRET_BYTES.end());
            return Err(ObfuscationError::SecretLength { least, most });
        }
        let (mut shared, usual) = match secret {
            Some(secret) => (draw::shared(secret), Junk { count: 4, least: 64, most: 320 }),
            None => (Shared::PLAIN, Junk::default()),
        };
        for kind in 0..KINDS.len() {
            shared.paddings[kind] = self.paddings[kind].unwrap_or(shared.paddings[kind]);
            shared.headers[kind] = self.headers[kind].unwrap_or(shared.headers[kind]);
        }
        let [count, least, most] = self.junk;
        let least = least.unwrap_or(usual.least.min(most.unwrap_or(u16::MAX)));
        let most = most.unwrap_or(usual.most.max(least));
        let junk = Junk { count: count.unwrap_or(usual.count), least, most };
        Obfuscation::new(secret.unwrap_or_default(), shared, junk)
    }
}

fn once<T>(place: &mut Option<T>, line: usize, key: &'static str, value: T) -> Result<(), ObfuscationError> {
    if place.is_some() {
        return Err(ObfuscationError::Twice { line, key });
    }
    *place = Some(value);
    Ok(())
}

/// A number with a comment behind it, as `wg` takes it. A secret may hold any sign.
fn comment_cut(value: &str) -> &str {
    value.split('#').next().unwrap_or_default().trim_end()
}

fn number(line: usize, key: &'static str, most: u16, value: &str) -> Result<u16, ObfuscationError> {
    value.parse().ok().filter(|number| *number <= most).ok_or(ObfuscationError::Number { line, key, most })
}

fn range(value: &str) -> Option<Header> {
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let header = Header { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
    (header.first <= header.last).then_some(header)
}
