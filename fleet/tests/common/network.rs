//! A machine of its own, for its network: a namespace of Linux that reaches the servers by addresses of its own, each way of which can
//! be cut. What is cut is lost without a word, as in a switch that has failed: the frames go to an address that nobody has.

use std::process::{Command, Stdio};

use super::free_port;

/// Where a frame goes to be lost.
const NOBODY: &str = "02:00:00:00:00:01";

/// The two servers, by the last number of their addresses here, and of the addresses from which the machine asks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Redis = 1,
    Postgres = 2,
}

/// Which way is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the machine sends.
    There,
    /// What the server sends.
    Back,
}

/// A machine.
pub struct Branch {
    name: String,
    network: String,
}

fn ip(arguments: &[&str]) -> bool {
    let mut ip = Command::new("ip");
    let status = ip.args(arguments).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Branch {
    /// Makes one, if this user may.
    pub fn new() -> Option<Self> {
        // As unlike any other one's as a free port.
        let unique = free_port();
        let name = format!("gm{unique}");
        let network = format!("10.{}.{}.", unique >> 8, unique & 255);
        let branch = Self { name, network };
        let (here, there) = (branch.here(), branch.there());
        let name = &branch.name;
        let made = ip(&["netns", "add", name])
            && ip(&[
                "link", "add", &here, "type", "veth", "peer", "name", &there, "netns", name,
            ])
            && ip(&["link", "set", &here, "up"])
            && ip(&["-n", name, "link", "set", "lo", "up"])
            && ip(&["-n", name, "link", "set", &there, "up"])
            && [Peer::Redis, Peer::Postgres].into_iter().all(|peer| {
                let (server, own) = (branch.server(peer), branch.own(peer));
                let [server_net, own_net] = [&server, &own].map(|address| format!("{address}/28"));
                let route = format!("{server}/32");
                ip(&["addr", "add", &server_net, "dev", &here])
                    && ip(&["-n", name, "addr", "add", &own_net, "dev", &there])
                    && ip(&[
                        "-n", name, "route", "replace", &route, "dev", &there, "src", &own,
                    ])
            });
        if !made {
            eprintln!("skipped: this user can't make a network");
            return None;
        }
        Some(branch)
    }

    fn here(&self) -> String {
        format!("{}a", self.name)
    }

    fn there(&self) -> String {
        format!("{}b", self.name)
    }

    /// The address by which the machine reaches a server.
    pub fn server(&self, peer: Peer) -> String {
        format!("{}{}", self.network, peer as u8)
    }

    /// The address that it asks from.
    fn own(&self, peer: Peer) -> String {
        format!("{}{}", self.network, peer as u8 + 2)
    }

    /// What runs a program on it.
    pub fn wrapper(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// How many packets this machine has sent again, since nobody said that they had come.
    pub fn sent_again(&self) -> u64 {
        let [ip, netns, exec, name] = self.wrapper();
        let mut cat = Command::new(ip);
        let read = cat
            .args([netns, exec, name, "cat", "/proc/net/snmp"])
            .output();
        let text = String::from_utf8(read.unwrap().stdout).unwrap();
        // A line of names, and one of numbers.
        let mut tcp = text.lines().filter(|line| line.starts_with("Tcp:"));
        let [names, numbers] = [(); 2].map(|()| tcp.next().unwrap().split_whitespace());
        let mut fields = names.zip(numbers);
        let found = fields.find(|(name, _)| *name == "RetransSegs").unwrap().1;
        found.parse().unwrap()
    }

    /// Cuts one way.
    pub fn cut(&self, peer: Peer, way: Way) {
        let (server, own) = (self.server(peer), self.own(peer));
        let (here, there) = (self.here(), self.there());
        let lost = |address, device| {
            vec![
                "neigh",
                "replace",
                address,
                "lladdr",
                NOBODY,
                "dev",
                device,
                "nud",
                "permanent",
            ]
        };
        let done = match way {
            Way::There => ip(&[&["-n", &*self.name], &*lost(&server, &there)].concat()),
            Way::Back => ip(&lost(&own, &here)),
        };
        assert!(done);
    }

    /// Mends it.
    pub fn mend(&self, peer: Peer, way: Way) {
        let (server, own) = (self.server(peer), self.own(peer));
        let done = match way {
            Way::There => ip(&[
                "-n",
                &self.name,
                "neigh",
                "del",
                &server,
                "dev",
                &self.there(),
            ]),
            Way::Back => ip(&["neigh", "del", &own, "dev", &self.here()]),
        };
        assert!(done);
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        ip(&["link", "del", &self.here()]);
        ip(&["netns", "del", &self.name]);
    }
}
