use pyralog_cluster_core::disk::FaultyDisk;

use super::*;

/// Every file of a directory.
const FILES: [&str; 5] =
    ["/ids/node", "/ids/scarab/bound", "/ids/scarab/mark", "/ids/counter/counter", "/ids/counter/mark"];

fn ids() -> &'static Path {
    Path::new("/ids")
}

fn empty(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir(ids()).unwrap();
    disk
}

/// The next id and the next value, and whether the process then ends in order.
fn draw(disk: &FaultyDisk, node: u64) -> Result<(u64, u64)> {
    let generators = Generators::open_with(ids(), number(node), disk)?;
    let id = generators.scarabs(1).map_err(|error| failed(ids(), error))?.next().unwrap();
    let value = generators.counter(1).map_err(|error| failed(ids(), error))?.start;
    Ok((id.into(), value))
}

fn number(node: u64) -> NodeNumber {
    NodeNumber::new(node).unwrap()
}

#[test]
fn a_new_directory_is_made_with_its_parents_and_a_start_goes_on_above_what_left() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("new/ids");
    let generators = Generators::open(&dir, number(7)).unwrap();
    let ids: Vec<_> = generators.scarabs(10_000).unwrap().collect();
    let values = generators.counter(10_000).unwrap();
    assert!(ids.len() == 10_000 && ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(ids.iter().all(|id| id.node() == number(7) && i64::try_from(u64::from(*id)).is_ok_and(|id| id > 0)));
    drop(generators);
    let again = Generators::open(&dir, number(7)).unwrap();
    assert!(again.scarabs(1).unwrap().next() > ids.last().copied());
    assert!(again.counter(1).unwrap().start >= values.end);
    assert!(again.failure().is_none());
}

#[test]
fn a_second_one_on_a_directory_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let held = Generators::open(dir.path(), number(7)).unwrap();
    let message = Generators::open(dir.path(), number(7)).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: ", dir.path().display())), "{message}");
    for part in [&format!("process {}", std::process::id()), "stop it first", "another --dir", "--node"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    drop(held);
    Generators::open(dir.path(), number(7)).unwrap();
}

#[test]
fn a_directory_keeps_its_number() {
    let dir = tempfile::tempdir().unwrap();
    drop(Generators::open(dir.path(), number(7)).unwrap());
    let message = Generators::open(dir.path(), number(8)).unwrap_err().to_string();
    assert!(message.contains("node number 7, not 8") && message.contains("empty --dir"), "{message}");
    assert_eq!(Generators::open(dir.path(), number(7)).unwrap().node(), number(7));
}

/// How a process ends: it is killed, and what it did not sync is there but not durable, or the power goes.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Power,
}

fn end(disk: &FaultyDisk, end: End) {
    match end {
        // From here on operations succeed again.
        End::Kill => disk.cut_power_after(u64::MAX),
        End::Power => disk.crash(),
    }
}

#[test]
fn a_first_start_that_ends_anywhere_is_gone_on_with_and_repeats_nothing() {
    let (mut unmade, mut cut) = (0, 0);
    for (operations, seed) in (0..90).flat_map(|operations| (0..4).map(move |seed| (operations, seed))) {
        for ends in [[End::Power, End::Power], [End::Kill, End::Power], [End::Kill, End::Kill]] {
            let disk = empty(seed);
            let what = format!("seed {seed}, after {operations} operations {ends:?}");
            disk.cut_power_after(operations);
            let first = draw(&disk, 7);
            end(&disk, ends[0]);
            // Before its last file was there the directory had no number.
            let made = disk.contents(Path::new(FILES[0])).is_some();
            let node = if made { 7 } else { 8 };
            assert!(made || first.is_err(), "{what}");
            (unmade, cut) = (unmade + u32::from(!made), cut + u32::from(first.is_err()));
            let second = draw(&disk, node).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(first.is_err() || first.is_ok_and(|first| first.0 < second.0 && first.1 < second.1), "{what}");
            end(&disk, ends[1]);
            let third = draw(&disk, node).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(second.0 < third.0 && second.1 < third.1, "{what}");
            assert!(draw(&disk, 15 - node).is_err(), "{what}");
        }
    }
    assert!(unmade > 300 && cut > unmade + 100 && cut < 90 * 4 * 3, "{unmade} {cut}");
}

