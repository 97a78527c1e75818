//! A snapshot of the producers, so that whoever restarts folds what came later, and not everything.

use std::collections::{BTreeMap, VecDeque};

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::{Known, Lsn, MAX_PRODUCER_RECORDS, MAX_PRODUCERS, ProducerId, Producers};

const VERSION: u8 = 1;

/// `version:u8 (1) next:lsn list<(producer:lsn last:u64 list<lsn>)>`: producers rising, positions of each rising, the last one below `next`.
impl Encode for Producers {
    fn encode(&self, out: &mut Writer) {
        let known: Vec<(&ProducerId, &Known)> = self.known.iter().collect();
        out.u8(VERSION).put(&self.next).list(&known, |out, (producer, known)| {
            let recent: Vec<Lsn> = known.recent.iter().copied().collect();
            out.put(&producer.0).u64(known.last).list(&recent, |out, lsn| {
                out.put(lsn);
            });
        });
    }
}

impl Decode for Producers {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("producers", VERSION)?;
        let next: Lsn = input.get()?;
        let mut before = None;
        let known = input.list(MAX_PRODUCERS, |input| {
            let producer = ProducerId(input.get()?);
            if before.replace(producer) >= Some(producer) {
                return Err(invalid("they do not rise"));
            }
            Ok((producer, one(input, producer, next)?))
        })?;
        let by_age: BTreeMap<Lsn, ProducerId> =
            known.iter().filter_map(|(producer, known)| Some((*known.recent.back()?, *producer))).collect();
        if by_age.len() != known.len() {
            return Err(invalid("two have the same last record"));
        }
        Ok(Self { next, known: known.into_iter().collect(), by_age, most: MAX_PRODUCERS })
    }
}

fn one(input: &mut Reader<'_>, producer: ProducerId, next: Lsn) -> Result<Known, CodecError> {
    let last = input.u64()?;
    let recent: VecDeque<Lsn> = input.list(MAX_PRODUCER_RECORDS, Reader::get)?.into();
    // Its records are those from 0 on, and the first one is at the position that it is called after.
    let whole = recent.len() as u64 == last.saturating_add(1);
    let full = recent.len() == MAX_PRODUCER_RECORDS && recent.front() > Some(&producer.0);
    let sound = if whole { recent.front() == Some(&producer.0) } else { full && last >= MAX_PRODUCER_RECORDS as u64 };
    if !sound {
        return Err(invalid("not the last records of one"));
    }
    let rising = recent.iter().zip(recent.iter().skip(1)).all(|(a, b)| a < b);
    if !rising || recent.back() >= Some(&next) {
        return Err(invalid("the positions of one do not rise"));
    }
    Ok(Known { last, recent })
}

fn invalid(why: &'static str) -> CodecError {
    CodecError::Invalid { what: "producers", why }
}
