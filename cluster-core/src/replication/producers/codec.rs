//! A snapshot of the producers, so that whoever restarts folds what came later, and not everything.

use std::collections::{BTreeMap, VecDeque};

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::{Known, Lsn, MAX_PRODUCER_RECORDS, MAX_PRODUCERS, Place, ProducerId, Producers};

/// Without offsets: of builds that knew none, and where there are none.
const BARE: u8 = 1;
const PLACED: u8 = 2;

/// `version:u8 (2) next:lsn list<(producer:lsn last:u64 list<(lsn option<offset:u64>)>)>`: producers rising, positions of each rising, and with them the
/// offsets, the last one below `next`. Where no offset is known the version is 1, and nothing of them is written.
impl Encode for Producers {
    fn encode(&self, out: &mut Writer) {
        let known: Vec<(&ProducerId, &Known)> = self.known.iter().collect();
        let version = if self.has_offsets() { PLACED } else { BARE };
        out.u8(version).put(&self.next).list(&known, |out, (producer, known)| {
            let recent: Vec<Place> = known.recent.iter().copied().collect();
            out.put(&producer.0).u64(known.last).list(&recent, |out, Place { lsn, offset }| {
                out.put(lsn);
                if version == PLACED {
                    out.option(offset.as_ref(), |out, offset| {
                        out.u64(*offset);
                    });
                }
            });
        });
    }
}

impl Decode for Producers {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = input.u8()?;
        if ![BARE, PLACED].contains(&version) {
            return Err(CodecError::Version { what: "producers", expected: PLACED, found: version });
        }
        let next: Lsn = input.get()?;
        let mut before = None;
        let known = input.list(MAX_PRODUCERS, |input| {
            let producer = ProducerId(input.get()?);
            if before.replace(producer) >= Some(producer) {
                return Err(invalid("they do not rise"));
            }
            Ok((producer, one(input, version, producer, next)?))
        })?;
        let by_age: BTreeMap<Lsn, ProducerId> =
            known.iter().filter_map(|(producer, known)| Some((known.recent.back()?.lsn, *producer))).collect();
        if by_age.len() != known.len() {
            return Err(invalid("two have the same last record"));
        }
        let producers = Self { next, known: known.into_iter().collect(), by_age, most: MAX_PRODUCERS };
        if version == PLACED && !producers.has_offsets() {
            return Err(invalid("no offset is known"));
        }
        Ok(producers)
    }
}

impl Producers {
    fn has_offsets(&self) -> bool {
        self.known.values().flat_map(|known| &known.recent).any(|place| place.offset.is_some())
    }
}

fn one(input: &mut Reader<'_>, version: u8, producer: ProducerId, next: Lsn) -> Result<Known, CodecError> {
    let last = input.u64()?;
    let place = |input: &mut Reader<'_>| {
        let lsn = input.get()?;
        let offset = if version == PLACED { input.option(Reader::u64)? } else { None };
        Ok(Place { lsn, offset })
    };
    let recent: VecDeque<Place> = input.list(MAX_PRODUCER_RECORDS, place)?.into();
    let first = recent.front().map(|place| place.lsn);
    // Its records are those from 0 on, and the first one is at the position that it is called after.
    let whole = recent.len() as u64 == last.saturating_add(1);
    let full = recent.len() == MAX_PRODUCER_RECORDS && first > Some(producer.0);
    let sound = if whole { first == Some(producer.0) } else { full && last >= MAX_PRODUCER_RECORDS as u64 };
    if !sound {
        return Err(invalid("not the last records of one"));
    }
    let rising = recent.iter().zip(recent.iter().skip(1)).all(|(a, b)| a.lsn < b.lsn);
    if !rising || recent.back().map(|place| place.lsn) >= Some(next) {
        return Err(invalid("the positions of one do not rise"));
    }
    let offsets = || recent.iter().filter_map(|place| place.offset);
    if offsets().zip(offsets().skip(1)).any(|(a, b)| a > b) {
        return Err(invalid("the offsets of one go back"));
    }
    Ok(Known { last, recent })
}

fn invalid(why: &'static str) -> CodecError {
    CodecError::Invalid { what: "producers", why }
}
