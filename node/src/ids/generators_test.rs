use super::*;

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
    assert!(message.contains("node number \"7\", not 8") && message.contains("empty --dir"), "{message}");
    assert_eq!(Generators::open(dir.path(), number(7)).unwrap().node(), number(7));
}
