//! An order board: the open orders, and every change of them as it is made.
//!
//! ```sh
//! cargo run -p coffee-client --example order_board -- certs reader-board 127.0.0.1:7401 127.0.0.1:7402
//! ```
//!
//! Nothing is skipped while nodes fail: the watch goes on at another node, after the revision that was
//! read. The arguments are a folder of certificates, the name of one, and nodes.
#![expect(clippy::print_stdout, reason = "a board shows something")]

use std::{env, error::Error};

use coffee_client::{Client, CredentialFiles, Credentials, KeyRange, PageOptions, WatchEvent, WatchOptions};

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

    let orders = KeyRange::prefix("order/");
    let page = client.range(orders.clone(), PageOptions::default()).await?;
    for (key, entry) in &page.entries {
        println!("{key:?}: {:?}", String::from_utf8_lossy(entry.value.as_bytes()));
    }
    let mut watch = client.watch(orders, WatchOptions { after: Some(page.at), ..WatchOptions::default() });
    loop {
        let WatchEvent::Changes(changed) = watch.next().await? else { continue };
        for change in changed.changes {
            match change.entry {
                Some(entry) => {
                    println!("{}: {}", change.key, String::from_utf8_lossy(entry.value.as_bytes()))
                }
                None => println!("{:?} is done ({})", change.key, changed.author),
            }
        }
    }
}
