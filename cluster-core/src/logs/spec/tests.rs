//! Names, bounds, the encoding.

use proptest::prelude::*;

use super::*;

fn spec() -> impl Strategy<Value = LogSpec> {
    let limits = (prop::option::of(any::<u64>()), prop::option::of(any::<u64>()));
    ("[a-zA-Z0-9][-a-zA-Z0-9_.]{0,63}", any::<[u8; 32]>(), 1..=MAX_PARTITIONS, any::<bool>(), SEGMENT_BYTES, limits)
        .prop_map(|(name, id, partitions, memory, segment_bytes, (max_age_ms, max_bytes))| LogSpec {
            name: name.parse().unwrap(),
            id: LogId(id),
            partitions,
            storage: if memory { Storage::Memory } else { Storage::Disk },
            retention: Retention { max_age_ms, max_bytes },
            segment_bytes,
        })
        .prop_map(|spec| {
            // What is in memory has a limit.
            let share = MEMORY_BYTES / u64::from(spec.partitions);
            let kept = spec.retention.max_bytes.map(|bytes| bytes % share);
            match spec.storage {
                Storage::Memory => {
                    LogSpec { retention: Retention { max_bytes: kept, ..spec.retention }, ..spec }.bounded()
                }
                Storage::Disk => spec,
            }
        })
}

#[test]
fn names_are_names_of_directories_too() {
    for good in ["a", "0", "Orders-2026_v1.0", &"x".repeat(64)] {
        assert_eq!(good.parse::<LogName>().unwrap().as_str(), good);
    }
    for bad in ["", ".", "..", "-a", "_a", "a b", "a/b", "ä", "a\0", &"x".repeat(65)] {
        let error = bad.parse::<LogName>().unwrap_err();
        assert!(matches!(&error, Error::LogName { name } if name.len() <= 64), "{error}");
    }
}

#[test]
fn keys_have_the_partition_that_the_documents_say() {
    let spec = |partitions| LogSpec {
        name: "a".parse().unwrap(),
        id: LogId([1; 32]),
        partitions,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 1 << 20,
    };
    // The first 8 bytes of BLAKE3(""), af1349b9f5f9a1a6, and of BLAKE3("ada").
    assert_eq!(u64::from(spec(1000).partition_of(b"")), 0xaf13_49b9_f5f9_a1a6 % 1000);
    let ada = crate::parts::u64_at(&<pyralog_crypto::Blake3 as pyralog_crypto::MerkleHash>::digest(b"ada").0, 0);
    assert_eq!(u64::from(spec(7).partition_of(b"ada")), ada % 7);
    assert_eq!(spec(1).partition_of(b"ada"), 0);
}

#[test]
fn bounds_are_refused() {
    let good = LogSpec {
        name: "a".parse().unwrap(),
        id: LogId([1; 32]),
        partitions: 1,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 4096,
    };
    good.check().unwrap();
    for bad in [
        LogSpec { partitions: 0, ..good.clone() },
        LogSpec { partitions: MAX_PARTITIONS + 1, ..good.clone() },
        LogSpec { segment_bytes: 4095, ..good.clone() },
        LogSpec { segment_bytes: (1 << 30) + 1, ..good.clone() },
        LogSpec { storage: Storage::Memory, ..good.clone() },
        LogSpec {
            storage: Storage::Memory,
            partitions: 4,
            retention: Retention { max_bytes: Some(MEMORY_BYTES / 4 + 1), max_age_ms: None },
            ..good.clone()
        },
    ] {
        assert!(matches!(bad.check(), Err(Error::Size { .. })));
        assert!(LogSpec::from_bytes(&bad.to_bytes()).is_err());
    }
}

#[test]
fn a_log_in_memory_is_bounded_where_nothing_is_said() {
    for (partitions, kept) in [(1, 64 << 20), (16, 64 << 20), (4096, (1 << 30) / 4096)] {
        let spec = LogSpec {
            name: "a".parse().unwrap(),
            id: LogId([1; 32]),
            partitions,
            storage: Storage::Memory,
            retention: Retention::default(),
            segment_bytes: 64 << 20,
        };
        let bounded = spec.bounded();
        bounded.check().unwrap();
        assert_eq!(bounded.retention.max_bytes, Some(kept));
        assert!(bounded.segment_bytes <= kept / 8);
    }
}

proptest! {
    #[test]
    fn logs_have_one_encoding(spec in spec(), at: prop::sample::Index, flip: u8) {
        let mut bytes = spec.to_bytes();
        prop_assert_eq!(LogSpec::from_bytes(&bytes).unwrap(), spec);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = LogSpec::from_bytes(&bytes) {
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }
}
