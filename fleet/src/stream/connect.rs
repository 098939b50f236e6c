//! Where the stream is, and how to get in.
#![allow(clippy::doc_markdown, reason = "some comments are what --help prints")]

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use redis::{Client, IntoConnectionInfo as _};

use crate::Failure;

/// Which stream.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamArguments {
    /// The Redis or Valkey server: redis://HOST:6379, rediss:// with TLS, redis+unix:///SOCKET. Default: the environment variable
    /// GALMORPH_FLEET_STREAM
    #[arg(long = "stream", value_name = "SERVER", env = "GALMORPH_FLEET_STREAM", hide_env_values = true, value_hint = ValueHint::Other)]
    server: String,

    /// A file with the server's password alone. A password on the command line is seen by everybody on the machine
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    stream_password_file: Option<PathBuf>,

    /// The name of the survey. Files are known by it and their paths. The stream is galmorph:NAME
    #[arg(long, value_name = "NAME", value_parser = crate::site::name)]
    pub(crate) site: String,
}

impl StreamArguments {
    /// Looks whether these can be an address. Nothing is sent.
    pub(crate) fn resolve(&self) -> Result<Client, Failure> {
        let refused = |error: redis::RedisError| {
            Failure::Usage(format!("--stream is no address of a server: {error}"))
        };
        let mut address = self
            .server
            .as_str()
            .into_connection_info()
            .map_err(refused)?;
        if let Some(path) = &self.stream_password_file {
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::io("read the password in", path, &error))?;
            let settings = address.redis_settings().clone();
            address = address
                .set_redis_settings(settings.set_password(text.trim_end_matches(['\r', '\n'])));
        }
        Client::open(address).map_err(refused)
    }
}
