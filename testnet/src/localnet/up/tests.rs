use super::*;
use crate::localnet::testkit::{layout, state};

fn args(validators: Option<u16>) -> UpArgs {
    UpArgs {
        validators,
        detach: true,
        json: false,
        block_interval_ms: None,
        default_ports: false,
        timeout: std::time::Duration::from_secs(1),
    }
}

#[test]
fn a_new_network_gets_the_number_and_interval_that_were_asked_for() {
    let (_dir, layout) = layout();
    let state = open(&layout, &UpArgs { block_interval_ms: Some(250), ..args(Some(2)) }).unwrap();
    assert_eq!((state.nodes.len(), state.block_interval_ms), (2, 250));
    // The second time it is resumed, with or without the number.
    let again = open(&layout, &args(None)).unwrap();
    assert_eq!(again.chain_id, state.chain_id);
    assert_eq!(open(&layout, &args(Some(2))).unwrap().chain_id, state.chain_id);
    assert_eq!(again.block_interval_ms, 250, "what was asked for once stays");
}

#[test]
fn another_number_of_validators_is_refused_with_both_numbers() {
    let (_dir, layout) = layout();
    state(&layout, 3);
    let error = open(&layout, &args(Some(4))).unwrap_err().to_string();
    assert!(error.contains("3 validators, not 4"), "{error}");
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let (_dir, layout) = layout();
    std::fs::write(layout.root().join("thesis.tex"), "mine").unwrap();
    let error = open(&layout, &args(None)).unwrap_err().to_string();
    assert!(error.contains("thesis.tex") && error.contains("--dir"), "{error}");
    assert!(!layout.genesis().exists());
}

#[test]
fn the_lock_file_alone_does_not_make_a_directory_foreign() {
    let (_dir, layout) = layout();
    let _lock = state::lock(&layout).unwrap();
    assert_eq!(open(&layout, &args(Some(1))).unwrap().nodes.len(), 1);
}

#[test]
fn an_unfinished_network_is_made_anew() {
    let (_dir, layout) = layout();
    let old = open(&layout, &args(Some(1))).unwrap();
    std::fs::write(layout.unfinished(), "").unwrap();
    let new = open(&layout, &args(Some(2))).unwrap();
    assert_ne!(new.chain_id, old.chain_id);
    assert_eq!(new.nodes.len(), 2);
}

#[test]
fn a_damaged_state_names_reset() {
    let (_dir, layout) = layout();
    std::fs::write(layout.state(), "{").unwrap();
    assert!(format!("{:#}", open(&layout, &args(None)).unwrap_err()).contains("reset"));
}
