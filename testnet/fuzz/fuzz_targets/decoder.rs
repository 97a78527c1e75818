//! libFuzzer over any target of `pyralog_testnet::fuzz`: the environment variable `PYRALOG_FUZZ_TARGET` names it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use pyralog_testnet::fuzz::{Target, target};

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("PYRALOG_FUZZ_TARGET").expect("PYRALOG_FUZZ_TARGET names a target");
        target(&name).unwrap_or_else(|| panic!("no target is called {name}; pyralog-testnet fuzz list names them"))
    })
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    (chosen().run)(bytes);
    Corpus::Keep
});
