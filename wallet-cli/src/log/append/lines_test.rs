use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn events(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let lines = Lines::start(Cursor::new(bytes.to_vec())).unwrap();
    std::iter::from_fn(|| match lines.next(None) {
        Event::Line(number, line) => Some((number, line)),
        Event::End => None,
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn a_line_ends_with_its_line_feed_or_with_the_stream() {
    assert_eq!(events(b""), []);
    assert_eq!(events(b"\n"), [(1, Vec::new())]);
    assert_eq!(events(b"a\r\n\nb"), [(1, b"a\r".to_vec()), (2, Vec::new()), (3, b"b".to_vec())]);
    assert_eq!(events(b"\xff\0\n"), [(1, b"\xff\0".to_vec())]);
}

#[test]
fn a_line_without_end_is_given_up_at_the_limit() {
    let endless = Cursor::new(b"a\n".to_vec()).chain(std::io::repeat(b'x'));
    let lines = Lines::start(endless).unwrap();
    assert!(matches!(lines.next(None), Event::Line(1, _)));
    assert!(matches!(lines.next(None), Event::TooLong(2)));
    assert!(matches!(lines.next(None), Event::End));
    let mut longest = vec![b'x'; MAX_RECORD_BYTES];
    assert_eq!(events(&longest)[0].1.len(), MAX_RECORD_BYTES);
    longest.push(b'\n');
    assert_eq!(events(&longest)[0].1.len(), MAX_RECORD_BYTES);
}

#[test]
fn a_stream_that_pauses_is_quiet_and_one_that_breaks_says_where() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(100));
            Err(io::Error::other("gone"))
        }
    }
    let lines = Lines::start(Cursor::new(b"a\n".to_vec()).chain(Broken)).unwrap();
    assert!(matches!(lines.next(None), Event::Line(1, _)));
    assert!(matches!(lines.next(Some(Duration::from_millis(1))), Event::Quiet));
    assert!(matches!(lines.next(None), Event::Failed(2, error) if error.to_string() == "gone"));
}

#[test]
fn only_a_few_lines_are_read_ahead() {
    struct Counted(Arc<AtomicUsize>);
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'x');
            buffer[0] = b'\n';
            self.0.fetch_add(buffer.len(), Ordering::SeqCst);
            Ok(buffer.len())
        }
    }
    let read = Arc::new(AtomicUsize::new(0));
    let lines = Lines::start(Counted(Arc::clone(&read))).unwrap();
    assert!(matches!(lines.next(None), Event::Line(1, _)));
    std::thread::sleep(Duration::from_millis(100));
    // Each filling of the buffer, 8 KiB, ends a line.
    let most = (AHEAD + 4) * 8192;
    assert!(read.load(Ordering::SeqCst) <= most, "{read:?} of {most}");
}
