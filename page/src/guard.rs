//! Whether a request may be answered at all.
//!
//! The page knows no passwords: whoever can connect may look. What it must see to is that no page of another site uses
//! the visitor's browser for that. A name of another site that leads to this machine (DNS rebinding) is told by the
//! Host header; a form that another site sends here (cross-site request forgery) by Origin and Sec-Fetch-Site, which no
//! script can set.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};

use galmorph_output::Endpoint;

/// Names under which this machine knows itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Says which requests are from this page's own visitors.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The port that goes with the names of the loopback interface; none on a socket.
    port: Option<u16>,
    /// Names of reverse proxies, at any port.
    hosts: Vec<String>,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

const fn refuse<T>(status: StatusCode, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, why })
}

impl Guard {
    pub(crate) fn new(endpoint: &Endpoint, hosts: &[String]) -> Self {
        Self {
            port: match endpoint {
                Endpoint::Tcp(address) => Some(address.port()),
                Endpoint::Unix(_) => None,
            },
            hosts: hosts.to_vec(),
        }
    }

    /// Checks where a request comes from.
    pub(crate) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        let host = host.and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|host| another.is_none() && self.knows(host)) else {
            return refuse(
                StatusCode::MISDIRECTED_REQUEST,
                "This page is not known by that name. Ask for it at localhost, or name the host with --host.",
            );
        };
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let mode = text(HeaderName::from_static("sec-fetch-mode"));
        let is_own = matches!(site, None | Some("same-origin" | "none"));
        if method == Method::POST {
            // Browsers send it with every form; "null" is an origin that is hidden.
            let is_same = text(ORIGIN).is_some_and(|origin| {
                let name = origin.strip_prefix("http://");
                let name = name.or_else(|| origin.strip_prefix("https://"));
                name.is_some_and(|name| name.eq_ignore_ascii_case(host))
            });
            if !(is_same && is_own) {
                return refuse(
                    StatusCode::FORBIDDEN,
                    "This was not sent by a form of this page.",
                );
            }
        } else if !is_own && mode != Some("navigate") {
            return refuse(
                StatusCode::FORBIDDEN,
                "Pages of other sites get nothing from here.",
            );
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (&*host, None),
        };
        let Ok(port) = port.map(str::parse::<u16>).transpose() else {
            return false;
        };
        if self.hosts.iter().any(|known| known == name) {
            return true;
        }
        let is_ours = match self.port {
            Some(own) => port.unwrap_or(80) == own,
            None => true,
        };
        is_ours && LOOPBACK.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let endpoint = Endpoint::Tcp("127.0.0.1:8150".parse().unwrap());
        Guard::new(&endpoint, &["galaxies.example.org".into()])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        // Equal names are kept apart.
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn only_known_names_are_answered() {
        let check = |host: &str| {
            guard()
                .check(&Method::GET, &headers(&[("host", host)]))
                .is_ok()
        };
        for host in [
            "127.0.0.1:8150",
            "localhost:8150",
            "LOCALHOST:8150",
            "[::1]:8150",
            "galaxies.example.org",
            "galaxies.example.org:443",
        ] {
            assert!(check(host), "{host}");
        }
        for host in [
            "evil.example.org:8150",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.evil.example.org:8150",
            "localhost:8150.evil.example.org",
            "galaxies.example.org.evil.example.org",
            "192.0.2.1:8150",
            "",
            ":8150",
            "localhost:",
            "localhost:8150:8150",
        ] {
            assert!(!check(host), "{host}");
        }
        let twice = headers(&[("host", "localhost:8150"), ("host", "evil.example.org")]);
        assert!(guard().check(&Method::GET, &twice).is_err());
        assert!(guard().check(&Method::GET, &headers(&[])).is_err());
    }

    #[test]
    fn only_forms_of_the_page_itself_change_anything() {
        let check = |more: &[(&'static str, &str)]| {
            let all = [&[("host", "localhost:8150")], more].concat();
            guard().check(&Method::POST, &headers(&all)).is_ok()
        };
        let own = ("origin", "http://localhost:8150");
        assert!(check(&[own]) && check(&[own, ("sec-fetch-site", "same-origin")]));
        assert!(!check(&[]));
        assert!(!check(&[own, ("sec-fetch-site", "cross-site")]));
        assert!(!check(&[own, ("sec-fetch-site", "same-site")]));
        for origin in [
            "null",
            "http://127.0.0.1:8150",
            "http://evil.example.org",
            "http://localhost",
            "localhost:8150",
            "http://localhost:8150.evil.example.org",
        ] {
            assert!(!check(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn another_site_may_lead_here_but_not_show_or_read_anything() {
        let check = |mode: &str| {
            let all = headers(&[
                ("host", "localhost:8150"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
            ]);
            guard().check(&Method::GET, &all).is_ok()
        };
        assert!(check("navigate"));
        assert!(!check("no-cors") && !check("cors") && !check("websocket"));
    }
}
