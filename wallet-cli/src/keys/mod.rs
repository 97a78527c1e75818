//! `pyralog keys`: sealed keys on disk.

mod store;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::Table;
use pyralog_crypto::keystore::{self, KeystoreInfo, MAX_KEYSTORE_BYTES};
use pyralog_crypto::{PublicKey, SigningKey};
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

pub use store::{KeyStore, random};

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::output::{Output, note, shown, with_path};
use crate::passphrase::{NewPassphraseArgs, PassphraseArgs};

/// Largest seed file read: 64 hexadecimal digits and white space.
const MAX_SEED_FILE: u64 = 256;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and seal it under a passphrase
    New(NewArgs),
    /// List the keys: name, address, public key
    List,
    /// Show one key; no passphrase is needed
    Show {
        /// Name of the key
        name: String,
    },
    /// Write a key out: sealed as it is, or its secret seed
    Export(ExportArgs),
    /// Take a key in: a sealed file of another keystore, or a secret seed
    Import(ImportArgs),
}

/// Options of `keys new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the key
    #[arg(default_value = "default")]
    pub name: String,
    #[command(flatten)]
    passphrase: NewPassphraseArgs,
}

/// Options of `keys export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Name of the key
    pub name: String,
    /// Export the secret seed as 64 hexadecimal digits: whoever reads them owns the key
    #[arg(long)]
    secret_seed: bool,
    /// Write to FILE (mode 0600, never replacing one) instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Options of `keys import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file: a sealed key, or with --secret-seed the seed's 64 hexadecimal digits; - is standard input
    pub file: PathBuf,
    /// Name of the key here (default: the file's name without .json)
    #[arg(long)]
    name: Option<String>,
    /// FILE holds a secret seed, not a sealed key
    #[arg(long)]
    secret_seed: bool,
    #[command(flatten)]
    passphrase: NewPassphraseArgs,
}

/// Runs a `keys` command on the keystore.
pub fn run(command: KeysCommand, store: &KeyStore) -> Result<Output> {
    match command {
        KeysCommand::New(args) => new(&args, store),
        KeysCommand::List => list(store),
        KeysCommand::Show { name } => {
            let (path, info) = store.entry(&name)?;
            Ok(described(&name, &path, &info))
        }
        KeysCommand::Export(args) => export(&args, store),
        KeysCommand::Import(args) => import(&args, store),
    }
}

fn new(args: &NewArgs, store: &KeyStore) -> Result<Output> {
    store.check_new(&args.name)?;
    let passphrase = args.passphrase.obtain(&format!("the key {}", args.name))?;
    add(&args.name, &store::generate()?, &passphrase, store)
}

fn list(store: &KeyStore) -> Result<Output> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(["NAME", "ADDRESS", "PUBLIC KEY"]);
    let mut keys = Vec::new();
    for entry in store.list()? {
        match entry.info {
            Ok(info) => {
                table.add_row([entry.name.clone(), info.address.to_string(), info.public_key.to_string()]);
                keys.push(document(&entry.name, &entry.path, &info));
            }
            Err(failure) => note(&format!("skipped: {failure}")),
        }
    }
    let document = with_path(json!({ "keys": keys }), "keystore", store.dir());
    if document["keys"] == json!([]) {
        note(&format!("no keys in {}; make one with `pyralog keys new NAME{}`", shown(store.dir()), store.flag()));
        return Ok(Output::new(document, ""));
    }
    Ok(Output::new(document, table.trim_fmt()))
}

fn export(args: &ExportArgs, store: &KeyStore) -> Result<Output> {
    let (path, sealed) = store.sealed(&args.name)?;
    let (kind, content) = if args.secret_seed {
        let passphrase = args.passphrase.obtain(&format!("the key {}", args.name))?;
        let key = store.open(&args.name, &passphrase)?;
        ("secret seed", Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(key.seed().as_slice())).as_str())))
    } else {
        store::describe(&path, keystore::inspect(&sealed))?;
        let text = String::from_utf8(sealed).map_err(|_| Failure::error(format!("{} is not text", shown(&path))))?;
        ("sealed key", Zeroizing::new(text))
    };
    match &args.out {
        Some(out) => {
            files::write(out, content.as_bytes(), files::SECRET, Existing::Keep)
                .context(|| format!("cannot write {}", shown(out)))?;
            Ok(Output::new(
                with_path(json!({ "name": args.name, "kind": kind }), "file", out),
                format!("{kind} of {} written to {}", args.name, shown(out)),
            ))
        }
        None if args.secret_seed => {
            Ok(Output::new(json!({ "name": args.name, "secret_seed": content.trim() }), content.as_str()))
        }
        None => {
            let value: Value = serde_json::from_str(&content).context(|| format!("cannot read {}", shown(&path)))?;
            Ok(Output::new(value, content.as_str()))
        }
    }
}

