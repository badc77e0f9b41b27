//! Three processes of this program, told what to do by lines on their standard input. They end when it ends.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::load::Load;

pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) lines: BufReader<ChildStdout>,
}

impl Node {
    pub(crate) fn tell(&mut self, line: &str) -> Fallible<()> {
        let input = self.child.stdin.as_mut().ok_or("a node without an input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// The next line that it says.
    pub(crate) fn hear(&mut self) -> Fallible<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err("a node ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Processor time so far, in nanoseconds, of all its threads.
    fn cpu_ns(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name in parentheses, user and system time are the twelfth and thirteenth field, in hundredths.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10_000_000
    }

    fn switches(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let statuses = tasks.into_iter().flatten().flatten();
        let texts = statuses.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        texts
            .filter_map(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                line.and_then(|count| count.trim().parse::<u64>().ok())
            })
            .sum()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It ends with its input; one that does not is ended.
        drop(self.child.stdin.take());
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    dir: PathBuf,
}

impl Cluster {
    /// Starts three nodes in fresh folders below `dir`, of which the first one will lead.
    pub(crate) fn start(system: &str, dir: &Path) -> Fallible<Cluster> {
        let listeners: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports: Vec<String> = listeners
            .iter()
            .map(|listener| listener.local_addr().map(|addr| addr.port().to_string()))
            .collect::<Result<_, _>>()?;
        drop(listeners);
        let dir = dir.join(format!("e2e-{}", std::process::id()));
        let mut cluster = Cluster { nodes: Vec::new(), dir };
        for id in 1..=3 {
            let own = cluster.dir.join(id.to_string());
            fs::create_dir_all(&own)?;
            let mut child = Command::new(std::env::current_exe()?)
                .args(["node", system, &id.to_string(), &ports.join(",")])
                .arg(own)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let lines = BufReader::new(child.stdout.take().ok_or("a node without an output")?);
            cluster.nodes.push(Node { child, lines });
        }
        for node in &mut cluster.nodes {
            while node.hear()? != "up" {}
        }
        cluster.nodes[0].tell("lead")?;
        while cluster.nodes[0].hear()? != "leads" {}
        Ok(cluster)
    }

    fn cpu_ns(&self) -> u64 {
        self.nodes.iter().map(Node::cpu_ns).sum()
    }

    fn switches(&self) -> u64 {
        self.nodes.iter().map(Node::switches).sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Has the leader do the work and tells what it cost.
pub(crate) fn measure(system: &str, load: &Load, dir: &Path) -> Fallible<()> {
    let mut cluster = Cluster::start(system, dir)?;
    // One run to become warm, with the same work.
    cluster.nodes[0].tell(&load.shortened().to_line())?;
    cluster.nodes[0].hear()?;
    let before = (cluster.cpu_ns(), cluster.switches());
    cluster.nodes[0].tell(&load.to_line())?;
    let line = cluster.nodes[0].hear()?;
    let (ops, rest) = line.split_once(' ').ok_or("a result of one word")?;
    let ops = ops.parse::<f64>()?.max(1.0);
    let cpu = (cluster.cpu_ns() - before.0) as f64 / ops;
    let switches = cluster.switches().saturating_sub(before.1) as f64 / ops;
    println!("{{{rest}, \"cpu_ns_per_op\": {cpu:.0}, \"switches_per_op\": {switches:.3}}}");
    Ok(())
}

pub(crate) fn ports(text: &str) -> Fallible<Vec<u16>> {
    Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
}
