//! A cluster in a test.

use serde_json::{Value, json};

use super::client::{Client, ClusterNodeArgs};
pub use crate::admin::testkit::{FakeNode, Reply, Request, TOKEN, problem};

/// The flags that name a node.
pub fn args(node: &FakeNode) -> ClusterNodeArgs {
    ClusterNodeArgs { node: Some(node.url.clone()), token_file: Some(node.token_file()) }
}

/// A client of it.
pub fn client(node: &FakeNode) -> Client {
    args(node).connect().unwrap()
}

/// A member with a name and an address that follow from its number.
pub fn member(id: u64, up: bool) -> Value {
    json!({
        "member": id, "name": format!("node{}", id - 1), "peer_id": "12D3KooW", "addresses": [format!("/ip4/127.0.0.1/tcp/{}", 26_655 + id)],
        "role": "voter", "up": up,
    })
}

/// A partition of the log `orders` that member 1 leads and members 1 to 3 store.
pub fn partition(number: u32) -> Value {
    json!({
        "log": "orders", "partition": number, "id": (7 + number).to_string(), "epoch": "3", "leader": 1, "members": [1, 2, 3], "copies": 2,
        "records": "100", "behind": false,
    })
}

/// Three members that are up, of which member 1 answers and leads, and so many partitions.
pub fn cluster(partitions: u32) -> Value {
    let partitions: Vec<Value> = (0..partitions).map(partition).collect();
    json!({
        "member": 1, "leader": 1, "members": [member(1, true), member(2, true), member(3, true)], "partitions": partitions,
    })
}

/// A node that describes a cluster, and gives `reply` to everything else.
pub fn serving(cluster: Value, reply: Reply) -> FakeNode {
    FakeNode::start(move |request: &Request| match request.method.as_str() {
        "GET" => Reply::Answer(200, cluster.clone()),
        _ => reply.clone(),
    })
}
