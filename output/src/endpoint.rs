//! Where a program can be asked over HTTP.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::readable;

/// Where a program listens: on this machine only, since it has neither encryption nor a password.
///
/// Written as `unix:PATH`, or as an address with its port, such as `127.0.0.1:9150`. Shown, an address begins
/// with `http://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:PATH`
    Unix(PathBuf),
    /// `ADDRESS:PORT`, of the loopback interface. Port 0 takes any.
    Tcp(SocketAddr),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("'unix:' names no socket".into())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!("'{text}' is neither unix:PATH nor an address with a port, as 127.0.0.1:9150")
        })?;
        if address.ip().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            let ip = address.ip();
            Err(format!(
                "{ip} can be reached from elsewhere (give 127.0.0.1 or [::1], and put a reverse proxy in front of it)"
            ))
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", readable(path)),
            Self::Tcp(address) => write!(formatter, "http://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_of_this_machine() {
        let parse = |text: &str| text.parse::<Endpoint>();
        assert_eq!(
            parse("unix:/run/a").unwrap(),
            Endpoint::Unix("/run/a".into())
        );
        assert!(parse("127.0.0.1:9150").is_ok() && parse("[::1]:9150").is_ok());
        for text in ["0.0.0.0:9150", "192.168.1.2:9150", "[::]:9150"] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains("can be reached from elsewhere"), "{fault}");
        }
        for text in ["", "unix:", "localhost", "127.0.0.1", "/run/a", ":9150"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
