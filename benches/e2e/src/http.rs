//! The services of examples/ under load: three processes of one of them, and clients that keep their connections.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Fallible;
use crate::latency::Latencies;
use crate::load::Load;

/// How long a cluster may take to have a leader, and a request to have an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer that is taken.
const ANSWER_MAX: usize = 16 << 20;

struct Service {
    children: Vec<Child>,
    dir: PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A connection to the leader.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn dial(port: u16) -> Fallible<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends one request and reads its answer: status and body.
    fn ask(&mut self, request: &[u8]) -> Fallible<(u16, Vec<u8>)> {
        self.stream.get_mut().write_all(request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status line")?.parse()?;
        let mut len = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the connection ended".into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                len = value.trim().parse()?;
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err("an answer of unknown length".into());
            }
        }
        if len > ANSWER_MAX {
            return Err("an answer that is too long".into());
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}

fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len}\r\n\r\n")
        .into_bytes();
    text.extend_from_slice(body);
    text
}

/// Starts three of `program`, waits for a leader and loads it.
pub(crate) fn measure(program: &Path, load: &Load, dir: &Path) -> Fallible<()> {
    let listeners: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|addr| addr.port()))
        .collect::<Result<_, _>>()?;
    drop(listeners);
    let cluster: Vec<String> = (1..).zip(&ports).map(|(id, port)| format!("{id}=127.0.0.1:{port}")).collect();
    let dir = dir.join(format!("http-{}", std::process::id()));
    let mut service = Service { children: Vec::new(), dir: dir.clone() };
    for id in 1..=3 {
        let own = dir.join(id.to_string());
        fs::create_dir_all(&own)?;
        let log = fs::File::create(dir.join(format!("log-{id}")))?;
        let mut command = Command::new(program);
        command.args(["--id", &id.to_string(), "--cluster", &cluster.join(","), "--dir"]).arg(own);
        service.children.push(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?);
    }
    let port = find_leader(&ports)?;
    run(port, &load.shortened())?;
    let begun = Instant::now();
    let latencies = run(port, load)?;
    let value = latencies.count() as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = (latencies.percentile_us(50), latencies.percentile_us(99));
    println!("{{\"value\": {value:.1}, \"p50_us\": {p50:.1}, \"p99_us\": {p99:.1}}}");
    Ok(())
}

/// Who takes a write by itself, leads; a follower forwards it, or names the leader. So the status is asked.
fn find_leader(ports: &[u16]) -> Fallible<u16> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        for port in ports {
            let answer =
                Client::dial(*port).and_then(|mut client| client.ask(&request("GET", "/status?hash=0", &[])));
            if let Ok((200, body)) = answer
                && String::from_utf8_lossy(&body).replace(' ', "").contains("\"role\":\"leader\"")
            {
                return Ok(*port);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("no leader".into())
}

fn run(port: u16, load: &Load) -> Fallible<Latencies> {
    let end = Instant::now() + load.time;
    let body = Bytes::from(vec![b'x'; load.bytes]);
    let one = |at: usize| -> Fallible<Latencies> {
        let mut latencies = Latencies::default();
        let mut client = Client::dial(port)?;
        let target = format!("/kv/key-{at}");
        client.ask(&request("PUT", &target, b"first"))?;
        let (request, wanted) = match load.is_read() {
            true => (request("GET", &target, &[]), 200),
            false => (request("PUT", &target, &body), 204),
        };
        let mut now = Instant::now();
        while now < end {
            let (status, _) = client.ask(&request)?;
            if status != wanted {
                return Err(format!("answered with {status}").into());
            }
            let then = Instant::now();
            latencies.add(then - now);
            now = then;
        }
        Ok(latencies)
    };
    std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..load.outstanding)
            .map(|at| scope.spawn(move || one(at).map_err(|error| error.to_string())))
            .collect();
        let mut all = Latencies::default();
        for thread in threads {
            all.merge(&thread.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    })
}
