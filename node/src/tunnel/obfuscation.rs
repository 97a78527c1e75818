//! The parameters of an obfuscation: a file that only its owner may use.

use pyralog_p2p::{MAX_OBFUSCATION_TEXT, Obfuscation};
use zeroize::Zeroizing;

use crate::config::{TunnelConfig, TunnelMode};
use crate::error::{Error, Result};
use crate::home::{Home, read_bounded};
use crate::keys::refuse_open;

/// Reads the file of `tunnel.obfuscation`; `None` where none is set.
///
/// # Errors
/// There are no tunnels, others may use the file, it cannot be read, or a parameter is wrong.
pub(super) fn read(home: &Home, config: &TunnelConfig) -> Result<Option<Obfuscation>> {
    if config.obfuscation.as_os_str().is_empty() {
        return Ok(None);
    }
    if config.mode == TunnelMode::Off {
        return Err(Error::Usage(
            "tunnel.obfuscation is for tunnels, and tunnel.mode is off: change one of them".into(),
        ));
    }
    let path = home.root().join(&config.obfuscation);
    refuse_open(&path)?;
    let bytes = Zeroizing::new(read_bounded(&path, MAX_OBFUSCATION_TEXT as u64)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::key(&path, "it is no text".to_owned()))?;
    Obfuscation::parse(text).map(Some).map_err(|error| Error::key(&path, error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn config(file: &str) -> TunnelConfig {
        TunnelConfig { obfuscation: PathBuf::from(file), ..TunnelConfig::default() }
    }

    #[test]
    fn parameters_are_read_from_a_file_in_the_home_that_nobody_else_may_use() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let path = dir.path().join("obfuscation.conf");
        let refused = |file: &str| read(&home, &config(file)).unwrap_err().to_string();
        assert!(read(&home, &config("")).unwrap().is_none());
        assert!(refused("obfuscation.conf").contains("obfuscation.conf"), "it is not there");

        fs::write(&path, "[Interface]\nS1 = 15\nH1 = 9\nH2 = 8\nH3 = 7\nH4 = 6\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(refused("obfuscation.conf").contains("chmod 600"), "{}", refused("obfuscation.conf"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(read(&home, &config("obfuscation.conf")).unwrap().is_some());
        assert!(read(&home, &config(path.to_str().unwrap())).unwrap().is_some());
        let off = TunnelConfig { mode: TunnelMode::Off, ..config("obfuscation.conf") };
        assert!(read(&home, &off).unwrap_err().to_string().contains("tunnel.mode"));

        fs::write(&path, "S1 = 15\nSecret = hunter2\n").unwrap();
        let wrong = refused("obfuscation.conf");
        assert!(wrong.contains("16 to 256 bytes") && !wrong.contains("hunter2"), "{wrong}");
        fs::write(&path, [0xff; 20]).unwrap();
        assert!(refused("obfuscation.conf").contains("no text"));
    }
}
