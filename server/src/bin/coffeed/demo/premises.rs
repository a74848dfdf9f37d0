//! The demo's directory and the ports of its shops.
//!
//! ```text
//! certs/        the CA, one certificate per shop, and one of an admin client
//! ming/ hong/   the data of each shop that was ever open
//! demo.toml     the ports, by which the shops remember each other
//! demo.log      the log of all shops
//! ```
//!
//! A temporary directory is deleted at the end; one named by the user stays.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
};

use coffee_common::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::CredentialFiles,
};
use coffeectl::{exit::ExitCode, failure::Failure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tracing::Level;

use super::certificates;

/// The shops in the order in which they open.
const SHOPS: [&str; 5] = ["ming", "hong", "peng", "long", "hu"];

/// The name in the client certificate.
const CLIENT: &str = "demo";

/// The first port of the preferred range.
const FIRST_PORT: u16 = 7400;

/// The demo's directory.
pub(super) struct Premises {
    root: PathBuf,
    /// Deleted on drop.
    _temporary: Option<TempDir>,
    shops: Vec<ShopConfig>,
    client: NodeName,
}

/// Configuration of one shop.
#[derive(Debug, Clone)]
pub(super) struct ShopConfig {
    pub(super) name: NodeName,
    pub(super) listen: SocketAddr,
    pub(super) data_dir: PathBuf,
    pub(super) tls: CredentialFiles,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    ports: [u16; SHOPS.len()],
}

impl Premises {
    /// Opens the directory, or a temporary one, and creates what is missing.
    pub(super) fn open(data: Option<&Path>) -> Result<Self, Failure> {
        let (root, temporary) = match data {
            Some(folder) => (absolute(folder)?, None),
            None => {
                let folder = TempDir::with_prefix("coffeed-demo-")
                    .map_err(|error| unusable(Path::new("/tmp"), &error))?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let names = SHOPS.map(name).into_iter().collect::<Result<Vec<_>, _>>()?;
        let client = name(CLIENT)?;
        let certs = root.join("certs");
        certificates::prepare(&certs, &names, &client)?;
        let ports = ports(&root.join("demo.toml"))?;
        let place = |(name, port): (NodeName, u16)| ShopConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            data_dir: root.join(name.as_str()),
            tls: certificates::files(&certs, &Identity::new(Role::Node, name.clone())),
            name,
        };
        let shops = names.into_iter().zip(ports).map(place).collect();
        Ok(Self { root, _temporary: temporary, shops, client })
    }

    /// The configuration of every shop.
    pub(super) fn shops(&self) -> &[ShopConfig] {
        &self.shops
    }

    /// The directory of certificates.
    pub(super) fn certs(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// The client certificate of the prompt.
    pub(super) fn caller(&self) -> CredentialFiles {
        certificates::files(&self.certs(), &Identity::new(Role::Admin, self.client.clone()))
    }

    /// The log file of all shops.
    pub(super) fn log_file(&self) -> PathBuf {
        self.root.join("demo.log")
    }

    /// Sends the shops' log to a file, away from the prompt.
    pub(super) fn log_to_file(&self) -> Result<(), Failure> {
        let path = self.log_file();
        let file =
            File::options().create(true).append(true).open(&path).map_err(|error| unusable(&path, &error))?;
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Arc::new(file))
            .with_ansi(false)
            .with_max_level(Level::INFO)
            .finish();
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|error| Failure::new(ExitCode::Failed, error.to_string()))
    }
}

fn name(text: &str) -> Result<NodeName, Failure> {
    NodeName::new(text).map_err(|error| Failure::new(ExitCode::Failed, error.to_string()))
}

/// Returns an absolute path, for the command line printed for another terminal.
fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(folder).and_then(|()| folder.canonicalize()).map_err(|error| unusable(folder, &error))
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot use {}: {error}", path.display()))
        .hint("name another directory with --data DIR")
}

/// Returns the ports from an earlier run, or free ones.
fn ports(file: &Path) -> Result<[u16; SHOPS.len()], Failure> {
    match fs::read_to_string(file) {
        Ok(text) => toml::from_str(&text).map(|Ports { ports }| ports).map_err(|error| {
            Failure::usage(format!("{} is not a valid demo.toml: {}", file.display(), error.message()))
                .hint("name another directory with --data DIR")
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ports = free_ports()
                .map_err(|error| Failure::new(ExitCode::Failed, format!("no free port: {error}")))?;
            let text = toml::to_string(&Ports { ports })
                .map_err(|error| Failure::new(ExitCode::Failed, error.to_string()))?;
            fs::write(file, text).map_err(|error| unusable(file, &error))?;
            Ok(ports)
        }
        Err(error) => Err(unusable(file, &error)),
    }
}

/// Returns the preferred ports if they are free, otherwise any free ports.
fn free_ports() -> io::Result<[u16; SHOPS.len()]> {
    let preferred: [u16; SHOPS.len()] = std::array::from_fn(|i| FIRST_PORT + i as u16);
    bind(preferred).or_else(|_| bind([0; SHOPS.len()]))
}

/// Binds all ports before it releases any, so that none is returned twice.
fn bind(ports: [u16; SHOPS.len()]) -> io::Result<[u16; SHOPS.len()]> {
    let sockets = ports.map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)));
    let mut bound = [0; SHOPS.len()];
    for (port, socket) in bound.iter_mut().zip(sockets) {
        *port = socket?.local_addr()?.port();
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_reused() {
        let folder = tempfile::tempdir().unwrap();
        let first = Premises::open(Some(folder.path())).unwrap();
        let key = fs::read(&first.caller().key).unwrap();
        let again = Premises::open(Some(folder.path())).unwrap();
        let listen =
            |premises: &Premises| premises.shops().iter().map(|shop| shop.listen).collect::<Vec<_>>();
        assert_eq!(listen(&first), listen(&again));
        assert_eq!(key, fs::read(&again.caller().key).unwrap());
    }

    #[test]
    fn a_temporary_directory_is_deleted() {
        let premises = Premises::open(None).unwrap();
        let root = premises.root.clone();
        assert!(root.join("certs/ca.crt").exists());
        drop(premises);
        assert!(!root.exists());
    }

    #[test]
    fn every_shop_has_a_port_of_its_own() {
        let premises = Premises::open(None).unwrap();
        let ports: std::collections::BTreeSet<u16> =
            premises.shops().iter().map(|shop| shop.listen.port()).collect();
        assert_eq!(ports.len(), 5);
        assert!(!ports.contains(&0));
    }

    #[test]
    fn a_torn_file_is_a_failure_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("demo.toml"), "ports = [7400]").unwrap();
        let Err(failure) = Premises::open(Some(folder.path())) else { panic!("it opened") };
        assert_eq!(failure.code(), ExitCode::Usage);
        assert!(!failure.hints().is_empty());
    }
}