#[test]
fn whichever_files_are_deleted_it_is_refused_until_they_are_back() {
    for (lost, clean) in (1..31).flat_map(|lost| [(lost, true), (lost, false)]) {
        let disk = empty(lost);
        let used = draw(&disk, 7).unwrap();
        if !clean {
            let held = Generators::open_with(ids(), number(7), &disk).unwrap();
            disk.crash();
            drop(held);
        }
        let lost = FILES.into_iter().enumerate().filter(|(at, _)| lost >> at & 1 == 1).map(|(_, file)| Path::new(file));
        let lost: Vec<(&Path, Vec<u8>)> = lost.map(|file| (file, disk.contents(file).unwrap())).collect();
        lost.iter().for_each(|(file, _)| disk.lose(file));
        for node in [7, 8] {
            let message = draw(&disk, node).unwrap_err().to_string();
            let names = |file: &Path| {
                let missing = format!("are missing from {}", file.parent().unwrap().display());
                message.contains(&file.display().to_string()) || message.contains(&missing)
            };
            let other_number = node == 8 && message.contains("start it with --node 7");
            assert!(other_number || lost.iter().any(|(file, _)| names(file)), "{lost:?}: {message}");
            assert!(["estore", "--node", " cp ", " echo ", " truncate "].iter().any(|remedy| message.contains(remedy)));
            assert!(lost.iter().all(|(file, _)| disk.contents(file).is_none()), "{lost:?}: nothing is made");
        }
        lost.into_iter().for_each(|(file, bytes)| disk.overwrite(file, bytes));
        let next = draw(&disk, 7).unwrap();
        assert!(used.0 < next.0 && used.1 < next.1);
    }
}

#[test]
fn a_directory_without_any_file_is_new() {
    let disk = empty(1);
    draw(&disk, 7).unwrap();
    FILES.iter().for_each(|file| disk.lose(Path::new(file)));
    assert_eq!(draw(&disk, 8).unwrap().1, 0);
}

#[test]
fn a_number_that_is_lost_or_changed_is_refused_and_the_right_one_is_named() {
    let disk = empty(1);
    let used = draw(&disk, 7).unwrap();
    let node = Path::new(FILES[0]);
    disk.lose(node);
    let missing = draw(&disk, 8).unwrap_err().to_string();
    assert!(missing.starts_with("/ids/node: is missing, but ids were given"), "{missing}");
    assert!(missing.contains("put it back, echo 7 > /ids/node, or start with an empty --dir"), "{missing}");
    for content in ["", "\n", "seven", "-7", "1024", "7777777777777777777777777", "7                8"] {
        disk.overwrite(node, content.into());
        let message = draw(&disk, 7).unwrap_err().to_string();
        assert!(message.starts_with("/ids/node: holds no node number, but") && message.contains("echo 7"), "{message}");
    }
    disk.overwrite(node, "8\n".into());
    for node in [7, 8, 9] {
        let changed = draw(&disk, node).unwrap_err().to_string();
        assert!(
            changed.starts_with("/ids/node: says 8, but the ids of this directory have node number 7"),
            "{changed}"
        );
        assert!(changed.ends_with("echo 7 > /ids/node"), "{changed}");
    }
    disk.overwrite(node, "7\n".into());
    assert!(draw(&disk, 7).unwrap() > used);
}

#[test]
fn an_older_copy_of_one_file_repeats_nothing() {
    for file in FILES.map(Path::new) {
        let disk = empty(1);
        let mut used = draw(&disk, 7).unwrap();
        let old = disk.contents(file).unwrap();
        for _ in 0..3 {
            used = draw(&disk, 7).unwrap();
        }
        // Ids that ran ahead of the clock.
        let generators = Generators::open_with(ids(), number(7), &disk).unwrap();
        for _ in 0..40 {
            used.0 = generators.scarabs(core::MAX_RANGE).unwrap().last().unwrap().into();
        }
        drop(generators);
        disk.overwrite(file, old);
        let next = draw(&disk, 7);
        let refused = matches!(file.file_name().and_then(|name| name.to_str()), Some("bound" | "counter"));
        assert_eq!(next.is_err(), refused, "{}: {next:?}", file.display());
        assert!(next.is_err() || next.is_ok_and(|next| next.0 > used.0 && next.1 > used.1));
    }
}
