//! Serves the metrics: `GET /metrics` on a Unix socket or a loopback port.
//!
//! As small as HTTP can be: one thread, one request per connection, and a client that is slow to ask is
//! disconnected. It is for a collector on the same machine, not for the network.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, mem};

use super::{CONTENT_TYPE, Metrics};
use crate::failure::{Failure, InternalFault};
use crate::threads::cannot_start;
use galmorph_output::Endpoint;

/// How long a request may take to arrive, and how long to wait after a failed accept.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request, in bytes.
const LONGEST: usize = 8 * 1024;
/// The largest number of headers in a request.
const HEADERS: usize = 64;

/// The server, which runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at `endpoint`, and answers on a thread of its own.
    pub(crate) fn start(endpoint: &Endpoint, metrics: &Metrics) -> Result<Self, Failure> {
        let refused = |error: io::Error| {
            Failure::Usage(format!("cannot give metrics at {endpoint}: {error}"))
        };
        let is_over = Arc::<AtomicBool>::default();
        let (endpoint, thread) = match endpoint {
            Endpoint::Unix(path) => {
                let listener = bind(path).map_err(refused)?;
                let accept = move || listener.accept().map(|(connection, _)| connection);
                (endpoint.clone(), start_thread(accept, &is_over, metrics)?)
            }
            Endpoint::Tcp(address) => {
                let listener = TcpListener::bind(address).map_err(refused)?;
                // Port 0 asks for any port; this is the one that the system chose.
                let bound = Endpoint::Tcp(listener.local_addr().map_err(refused)?);
                let accept = move || listener.accept().map(|(connection, _)| connection);
                (bound, start_thread(accept, &is_over, metrics)?)
            }
        };
        let path = match endpoint {
            Endpoint::Unix(_) => "",
            Endpoint::Tcp(_) => "/metrics",
        };
        log::info!("metrics at {endpoint}{path}");
        Ok(Self {
            endpoint,
            is_over,
            thread: Some(thread),
        })
    }

    /// Connects, so that the thread returns from its wait and sees that it is over.
    fn wake(&self) -> io::Result<()> {
        match &self.endpoint {
            Endpoint::Unix(path) => UnixStream::connect(path).map(mem::drop),
            Endpoint::Tcp(address) => TcpStream::connect(address).map(mem::drop),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // If the socket was removed, the thread can't be woken; it ends with the process.
        if self.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        if let Endpoint::Unix(path) = &self.endpoint {
            let _ = fs::remove_file(path);
        }
    }
}

fn start_thread<C: Connection>(
    accept: impl FnMut() -> io::Result<C> + Send + 'static,
    is_over: &Arc<AtomicBool>,
    metrics: &Metrics,
) -> Result<JoinHandle<()>, InternalFault> {
    let (is_over, metrics) = (Arc::clone(is_over), metrics.clone());
    thread::Builder::new()
        .name("metrics".into())
        .spawn(move || serve(accept, &is_over, &metrics))
        .map_err(|error| cannot_start("metrics", error))
}

/// Listens at a path. Replaces a socket that a killed daemon left there, and nothing else.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        outcome => outcome,
    }
}

fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

/// A connection, of either kind.
trait Connection: Read + Write {
    /// Limits how long one read or one write may wait.
    fn limit(&self, patience: Duration) -> io::Result<()>;
}

impl Connection for UnixStream {
    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.set_write_timeout(Some(patience))
    }
}

impl Connection for TcpStream {
    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.set_write_timeout(Some(patience))
    }
}

fn serve<C: Connection>(
    mut accept: impl FnMut() -> io::Result<C>,
    is_over: &AtomicBool,
    metrics: &Metrics,
) {
    loop {
        let connection = accept();
        if is_over.load(Ordering::Acquire) {
            return;
        }
        match connection {
            Ok(mut connection) => {
                if let Err(error) = answer(&mut connection, metrics) {
                    log::debug!("metrics: {error}");
                }
            }
            // Such as too few file descriptors: the next accept would fail at once, too.
            Err(error) => {
                log::debug!("metrics: cannot accept a connection: {error}");
                thread::sleep(PATIENCE);
            }
        }
    }
}

fn answer(connection: &mut impl Connection, metrics: &Metrics) -> io::Result<()> {
    let request = read(connection)?;
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = match &request {
        Some((method, _)) if method != "GET" && method != "HEAD" => {
            ("405 Method Not Allowed", plain, "GET it\n".to_owned())
        }
        Some((_, path)) if path.split('?').next() == Some("/metrics") => {
            ("200 OK", CONTENT_TYPE, metrics.text())
        }
        Some(_) => ("404 Not Found", plain, "they are at /metrics\n".to_owned()),
        None => ("400 Bad Request", plain, "that is no request\n".to_owned()),
    };
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )?;
    if request.is_none_or(|(method, _)| method != "HEAD") {
        connection.write_all(body.as_bytes())?;
    }
    connection.flush()
}

/// The method and the path of a request; `None` when what arrives is no request.
fn read(connection: &mut impl Connection) -> io::Result<Option<(String, String)>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        let patience = deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        connection.limit(patience)?;
        let mut part = [0; 1024];
        match connection.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&part[..length]),
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => {
                let (method, path) = (request.method, request.path);
                return Ok(method.zip(path).map(|(m, p)| (m.to_owned(), p.to_owned())));
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::LastError;
    use crate::observe::watchdog::Monitor;

    fn metrics() -> Metrics {
        Metrics::new(Monitor::new(Duration::MAX), LastError::new())
    }

    fn ask(mut connection: impl Read + Write, request: &str) -> String {
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_socket_answers_and_is_gone_at_the_end() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("metrics");
        let endpoint = Endpoint::Unix(path.clone());
        let server = Server::start(&endpoint, &metrics()).unwrap();
        let request = |text: &str| ask(UnixStream::connect(&path).unwrap(), text);
        let answer = request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
        let answer = request("HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"));
        assert!(request("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(request("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(request("\u{16}\u{3}\u{1} hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
        let endless = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(LONGEST));
        assert!(request(&endless[..LONGEST]).starts_with("HTTP/1.1 400 "));
        // A client that hangs up in the middle does no harm.
        let mut half = UnixStream::connect(&path).unwrap();
        half.write_all(b"GET /met").unwrap();
        drop(half);
        assert!(request("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
        drop(server);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_daemon_left_is_replaced_and_nothing_else() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("metrics");
        let endpoint = Endpoint::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let server = Server::start(&endpoint, &metrics()).unwrap();
        let failure = Server::start(&endpoint, &metrics()).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(_)), "another one listens");
        assert!(failure.to_string().contains("in use"), "{failure}");
        drop(server);
        fs::write(&path, "a file").unwrap();
        assert!(Server::start(&endpoint, &metrics()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }

    #[test]
    fn a_port_answers_until_the_end() {
        let endpoint = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(&endpoint, &metrics()).unwrap();
        let Endpoint::Tcp(address) = server.endpoint else {
            panic!("not a port");
        };
        let connection = TcpStream::connect(address).unwrap();
        let answer = ask(connection, "GET /metrics?a=b HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}
