//! Where the stream is, and how to get in.
#![allow(clippy::doc_markdown, reason = "some comments are what --help prints")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use redis::{Client, IntoConnectionInfo as _};

use super::Stream;
use super::redis::RedisStream;
use crate::Failure;

/// Which stream.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamArguments {
    /// The Redis or Valkey server: redis://HOST:6379, rediss:// with TLS, redis+unix:///SOCKET. Or brokers of Kafka, if this program was
    /// built with it: kafka://HOST:9092,HOST:9092. Default: the environment variable GALMORPH_FLEET_STREAM
    #[arg(long = "stream", value_name = "SERVER", env = "GALMORPH_FLEET_STREAM", hide_env_values = true, value_hint = ValueHint::Other)]
    server: String,

    /// A file with the server's password alone. A password on the command line is seen by everybody on the machine
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    stream_password_file: Option<PathBuf>,

    /// The name of the survey. Files are known by it and their paths. The stream is galmorph:NAME, the topic of Kafka galmorph.NAME
    #[arg(long, value_name = "NAME", value_parser = crate::site::name)]
    pub(crate) site: String,
}

/// Where a stream is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Redis(Box<Client>),
    #[cfg(feature = "kafka")]
    Kafka(super::kafka::Brokers),
}

impl StreamArguments {
    /// Looks whether these can be an address. Nothing is sent.
    pub(crate) fn resolve(&self) -> Result<Address, Failure> {
        if let Some(brokers) = self.server.strip_prefix("kafka://") {
            return self.kafka(brokers);
        }
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
        let client = Client::open(address).map_err(refused)?;
        Ok(Address::Redis(Box::new(client)))
    }

    #[cfg(feature = "kafka")]
    fn kafka(&self, brokers: &str) -> Result<Address, Failure> {
        if self.stream_password_file.is_some() {
            return Err(Failure::Usage(
                "--stream-password-file is for Redis: users of Kafka are not supported".to_owned(),
            ));
        }
        super::kafka::topic(&self.site)?;
        Ok(Address::Kafka(super::kafka::Brokers::new(brokers)?))
    }

    #[cfg(not(feature = "kafka"))]
    #[expect(
        clippy::unused_self,
        reason = "as where the feature is, which looks at the rest"
    )]
    fn kafka(&self, _brokers: &str) -> Result<Address, Failure> {
        Err(Failure::Usage(
            "--stream is an address of Kafka, and this program was built without it (cargo build -p galmorph-fleet --features kafka)"
                .to_owned(),
        ))
    }
}

impl Address {
    /// The stream of a site, or of a model's own. Nothing is sent yet. `consumer` is a name that no other process has. What a
    /// worker holds that was not heard of for `claim` is taken over.
    #[cfg_attr(
        not(feature = "kafka"),
        expect(clippy::unnecessary_wraps, reason = "not every name can be a topic's")
    )]
    pub(crate) fn open(
        self,
        name: &str,
        consumer: &str,
        claim: Duration,
    ) -> Result<Box<dyn Stream>, Failure> {
        Ok(match self {
            Self::Redis(client) => Box::new(RedisStream::new(*client, name, consumer, claim)),
            #[cfg(feature = "kafka")]
            Self::Kafka(brokers) => Box::new(super::kafka::KafkaStream::new(
                brokers,
                super::kafka::topic(name)?,
                consumer,
                claim,
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(server: &str, site: &str) -> Result<Address, String> {
        let arguments = StreamArguments {
            server: server.to_owned(),
            stream_password_file: None,
            site: site.to_owned(),
        };
        arguments.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_says_which_kind_of_stream() {
        let redis = resolve("redis://queue:6379", "survey");
        assert!(matches!(redis, Ok(Address::Redis(_))));
        assert!(resolve("queue", "survey").is_err());
        let kafka = resolve("kafka://one:9092,two:9093/", "survey");
        #[cfg(not(feature = "kafka"))]
        assert!(kafka.unwrap_err().contains("--features kafka"));
        #[cfg(feature = "kafka")]
        {
            assert!(matches!(kafka, Ok(Address::Kafka(_))));
            for server in [
                "kafka://",
                "kafka://broker",
                "kafka://user@broker:9092",
                "kafka://broker:9092/topic",
                "kafka://one:9092,",
            ] {
                let said = resolve(server, "survey").unwrap_err();
                assert!(said.contains("kafka://HOST:PORT"), "{said}");
            }
            let said = resolve("kafka://broker:9092", "survey-\u{e9}").unwrap_err();
            assert!(said.contains("can't be named"), "{said}");
        }
    }
}
