//! The script that comes with a plan, under a real Slurm: a controller and a node on this machine, on ports and in a folder of
//! the test's own. Slurm has to run as root to be of use; elsewhere the tests are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{free_port, has, program, samples, wait_for};
use tempfile::TempDir;

/// A cluster of one node.
struct Cluster {
    folder: TempDir,
    munged: Child,
    controller: Child,
    node: Option<Child>,
}

impl Cluster {
    fn start() -> Option<Self> {
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if !is_root
            || !["sbatch", "slurmctld", "slurmd", "munged"]
                .iter()
                .all(|name| has(name))
        {
            eprintln!(
                "skipped: Slurm is not installed (scripts/setup fleet installs it), or this is not root"
            );
            return None;
        }
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["state", "spool"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("key"), [7; 64]).unwrap();
        fs::set_permissions(
            at("key"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim();
        let configuration = format!(
            "ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={}
SlurmdPort={}
AuthType=auth/munge
AuthInfo=socket={munge}
CryptoType=crypto/munge
StateSaveLocation={}
SlurmdSpoolDir={}
SlurmctldPidFile={}
SlurmdPidFile={}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
MaxArraySize=1001
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
",
            free_port(),
            free_port(),
            at("state"),
            at("spool"),
            at("slurmctld.pid"),
            at("slurmd.pid"),
            munge = at("munge.socket"),
        );
        fs::write(at("slurm.conf"), configuration).unwrap();
        let munged = Command::new("munged")
            .args(["--foreground", "--force", "--num-threads=2"])
            .args([
                format!("--socket={}", at("munge.socket")),
                format!("--key-file={}", at("key")),
            ])
            .args([
                format!("--pid-file={}", at("munged.pid")),
                format!("--seed-file={}", at("seed")),
            ])
            .arg(format!("--log-file={}", at("munged.log")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(|| Path::new(&at("munge.socket")).exists());
        let controller = Self::daemon("slurmctld", folder.path(), "slurmctld.log");
        let mut cluster = Self {
            folder,
            munged,
            controller,
            node: None,
        };
        cluster.start_node();
        Some(cluster)
    }

    fn daemon(name: &str, folder: &Path, log: &str) -> Child {
        let log = fs::File::create(folder.join(log)).unwrap();
        Command::new(name)
            .args(["-D", "-f"])
            .arg(folder.join("slurm.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn start_node(&mut self) {
        self.node = Some(Self::daemon("slurmd", self.folder.path(), "slurmd.log"));
        wait_for(|| {
            self.ask("sinfo", &["-h", "-o", "%T"])
                .trim_end_matches('\n')
                == "idle"
        });
    }

    /// The node is gone, and knows nothing of it: what runs there goes on.
    fn lose_node(&mut self) {
        let mut node = self.node.take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
        // Those of this cluster, by its folder.
        let own = self.folder.path().to_str().unwrap();
        let stepds = Command::new("pgrep").arg("slurmstepd").output().unwrap();
        for id in String::from_utf8(stepds.stdout).unwrap().split_whitespace() {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(own) {
                let _ = Command::new("kill").args(["-KILL", id]).status();
            }
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .env("SLURM_CONF", self.folder.path().join("slurm.conf"))
            .current_dir(self.folder.path());
        command
    }

    fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Submits a plan's script as it is, but for what this small node has.
    fn submit(&self, plan: &Path) {
        let here = Path::new(env!("CARGO_BIN_EXE_galmorph-fleet"))
            .parent()
            .unwrap();
        let path = format!(
            "{}:{}",
            here.to_str().unwrap(),
            std::env::var("PATH").unwrap()
        );
        let output = self
            .command("sbatch")
            .env("PATH", path)
            .args(["--cpus-per-task=1", "--mem=0", "--time=10"])
            .arg(plan.join("run.sbatch"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn wait_for_jobs(&self) {
        wait_for(|| self.ask("squeue", &["-h"]).is_empty());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let daemons = self
            .node
            .iter_mut()
            .chain([&mut self.controller, &mut self.munged]);
        for daemon in daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn plan(folder: &Path, copies: usize, shards: &str) -> (PathBuf, usize) {
    let data = folder.join("data");
    let mut files = 0;
    for copy in 0..copies {
        let night = data.join(copy.to_string());
        fs::create_dir_all(&night).unwrap();
        for sample in samples() {
            fs::copy(&sample, night.join(sample.file_name().unwrap())).unwrap();
            files += 1;
        }
    }
    let plan = folder.join("plan");
    program("plan")
        .arg(&data)
        .args([
            "--shards",
            shards,
            "--chunk",
            "10",
            "--max-array",
            "4",
            "--out",
        ])
        .arg(&plan)
        .succeeds();
    (plan, files)
}

#[test]
fn an_array_of_the_plans_script_does_every_shard() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    // More shards than tasks.
    let (plan, files) = plan(cluster.folder.path(), 2, "6");
    cluster.submit(&plan);
    cluster.wait_for_jobs();
    let said = program("merge").arg("--check").arg(&plan).succeeds();
    assert!(
        said.contains(&format!("{files:>12} classified\n")),
        "{said}"
    );
}

/// Minutes: Slurm takes its time until it gives a task to a node again. `cargo nextest run -p galmorph-fleet --run-ignored only`
#[test]
#[ignore = "takes four minutes"]
fn a_node_that_is_lost_in_the_middle_of_a_shard_is_made_up_for() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let (plan, files) = plan(cluster.folder.path(), 20, "2");
    cluster.submit(&plan);
    let has_begun = || {
        let chunks = fs::read_dir(plan.join("parts/chunks-00000"));
        chunks.is_ok_and(|chunks| chunks.count() >= 2)
    };
    wait_for(has_begun);
    cluster.lose_node();
    wait_for(|| cluster.ask("sinfo", &["-h", "-o", "%T"]).contains("down"));
    cluster.start_node();
    cluster.wait_for_jobs();
    let said = program("merge").arg("--check").arg(&plan).succeeds();
    assert!(
        said.contains(&format!("{files:>12} classified\n")),
        "{said}"
    );
}
