//! What a member knows, as bytes: a snapshot instead of the changes that led to it.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::super::{Epoch, MAX_KNOWN_EPOCHS, MemberState};
use super::VERSION;

impl Encode for MemberState {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION).put(&self.fence).u64(self.clean.0).put(&self.released);
        let known_good: Vec<(Epoch, u64)> = self.known_good.iter().map(|(epoch, number)| (*epoch, *number)).collect();
        out.list(&known_good, |out, (epoch, number)| {
            out.u64(epoch.0).u64(*number);
        });
    }
}

impl Decode for MemberState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("state of a member", VERSION)?;
        let (fence, clean, released) = (input.get()?, Epoch(input.u64()?), input.get()?);
        let mut last = None;
        let known_good = input.list(MAX_KNOWN_EPOCHS, |input| {
            let (epoch, number) = (Epoch(input.u64()?), input.u64()?);
            if last.replace(epoch) >= Some(epoch) {
                return Err(CodecError::Invalid { what: "state of a member", why: "its epochs do not rise" });
            }
            Ok((epoch, number))
        })?;
        Ok(Self { fence, clean, released, known_good: known_good.into_iter().collect() })
    }
}
