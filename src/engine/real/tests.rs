//! Bodies that run without lock and fence.

use super::*;
use crate::host::Host;
use crate::host::local::Local;

/// The next script comes over the same input, which never ends.
#[tokio::test]
async fn a_body_that_only_reads_gets_its_data_and_then_the_end() {
    let host = Host::local(HostName::new("here").unwrap(), Local::default());
    let mut lanes = std::collections::BTreeSet::new();
    for data in ["req", "", "req"] {
        let mut body = Body::new("t", "echo \"got $(cat) $1\"; echo $PPID; exit 3").args(["a"]);
        body.data = data.into();
        let reply = host.run(plain(body)).await.unwrap();
        assert_eq!(reply.lines[0], format!("got {data} a"));
        assert_eq!(reply.end, ["ok", "rc=3"]);
        lanes.insert(reply.lines[1].clone());
    }
    assert_eq!(lanes.len(), 1, "{lanes:?}");
}
