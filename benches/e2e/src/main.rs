//! End to end: three processes on loopback with durable logs. One call is one sample, told as one line of JSON.
//!
//! `e2e SYSTEM WORK OUTSTANDING BYTES SECONDS DIR`: SYSTEM is `engine`, `lease` (the engine with lease reads) or
//! `floor`; WORK is `win` (one generator with so many outstanding), `thr` (so many blocked threads), or the same of reads,
//! `read-win` and `read-thr`. `e2e failover SECONDS DIR`: from kill -9 of the leader to the next acknowledged write.
//! `e2e http PROGRAM WORK OUTSTANDING BYTES SECONDS DIR`: one of the services of examples/, with so many clients.

mod cluster;
mod engine_node;
mod failover;
mod floor_node;
mod http;
mod latency;
mod load;
mod outgoing;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use load::{Load, Work};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Fallible<()> {
    match *args {
        ["node", system, id, ports, dir] => {
            node(system, id.parse()?, &cluster::ports(ports)?, Path::new(dir))
        }
        ["failover", seconds, dir] => {
            failover::measure(Duration::from_secs_f64(seconds.parse()?), Path::new(dir))
        }
        [system @ ("engine" | "lease" | "floor"), work, outstanding, bytes, seconds, dir] => {
            cluster::measure(system, &load(work, outstanding, bytes, seconds)?, Path::new(dir))
        }
        ["http", program, work, outstanding, bytes, seconds, dir] => {
            let load = load(work, outstanding, bytes, seconds)?;
            http::measure(Path::new(program), &load, Path::new(dir))
        }
        _ => Err("see the head of main.rs for what to say".into()),
    }
}

fn load(work: &str, outstanding: &str, bytes: &str, seconds: &str) -> Fallible<Load> {
    let (outstanding, bytes) = (outstanding.parse()?, bytes.parse()?);
    let time = Duration::from_secs_f64(seconds.parse()?);
    Ok(Load { work: Work::named(work)?, outstanding, bytes, time })
}

fn node(system: &str, id: u64, ports: &[u16], dir: &Path) -> Fallible<()> {
    match system {
        "floor" => floor_node::run(id, ports, dir),
        _ => engine_node::run(id, ports, dir, system == "lease"),
    }
}