fn import(args: &ImportArgs, store: &KeyStore) -> Result<Output> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => default_name(&args.file)?,
    };
    store.check_new(&name)?;
    let limit = if args.secret_seed { MAX_SEED_FILE } else { MAX_KEYSTORE_BYTES as u64 };
    let bytes = Zeroizing::new(read_input(&args.file, limit)?);
    if args.secret_seed {
        let key = parse_seed(&bytes).map_err(|why| Failure::error(format!("{}: {why}", shown(&args.file))))?;
        let passphrase = args.passphrase.obtain(&format!("the key {name}"))?;
        return add(&name, &key, &passphrase, store);
    }
    // The sealed file is taken as it is, with its own passphrase; its clear part and checksum are checked.
    let info = store::describe(&args.file, keystore::inspect(&bytes))?;
    let path = store.add_sealed(&name, &bytes)?;
    Ok(described(&name, &path, &info))
}

fn add(name: &str, key: &SigningKey, passphrase: &str, store: &KeyStore) -> Result<Output> {
    store.add(name, key, passphrase)?;
    let (path, info) = store.entry(name)?;
    Ok(described(name, &path, &info))
}

fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>> {
    if path != Path::new("-") {
        return files::read_bounded(path, limit);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .context(|| "cannot read standard input".to_owned())?;
    if bytes.len() as u64 > limit {
        return Err(Failure::error(format!("standard input is longer than {limit} bytes, which no key is")));
    }
    Ok(bytes)
}

fn parse_seed(bytes: &[u8]) -> Result<SigningKey, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a seed is 64 hexadecimal digits")?.trim();
    let mut seed = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(text, seed.as_mut_slice()).map_err(|_| "a seed is 64 hexadecimal digits")?;
    let key = SigningKey::from_seed(*seed);
    seed.zeroize();
    Ok(key)
}

fn default_name(file: &Path) -> Result<String> {
    file.file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|_| file != Path::new("-"))
        .map(str::to_owned)
        .ok_or_else(|| Failure::usage("the key needs a name").next("add --name NAME"))
}

fn described(name: &str, path: &Path, info: &KeystoreInfo) -> Output {
    let text = format!(
        "name        {name}\naddress     {}\npublic key  {}\nfile        {}",
        info.address,
        info.public_key,
        shown(path)
    );
    Output::new(document(name, path, info), text)
}

fn document(name: &str, path: &Path, info: &KeystoreInfo) -> Value {
    let key: PublicKey = info.public_key;
    let document = json!({ "name": name, "address": info.address.to_string(), "public_key": key.to_string() });
    with_path(document, "file", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &tempfile::TempDir) -> KeyStore {
        KeyStore::new(dir.path().join("keys"))
    }

    fn passphrase(dir: &tempfile::TempDir) -> NewPassphraseArgs {
        let path = dir.path().join("password");
        std::fs::write(&path, "correct horse\n").unwrap();
        NewPassphraseArgs { password_file: Some(path), generate_passphrase: None }
    }

    #[test]
    fn a_seed_survives_export_and_import() {
        let dir = tempfile::tempdir().unwrap();
        let (store, new_passphrase) = (store(&dir), passphrase(&dir));
        let made = new(&NewArgs { name: "a".to_owned(), passphrase: new_passphrase.clone() }, &store).unwrap();
        let out = dir.path().join("seed");
        let args = ExportArgs {
            name: "a".to_owned(),
            secret_seed: true,
            out: Some(out.clone()),
            passphrase: PassphraseArgs { password_file: new_passphrase.password_file.clone() },
        };
        export(&args, &store).unwrap();
        let args = ImportArgs { file: out, name: Some("b".to_owned()), secret_seed: true, passphrase: new_passphrase };
        let imported = import(&args, &store).unwrap();
        assert_eq!(made.document["public_key"], imported.document["public_key"]);
        assert_eq!(store.list().unwrap().len(), 2);
    }

    #[test]
    fn a_sealed_export_is_the_file_itself_and_can_be_imported() {
        let dir = tempfile::tempdir().unwrap();
        let (from, new_passphrase) = (store(&dir), passphrase(&dir));
        new(&NewArgs { name: "a".to_owned(), passphrase: new_passphrase.clone() }, &from).unwrap();
        let args =
            ExportArgs { name: "a".to_owned(), secret_seed: false, out: None, passphrase: PassphraseArgs::default() };
        let exported = export(&args, &from).unwrap();
        assert_eq!(exported.text.as_bytes(), from.sealed("a").unwrap().1);
        let to = KeyStore::new(dir.path().join("other"));
        let args = ImportArgs {
            file: from.sealed("a").unwrap().0,
            name: None,
            secret_seed: false,
            passphrase: new_passphrase,
        };
        import(&args, &to).unwrap();
        assert_eq!(
            to.open("a", "correct horse").unwrap().public_key(),
            from.open("a", "correct horse").unwrap().public_key()
        );
    }

    #[test]
    fn a_bad_seed_is_refused() {
        for bad in ["", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert!(parse_seed(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse_seed(format!(" {}\n", "0a".repeat(32)).as_bytes()).is_ok());
    }

    #[test]
    fn standard_input_needs_a_name() {
        assert_eq!(default_name(Path::new("-")).unwrap_err().code(), 2);
        assert_eq!(default_name(Path::new("/x/alice.json")).unwrap(), "alice");
    }

    #[test]
    fn an_empty_keystore_lists_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let output = list(&store(&dir)).unwrap();
        assert_eq!(output.document["keys"], json!([]));
        assert_eq!(output.text, "");
    }
}
