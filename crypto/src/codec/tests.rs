use proptest::prelude::*;

use super::*;
use crate::test_support::{canonical, exact, hostile, unhex};

/// An object that uses every construct once.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: u128,
    f: bool,
    g: [u8; 3],
    h: Vec<u8>,
    i: String,
    j: Vec<u16>,
    k: Option<u32>,
}

impl Encode for Sample {
    fn encode(&self, out: &mut Writer) {
        out.u8(1).u8(self.a).u16(self.b).u32(self.c).u64(self.d).u128(self.e).bool(self.f).raw(&self.g);
        out.bytes(&self.h).text(&self.i);
        out.list(&self.j, |out, item| {
            out.u16(*item);
        });
        out.option(self.k.as_ref(), |out, value| {
            out.u32(*value);
        });
    }
}

impl Decode for Sample {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("sample", 1)?;
        Ok(Self {
            a: input.u8()?,
            b: input.u16()?,
            c: input.u32()?,
            d: input.u64()?,
            e: input.u128()?,
            f: input.bool()?,
            g: input.array()?,
            h: input.bytes(20)?.to_vec(),
            i: input.text(20)?.to_owned(),
            j: input.list(20, Reader::u16)?,
            k: input.option(Reader::u32)?,
        })
    }
}

fn sample() -> Sample {
    Sample {
        a: 0x01,
        b: 0x0203,
        c: 0x0405_0607,
        d: 0x0809_0a0b_0c0d_0e0f,
        e: 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f,
        f: true,
        g: [0x20, 0x21, 0x22],
        h: vec![0xff],
        i: "né".into(),
        j: vec![1, 0x8000],
        k: Some(9),
    }
}

#[test]
fn vector() {
    let bytes = unhex(
        "01 01 0203 04050607 08090a0b0c0d0e0f 101112131415161718191a1b1c1d1e1f 01 202122
         00000001 ff  00000003 6ec3a9  00000002 0001 8000  01 00000009",
    );
    assert_eq!(sample().to_bytes(), bytes);
    assert_eq!(Sample::from_bytes(&bytes), Ok(sample()));
    exact::<Sample>(&bytes);
}

#[test]
fn signed_bytes_begin_with_domain_and_chain() {
    assert_eq!(Writer::signing("d/v1", "c").as_bytes(), unhex("00000004 642f7631 00000001 63"));
    // Lengths keep neighbours apart.
    assert_ne!(Writer::signing("ab", "c").as_bytes(), Writer::signing("a", "bc").as_bytes());
}

#[test]
fn an_early_end_says_how_much_is_missing() {
    let mut input = Reader::new(&[1, 2, 3]);
    assert_eq!(input.u64(), Err(CodecError::UnexpectedEnd { needed: 8, left: 3 }));
    assert_eq!(input.remaining(), 3, "nothing is consumed by a failed read");
    assert_eq!(input.raw(4), Err(CodecError::UnexpectedEnd { needed: 4, left: 3 }));
    assert_eq!(input.raw(3), Ok(&[1, 2, 3][..]));
    assert_eq!(input.finish(), Ok(()));
}

#[test]
fn trailing_bytes_are_counted() {
    assert_eq!(Reader::new(&[0; 5]).finish(), Err(CodecError::TrailingBytes(5)));
}

#[test]
fn flags_are_zero_or_one() {
    for found in 2..=255u8 {
        let expected = CodecError::Tag { what: "flag", found: found.into() };
        assert_eq!(Reader::new(&[found]).bool(), Err(expected.clone()));
        assert_eq!(Reader::new(&[found, 0]).option(Reader::u8), Err(expected));
    }
}

#[test]
fn lengths_are_bounded_before_they_are_believed() {
    let four_gib = [0xff; 4];
    let too_long = |what| CodecError::TooLong { what, max: 9, found: u32::MAX as usize };
    assert_eq!(Reader::new(&four_gib).bytes(9), Err(too_long("byte string")));
    assert_eq!(Reader::new(&four_gib).text(9), Err(too_long("byte string")));
    assert_eq!(Reader::new(&four_gib).list(9, Reader::u8), Err(too_long("list")));
    // Within a huge bound, memory follows the input and not the claim.
    let claim = Reader::new(&four_gib).list(usize::MAX, Reader::u64);
    assert_eq!(claim, Err(CodecError::UnexpectedEnd { needed: 8, left: 0 }));
    assert_eq!(
        Reader::new(&four_gib).bytes(usize::MAX),
        Err(CodecError::UnexpectedEnd { needed: 4_294_967_295, left: 0 })
    );
}

#[test]
fn text_is_utf8() {
    let bytes = unhex("00000002 c328");
    assert_eq!(Reader::new(&bytes).text(9), Err(CodecError::Invalid { what: "text", why: "not UTF-8" }));
}

#[test]
fn versions_are_named() {
    let error = Reader::new(&[7]).version("thing", 1).unwrap_err();
    assert_eq!(error.to_string(), "thing: version 7 is not supported (expected 1)");
}

prop_compose! {
    fn any_sample()(
        a: u8, b: u16, c: u32, d: u64, e: u128, f: bool, g: [u8; 3],
        h in prop::collection::vec(any::<u8>(), 0..=20),
        i in "[a-z]{0,20}",
        j in prop::collection::vec(any::<u16>(), 0..=20),
        k: Option<u32>,
    ) -> Sample {
        Sample { a, b, c, d, e, f, g, h, i, j, k }
    }
}

proptest! {
    #[test]
    fn round_trip(sample in any_sample()) {
        prop_assert_eq!(Sample::from_bytes(&sample.to_bytes()), Ok(sample));
    }

    #[test]
    fn different_values_have_different_encodings(a in any_sample(), b in any_sample()) {
        prop_assert_eq!(a == b, a.to_bytes() == b.to_bytes());
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![sample().to_bytes()])) {
        canonical::<Sample>(&bytes);
    }
}
