//! The example that embeds three nodes does what it says.

#[path = "../examples/three_nodes.rs"]
mod three_nodes;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_in_one_program() {
    let story = three_nodes::run().await.expect("it runs");
    assert_eq!(story[0], "three voters");
    assert!(story[1].starts_with("order/1 is latte, at revision "), "{story:?}");
    assert_eq!(story[2], "hong leads instead of ming");
    assert_eq!(story.last().map(String::as_str), Some("all stopped"));
}
