//! An overlay behaves as a disk does, and the disk below never changes.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;

fn below() -> FaultyDisk {
    let disk = FaultyDisk::new(1);
    disk.create_dir(Path::new("/d")).unwrap();
    for (name, length) in [("/d/a", 10_000), ("/d/b", 1)] {
        let file = disk.create(Path::new(name)).unwrap();
        file.write_at(&(0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>(), 0).unwrap();
    }
    disk
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u64, Vec<u8>),
    SetLen(u8, u64),
    Create(u8),
    Remove(u8),
    Rename(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || 0u8..4;
    let bytes = prop::collection::vec(any::<u8>(), 0..6000);
    let step = prop_oneof![
        (name(), 0u64..20_000, bytes).prop_map(|(name, at, bytes)| Step::Write(name, at, bytes)),
        (name(), 0u64..20_000).prop_map(|(name, len)| Step::SetLen(name, len)),
        name().prop_map(Step::Create),
        name().prop_map(Step::Remove),
        (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
    ];
    prop::collection::vec(step, 0..30)
}

fn path(name: u8) -> PathBuf {
    Path::new("/d").join(["a", "b", "c", "d"][usize::from(name)])
}

fn act(disk: &dyn Disk, step: &Step) -> Result<(), io::ErrorKind> {
    let done = match step {
        Step::Write(name, at, bytes) => disk.open(&path(*name)).and_then(|file| file.write_at(bytes, *at)),
        Step::SetLen(name, len) => disk.open(&path(*name)).and_then(|file| file.set_len(*len)),
        Step::Create(name) => disk.create(&path(*name)).map(|_| ()),
        Step::Remove(name) => disk.remove(&path(*name)),
        Step::Rename(from, to) if from == to => Ok(()),
        Step::Rename(from, to) => disk.rename(&path(*from), &path(*to)),
    };
    done.map_err(|error| error.kind())
}

fn contents(disk: &dyn Disk) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let file = disk.open(&Path::new("/d").join(&name)).unwrap();
        let mut bytes = vec![7; file.size().unwrap() as usize + 3];
        let read = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(read);
        let mut part = vec![0; read.min(5000)];
        let at = (read / 3) as u64;
        let length = file.read_at(&mut part, at).unwrap();
        assert_eq!(part[..length], bytes[at as usize..][..length]);
        (name, bytes)
    };
    disk.list(Path::new("/d")).unwrap().into_iter().map(read).collect()
}

#[test]
fn directories_are_made_and_removed_above_only() {
    let disk = below();
    let overlay = Overlay::new(Arc::new(disk.clone()));
    overlay.create_dir(Path::new("/d/e/f")).unwrap();
    assert_eq!(overlay.list(Path::new("/d")).unwrap(), ["a", "b", "e"]);
    assert!(overlay.remove_dir(Path::new("/d/e")).is_err());
    overlay.remove_dir(Path::new("/d/e/f")).unwrap();
    overlay.remove_dir(Path::new("/d/e")).unwrap();
    assert_eq!(overlay.list(Path::new("/d")).unwrap(), ["a", "b"]);
    assert!(overlay.list(Path::new("/d/e")).is_err() && disk.list(Path::new("/d/e")).is_err());
    assert!(overlay.lock(Path::new("/d/LOCK")).unwrap().is_ok());
}

proptest! {
    #[test]
    fn it_is_a_disk(steps in steps()) {
        let (disk, model) = (below(), below());
        let before = contents(&disk);
        let overlay = Overlay::new(Arc::new(disk.clone()));
        for step in &steps {
            prop_assert_eq!(act(&overlay, step), act(&model, step), "{:?}", step);
        }
        prop_assert_eq!(contents(&overlay), contents(&model));
        prop_assert_eq!(contents(&disk), before);
    }
}
