//! An order board: the open orders, and every change of them as it is made.
//!
//! ```sh
//! cargo run -p coffee-client --example order_board -- certs reader-board 127.0.0.1:7401 127.0.0.1:7402
//! ```
//!
//! Nothing is skipped while nodes fail: the watch goes on at another node, after the revision that was
//! read. The arguments are a folder of certificates, the name of one, and nodes.

use std::{env, error::Error};

use coffee_client::{
    Client, CredentialFiles, Credentials, Entry, KeyRange, PageOptions, WatchEvent, WatchOptions,
};

#[cfg_attr(test, expect(dead_code, reason = "the test of this example calls `show_orders`"))]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (folder, name) =
        arguments.next().zip(arguments.next()).ok_or("usage: order_board CERTS NAME NODE...")?;
    let file = |file: String| format!("{folder}/{file}");
    let files =
        CredentialFiles::new(file("ca.crt".into()), file(format!("{name}.crt")), file(format!("{name}.key")));
    let nodes = arguments.map(|node| node.parse()).collect::<Result<Vec<_>, _>>()?;
    let client = Client::builder().endpoints(nodes).credentials(Credentials::load(&files)?).build()?;
    #[expect(clippy::print_stdout, reason = "a board shows something")]
    Ok(show_orders(&client, |line| println!("{line}")).await?)
}

/// Shows the open orders, all of one revision, and then each change after it. Returns only an error.
pub(crate) async fn show_orders(
    client: &Client,
    mut show: impl FnMut(String),
) -> Result<(), coffee_client::Error> {
    let orders = KeyRange::prefix("order/");
    let first = client.range(orders.clone(), PageOptions::default()).await?;
    let (mut entries, mut upto, mut rest) = (first.entries, first.upto, orders.clone());
    loop {
        for (key, entry) in entries {
            show(format!("{key:?}: {:?}", text(&entry)));
        }
        let Some(last) = upto else { break };
        rest = rest.after(&last);
        let page = client.range_at(rest.clone(), first.at, PageOptions::default()).await?;
        (entries, upto) = (page.entries, page.upto);
    }
    let mut watch = client.watch(orders, WatchOptions { after: Some(first.at), ..WatchOptions::default() });
    loop {
        let WatchEvent::Changes(changed) = watch.next().await? else { continue };
        for change in changed.changes {
            show(match change.entry {
                Some(entry) => format!("{:?}: {:?}", change.key, text(&entry)),
                None => format!("{:?} is done ({})", change.key, changed.author),
            });
        }
    }
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(entry.value.as_bytes()).into_owned()
}
