//! Where the server is, and how to get in.
#![allow(clippy::doc_markdown, reason = "some comments are what --help prints")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use native_tls::{Certificate, TlsConnector};
use postgres::{Client, Config};
use postgres_native_tls::MakeTlsConnector;

use super::failure;
use crate::Failure;

/// How long to wait for an answer to a new connection, and for a sign of life on an idle one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArguments {
    /// The PostgreSQL database: postgresql://USER@HOST/DATABASE?sslmode=require, or host=... dbname=... Default: the
    /// environment variable GALMORPH_FLEET_DATABASE
    #[arg(long = "to", value_name = "DATABASE", env = "GALMORPH_FLEET_DATABASE", hide_env_values = true, value_hint = ValueHint::Other)]
    database: String,

    /// A file with the password alone. A password on the command line is seen by everybody on the machine
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,

    /// A file with the certificate (PEM) that signs that of the server. Default: those that the system trusts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tls_root: Option<PathBuf>,
}

/// A server that can be connected to.
pub(crate) struct Server {
    config: Config,
    tls: MakeTlsConnector,
}

impl ServerArguments {
    /// Looks whether these can be an address. Nothing is sent.
    pub(crate) fn resolve(&self) -> Result<Server, Failure> {
        let mut config: Config = self.database.parse().map_err(|error| {
            Failure::Usage(format!("--to is no address of a database: {error}"))
        })?;
        if let Some(path) = &self.password_file {
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::io("read the password in", path, &error))?;
            config.password(text.trim_end_matches(['\r', '\n']));
        }
        if config.get_application_name().is_none() {
            config.application_name("galmorph-fleet");
        }
        config
            .connect_timeout(PATIENCE)
            .keepalives_idle(PATIENCE)
            .keepalives_interval(PATIENCE)
            .keepalives_retries(3)
            .tcp_user_timeout(6 * PATIENCE);
        let mut tls = TlsConnector::builder();
        if let Some(path) = &self.tls_root {
            let pem = fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
            let root = Certificate::from_pem(&pem).map_err(|error| {
                Failure::Usage(format!("--tls-root has no certificate in PEM: {error}"))
            })?;
            tls.add_root_certificate(root);
            tls.disable_built_in_roots(true);
        }
        let tls = tls
            .build()
            .map_err(|error| Failure::Internal(format!("cannot set up TLS: {error}")))?;
        Ok(Server {
            config,
            tls: MakeTlsConnector::new(tls),
        })
    }
}

impl Server {
    /// Connects.
    pub(crate) fn connect(&self) -> Result<Client, postgres::Error> {
        let mut client = self.config.connect(self.tls.clone())?;
        // What was committed is on the disk, whatever the server's default is. No lock is waited for longer than it takes to
        // see that somebody is stuck; and whoever is stopped, or cut off, within a transaction loses it and its locks.
        client.batch_execute(
            "SET synchronous_commit = on; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = '30s';
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
             SET TIME ZONE 'UTC'; SET client_min_messages = warning; SET jit = off",
        )?;
        Ok(client)
    }

    /// Connects, or says why not, for a command that doesn't wait.
    pub(crate) fn connect_now(&self) -> Result<Client, Failure> {
        self.connect()
            .map_err(|error| failure("cannot connect to the database", &error))
    }
}
