use super::{MAX_STORED, TrustedStore};
use crate::light::{LightClient, LightOptions, Mode, Provider, TrustedState, testkit::TestChain};
use proptest::prelude::*;

fn store(blocks: u64) -> (TestChain, TrustedStore) {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10)]);
    chain.push_empty(blocks);
    let root = TrustedState {
        chain_id: chain.chain_id.clone(),
        height: 0,
        hash: None,
        time: chain.genesis_time,
        next_validators: chain.genesis.clone(),
    };
    let mut store = TrustedStore::new(root);
    chain.blocks.iter().for_each(|b| store.insert(b.light_block()));
    (chain, store)
}

#[test]
fn the_encoding_is_read_back_and_canonical() {
    for blocks in [0, 1, 5] {
        let (_, store) = store(blocks);
        let bytes = store.to_bytes().unwrap();
        let back = TrustedStore::from_bytes(&bytes).unwrap();
        assert_eq!(back, store);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn damage_is_found() {
    let (_, store) = store(2);
    let bytes = store.to_bytes().unwrap();
    // Every byte behind the root is under a signature or a hash; in the root a change gives another root or none.
    let mut out = pyralog_crypto::Writer::new();
    out.u8(1).put(store.root());
    let root = out.into_bytes().len();
    for at in root..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(TrustedStore::from_bytes(&changed).is_err(), "byte {at} of {}", bytes.len());
    }
    for at in 0..root {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_ne!(TrustedStore::from_bytes(&changed).ok().as_ref(), Some(&store), "byte {at}");
    }
    for cut in 0..bytes.len() {
        assert!(TrustedStore::from_bytes(&bytes[..cut]).is_err());
    }
    assert!(TrustedStore::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn the_store_is_bounded_and_keeps_the_latest() {
    let (chain, store) = store(MAX_STORED as u64 + 9);
    assert_eq!(store.latest().height, chain.height());
    assert!(store.get(9).is_none() && store.get(10).is_some());
    assert_eq!(store.at_or_below(9).unwrap().height, 0, "the root stays");
    assert_eq!(store.at_or_below(12).unwrap().height, 12);
}

#[test]
fn a_client_goes_on_where_it_was_stored() {
    let (chain, _) = store(30);
    let mut client = LightClient::from_genesis(&chain.chain_id, chain.genesis_time, chain.genesis.clone(), 1).unwrap();
    let sync = |client: &mut LightClient, height| {
        let mut node = Provider::new("a", |h: Option<u64>| Ok(chain.at(h.unwrap_or(30)).light_block()));
        client.sync(height, Mode::Skipping, &LightOptions::default(), chain.now(), &mut node, &mut []).unwrap()
    };
    sync(&mut client, Some(10));
    let mut later = LightClient::from_bytes(&client.to_bytes().unwrap()).unwrap();
    assert_eq!(later, client);
    assert_eq!(sync(&mut later, None).height, 30);
    assert!(later.light_block(10).is_some());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        if version && !bytes.is_empty() {
            bytes[0] = 1;
        }
        prop_assert!(LightClient::from_bytes(&bytes).is_err());
    }
}
