#![allow(clippy::unwrap_used, clippy::panic)]

use futures::executor::block_on;
use libp2p::request_response::Codec as _;

use super::*;

const NAME: StreamProtocol = StreamProtocol::new("/test");

fn codec() -> Codec {
    Codec { max_request: 8, max_response: 16, budget: Budget::new(100) }
}

fn written(response: Response) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    block_on(codec().write_response(&NAME, &mut bytes, response)).map(|()| bytes)
}

#[test]
fn a_request_goes_through_as_written() {
    let mut bytes = Vec::new();
    block_on(codec().write_request(&NAME, &mut bytes, Request::Outgoing("question".into()))).unwrap();
    let read = block_on(codec().read_request(&NAME, &mut &bytes[..])).unwrap();
    let Request::Incoming(Received::Request(data, _)) = read else { panic!("{read:?}") };
    assert_eq!(data, "question");
}

#[test]
fn a_request_over_the_protocols_limit_is_to_be_refused() {
    let mut bytes = Vec::new();
    block_on(codec().write_request(&NAME, &mut bytes, Request::Outgoing("questions".into()))).unwrap();
    let read = block_on(codec().read_request(&NAME, &mut &bytes[..])).unwrap();
    assert!(matches!(read, Request::Incoming(Received::Refuse(Status::TooLarge))));
}

#[test]
fn an_answer_is_awaited_by_the_connection() {
    let (sender, receiver) = oneshot::channel();
    sender.send(Bytes::from_static(b"answer")).unwrap();
    let bytes = written(Response::Later(receiver)).unwrap();
    let read = block_on(codec().read_response(&NAME, &mut &bytes[..])).unwrap();
    let Response::Incoming(Status::Ok, data) = read else { panic!("{read:?}") };
    assert_eq!(data, "answer");
}

#[test]
fn no_answer_is_a_refusal() {
    let (sender, receiver) = oneshot::channel::<Bytes>();
    drop(sender);
    let bytes = written(Response::Later(receiver)).unwrap();
    let read = block_on(codec().read_response(&NAME, &mut &bytes[..])).unwrap();
    assert!(matches!(read, Response::Incoming(Status::Refused, _)));
}

#[test]
fn a_refusal_says_why() {
    for status in [Status::Busy, Status::Refused, Status::TooLarge] {
        let bytes = written(Response::Refuse(status)).unwrap();
        let read = block_on(codec().read_response(&NAME, &mut &bytes[..])).unwrap();
        assert!(matches!(read, Response::Incoming(read, data) if read == status && data.is_empty()));
    }
}

#[test]
fn what_came_in_is_not_sent_out_as_a_request() {
    let incoming = Request::Incoming(Received::Refuse(Status::Busy));
    assert!(block_on(codec().write_request(&NAME, &mut Vec::new(), incoming)).is_err());
}
