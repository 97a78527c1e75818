use pyralog_consensus::application::TxEvent;
use serde_json::json;

use super::*;
use crate::chain::ChainReader;
use crate::testkit::Solo;

fn record(height: u64) -> std::sync::Arc<BlockRecord> {
    let mut solo = Solo::new().start();
    solo.reach(height);
    solo.memory.block(height).unwrap().unwrap()
}

#[test]
fn the_library_reads_back_what_is_written() {
    for height in [1, 2, 3] {
        let record = record(height);
        let block: Block = serde_json::from_value(super::block(&record.block)).unwrap();
        assert_eq!(block.header, record.block.header);
        assert_eq!(block.header.hash(), record.meta.block_id.hash, "the hash of header {height} survives JSON");
        assert_eq!(block.last_commit.is_none(), height == 1);
        let commit: Commit = serde_json::from_value(super::commit(Some(&record.commit))).unwrap();
        assert_eq!(commit, record.commit);
    }
}

#[test]
fn an_absent_signature_is_written_as_go_does() {
    assert_eq!(
        commit_signature(&CommitSig::BlockIdFlagAbsent),
        json!({"block_id_flag": 1, "validator_address": "", "timestamp": NO_TIME, "signature": null})
    );
}

#[test]
fn a_result_with_data_and_events_keeps_them() {
    let result = TxResult {
        data: vec![1, 2].into(),
        events: vec![TxEvent { kind: "transfer".into(), attributes: vec![("to".into(), "b".into())] }],
        ..TxResult::default()
    };
    let value = tx_result(&result);
    assert_eq!(value["data"], "AQI=");
    assert_eq!(
        value["events"],
        json!([{"type": "transfer", "attributes": [{"key": "to", "value": "b", "index": true}]}])
    );
    assert!(tx_result(&TxResult::default())["data"].is_null());
    let _: tendermint::abci::types::ExecTxResult = serde_json::from_value(value).unwrap();
}

#[test]
fn updates_are_null_where_there_are_none() {
    assert!(validator_updates(&[]).is_null());
    let updates = validator_updates(&[(PublicKey([3; 32]), 7)]);
    assert_eq!(updates[0]["power"], "7");
    assert_eq!(updates[0]["pub_key"]["Sum"]["value"]["ed25519"], base64([3; 32]));
}

#[test]
fn evidence_is_written_with_both_powers_in_their_places() {
    let record = record(2);
    let CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } = &record.commit.signatures[0] else {
        panic!("the only validator signed");
    };
    let vote = |hash: u8| tendermint::Vote {
        vote_type: tendermint::vote::Type::Precommit,
        height: record.commit.height,
        round: record.commit.round,
        block_id: Some(Id {
            hash: tendermint::Hash::Sha256([hash; 32]),
            part_set_header: record.meta.block_id.part_set_header,
        }),
        timestamp: Some(*timestamp),
        validator_address: *validator_address,
        validator_index: 0u32.try_into().unwrap(),
        signature: signature.clone(),
        extension: Vec::new(),
        extension_signature: None,
    };
    let evidence = DuplicateVoteEvidence {
        vote_a: vote(1),
        vote_b: vote(2),
        total_voting_power: 40u32.into(),
        validator_power: 10u32.into(),
        timestamp: *timestamp,
    };
    let value = duplicate_vote(&evidence);
    assert_eq!(
        (value["value"]["TotalVotingPower"].as_str(), value["value"]["ValidatorPower"].as_str()),
        (Some("40"), Some("10"))
    );
    assert_eq!(
        (value["value"]["vote_a"]["type"].as_u64(), value["type"].as_str()),
        (Some(2), Some("tendermint/DuplicateVoteEvidence"))
    );
    assert_ne!(value["value"]["vote_a"]["block_id"], value["value"]["vote_b"]["block_id"]);
}

#[test]
fn a_validator_has_the_fields_that_clients_read() {
    let record = record(1);
    let value = validator(&record.meta.validators.validators()[0]);
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["address", "proposer_priority", "pub_key", "voting_power"]);
    assert_eq!(value["address"].as_str().unwrap().len(), 40);
}
