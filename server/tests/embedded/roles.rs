//! The permissions of roles, over real connections.

use coffee_client::{Error, cert::Ca};
use coffee_common::{
    feature_level::LEVEL_MAX,
    id::{ClusterId, ClusterName, NodeId},
    protocol::{Request, Role},
    quic::{Endpoint, EndpointOptions, Expect, Protocol},
};

use crate::support::{EmbeddedCluster, address, name};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_is_for_and_no_more() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let [reader, writer, admin] =
        [Role::Reader, Role::Writer, Role::Admin].map(|role| cluster.client_as(role, &[&ming]));
    let denied = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Denied(_))), "{result:?}");

    reader.get("order/1").await.expect("a reader reads");
    reader.cluster().await.expect("a reader looks");
    denied(reader.set("order/1", "latte").await.map(drop));
    denied(reader.transfer(None).await.map(drop));
    writer.set("order/1", "latte").await.expect("a writer writes");
    writer.get("order/1").await.expect("a writer reads");
    denied(writer.down(None, false).await.map(drop));
    denied(writer.boot(name("hong"), None).await.map(drop));
    admin.set("order/2", "latte").await.expect("an admin writes");
    admin.down(None, true).await.expect_err("alone, but not denied");
    let node_only = [
        Request::ReadIndex,
        Request::Join { node: name("hong"), address: address(&ming), level: LEVEL_MAX },
        Request::Promote { id: NodeId(9) },
        Request::RemoveVoter { node: name("ming"), id: NodeId(1), standing: None },
        Request::Invite { cluster: ClusterId(1), members: vec![address(&ming)] },
        Request::ShutDownRemoved { id: NodeId(1) },
    ];
    for request in node_only {
        denied(admin.ask(request).await.map(drop));
    }
    reader.get("order/2").await.expect("all are still served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_under_its_own_name_alone() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let hong = cluster.client_as(Role::Node, &[&ming]);
    let join = Request::Join { node: name("peng"), address: address(&ming), level: LEVEL_MAX };
    let result = hong.ask(join).await;
    assert!(matches!(result, Err(Error::Denied(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_protocol_is_for_nodes() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Admin, "ops"), &EndpointOptions::default());
    let endpoint = endpoint.expect("a socket");
    let refused = endpoint.connect(&address(&ming), &Expect::AnyNode, Protocol::Peer).await;
    assert!(refused.is_err());
    let stranger = EmbeddedCluster::new().client(&[&ming]);
    let result = stranger.with_timeout(std::time::Duration::from_secs(2)).get("order/1").await;
    assert!(matches!(result, Err(Error::Identity(_))), "another CA: {result:?}");
    cluster.client(&[&ming]).set("order/1", "latte").await.expect("ming keeps serving");
}

/// The CA is another one, too; the cluster is judged first.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_up_no_certificate_of_another_cluster() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let serial = ming.status().certificate.serial;
    let staging = Ca::create(&ClusterName::new("staging").expect("legal")).expect("a CA");
    let credentials = staging.credentials(Role::Node, &name("ming")).expect("credentials");
    let error = ming.renew(credentials).await.expect_err("of another cluster");
    assert_eq!(
        error.to_string(),
        "the certificate is for cluster staging, but this node is one of cluster shops"
    );
    assert_eq!(ming.status().certificate.serial, serial);
    let renewed = cluster.credentials(Role::Node, "ming");
    ming.renew(renewed).await.expect("of its own cluster");
    assert_ne!(ming.status().certificate.serial, serial);
}
