//! Transcripts of nodes that talk to each other. Time, network and disk move by commands only.
//!
//! The commands are those of etcd's raft, whose transcripts run here too:
//! * `add-nodes N [voters=() learners=() index= content=] [setting=value ...]`, see [`add_nodes`] for the settings. Of our
//!   own: `bootstrap=()`, for nodes whose log begins with an entry for each of these members.
//! * `campaign ID`, `propose ID PAYLOAD...`, `propose-conf-change ID [v1=true] [transition=auto|implicit|explicit]`
//!   with steps such as `v1 l2 r3 u4` as input, `transfer-leadership from=ID to=ID`, `forget-leader ID`,
//!   `report-unreachable ID PEER`, `tick-heartbeat ID`, `tick-election ID`,
//!   `set-randomized-election-timeout ID timeout=TICKS`.
//! * `process-ready ID...`, `process-append-thread ID...`, `process-apply-thread ID...`: one piece of work each.
//! * `deliver-msgs ID... [drop=(ID, ...)] [type=MsgX]`, `send-snapshot FROM TO` (puts it on its way).
//! * `stabilize [ID...] [log-level=X]`: all of the above until nothing is left to do.
//! * `raft-log ID`, `raft-state`, `status ID`, `compact ID INDEX`, `log-level X` (`none` prints errors only).
//!
//! And some that etcd does not have:
//! * `step ID TYPE [field=value ...]`: a message made by hand, see [`handmade`].
//! * `tick ID TICKS`, `drop-lease ID`, `read-index ID CONTEXT`, `report-snapshot ID PEER ok=BOOL`.
//! * `propose-conf-change ID checked=true`: by the call of a host, which is told at once if it must not be.
//! * `restart ID`: a crash. `lose-tail ID INDEX`: a crash of a disk that had lied, and loses the log behind INDEX.
//! * `applied ID`: the state machine, which appends payloads to each other, and the membership there.
//!
//! A command that prints nothing prints `ok`.

use bytes::Bytes;
use prost::Message as _;
use raft_core::consensus::config::{Config, ReadOnlyOption};
use raft_core::consensus::describe::Describe;
use raft_core::consensus::log::storage::Storage;
use raft_core::raftpb::conf_change::{ConfChange, ConfChangeTransition, ConfChangeV2};
use raft_core::raftpb::entry::{Entries, Entry, EntryType};
use raft_core::raftpb::message::{Message, MessageType, Snapshot};

use super::cluster::{Cluster, Recipient, error_text};
use super::command::{Command, Fault, Outcome, parse};
use super::confchange::read_steps;
use super::datadriven::Case;
use super::disk::Disk;
use super::handmade;

/// The nodes of one file.
#[derive(Default)]
pub(crate) struct Session {
    cluster: Cluster,
}

impl Session {
    pub(crate) fn run(&mut self, case: &Case) -> Result<String, String> {
        self.cluster.out.text.clear();
        match self.run_command(&Command(case)) {
            Ok(()) => {}
            Err(Fault::Usage(what)) => return Err(what),
            Err(Fault::Node(error)) => self.cluster.out.text += &error_text(&error),
        }
        Ok(match self.cluster.out.text.as_str() {
            "" => "ok".to_owned(),
            text => text.to_owned(),
        })
    }

    fn run_command(&mut self, command: &Command<'_>) -> Outcome {
        let cluster = &mut self.cluster;
        match command.0.command.as_str() {
            "_breakpoint" => {}
            "add-nodes" => add_nodes(cluster, command)?,
            "log-level" => cluster.out.is_quiet = read_is_quiet(command.word(0)?)?,
            "process-ready" => self.process(command, "handling Ready", Cluster::process_ready)?,
            "process-append-thread" => {
                self.process(command, "processing append thread", Cluster::process_append_thread)?;
            }
            "process-apply-thread" => {
                self.process(command, "processing apply thread", Cluster::process_apply_thread)?;
            }
            "deliver-msgs" => deliver(cluster, command)?,
            "stabilize" => self.stabilize(command)?,
            "raft-state" => print_states(cluster),
            "transfer-leadership" => {
                let (from, to) = (command.value("from")?, command.value("to")?);
                self.node(from)?.node.transfer_leader(to)?;
            }
            _ => self.run_on_node(command, command.number(0)?)?,
        }
        Ok(())
    }

    /// The commands whose first word is a node.
    fn run_on_node(&mut self, command: &Command<'_>, id: u64) -> Outcome {
        let member = self.node(id)?;
        let node = &mut member.node;
        match command.0.command.as_str() {
            "campaign" => node.campaign()?,
            "propose" => {
                let payloads = command.words().skip(1).map(|word| Bytes::copy_from_slice(word.as_bytes()));
                node.propose(payloads.collect())?;
            }
            "propose-conf-change" if command.values("checked") == ["true"] => {
                node.propose_conf_change(&conf_change_of(read_conf_change(command)?)?)?;
            }
            "propose-conf-change" => {
                let entries = Entries::from(read_conf_change(command)?);
                // Stepped as a message, it becomes an empty entry where it is refused, as in etcd.
                node.step(Message { from: id, entries, ..Message::new(MessageType::MsgProp, id) })?;
            }
            "step" => node.step(handmade::read(command)?)?,
            "tick" => (0..command.number(1)?).try_for_each(|_| node.tick())?,
            "drop-lease" => node.drop_lease()?,
            "read-index" => node.read_index(Bytes::copy_from_slice(command.word(1)?.as_bytes()))?,
            "forget-leader" => node.forget_leader()?,
            "report-unreachable" => node.report_unreachable(command.number(1)?)?,
            "report-snapshot" => node.report_snapshot(command.number(1)?, command.value("ok")?)?,
            "tick-heartbeat" => (0..member.config.heartbeat_ticks).try_for_each(|_| node.tick())?,
            "tick-election" => (0..member.config.election_ticks).try_for_each(|_| node.tick())?,
            "set-randomized-election-timeout" => {
                node.set_randomized_election_timeout(command.value("timeout")?);
            }
            "send-snapshot" => self.cluster.send_snapshot(id, command.number(1)?)?,
            "compact" => {
                node.storage_mut().compact(command.number(1)?)?;
                self.print_log(id)?;
            }
            "restart" => self.cluster.restart(id, u64::MAX - 1)?,
            "lose-tail" => self.cluster.restart(id, command.number(1)?)?,
            "raft-log" => self.print_log(id)?,
            "status" => {
                let lines = node.status().progress.into_iter().map(|(id, it)| format!("{id}: {it}\n"));
                self.cluster.out.print(lines.collect::<String>());
            }
            "applied" => {
                let state = node.storage().state();
                let line = format!("{} Data:{:?}", Describe(state), String::from_utf8_lossy(&state.data));
                self.cluster.out.print(line);
            }
            other => return Err(Fault::Usage(format!("unknown command {other}"))),
        }
        Ok(())
    }

    fn node(&mut self, id: u64) -> Outcome<&mut super::member::Member> {
        if !self.cluster.has(id) {
            return Err(Fault::Usage(format!("there is no node {id}")));
        }
        Ok(self.cluster.member(id))
    }

    /// The nodes that the command names.
    fn ids(&mut self, command: &Command<'_>) -> Outcome<Vec<u64>> {
        let ids = (0..command.words().count()).map(|at| command.number(at)).collect::<Outcome<Vec<_>>>()?;
        ids.iter().try_for_each(|&id| self.node(id).map(|_| ()))?;
        Ok(ids)
    }

    fn process(
        &mut self,
        command: &Command<'_>,
        what: &str,
        work: impl Fn(&mut Cluster, u64) -> raft_core::error::Result<()>,
    ) -> Outcome {
        let ids = self.ids(command)?;
        for &id in &ids {
            match ids.len() {
                1 => work(&mut self.cluster, id)?,
                _ => self.cluster.under(id, what, |cluster| work(cluster, id))?,
            }
        }
        Ok(())
    }

    fn stabilize(&mut self, command: &Command<'_>) -> Outcome {
        let mut ids = self.ids(command)?;
        if ids.is_empty() {
            ids = (1..=self.cluster.members.len() as u64).collect();
        }
        let was_quiet = self.cluster.out.is_quiet;
        if let Some(level) = command.values("log-level").first() {
            self.cluster.out.is_quiet = read_is_quiet(level)?;
        }
        let result = self.cluster.stabilize(&ids);
        self.cluster.out.is_quiet = was_quiet;
        Ok(result?)
    }

    fn print_log(&mut self, id: u64) -> Outcome {
        let disk = self.cluster.member(id).node.storage();
        let (first, last) = (disk.first_index(), disk.last_index());
        let text = match last < first {
            true => format!("log is empty: first index={first}, last index={last}"),
            false => Describe(&disk.all_entries()?).to_string(),
        };
        self.cluster.out.print(text);
        Ok(())
    }
}

fn read_is_quiet(level: &str) -> Outcome<bool> {
    let level = level.to_ascii_lowercase();
    if !["debug", "info", "warn", "error", "fatal", "none"].contains(&level.as_str()) {
        return Err(Fault::Usage(format!("unknown log level {level}")));
    }
    Ok(level == "none")
}

/// Nodes without limits and without what is optional, unless a setting says so.
fn add_nodes(cluster: &mut Cluster, command: &Command<'_>) -> Outcome {
    let mut config = Config {
        election_ticks: 3,
        heartbeat_ticks: 1,
        message_bytes_max: u64::MAX,
        uncommitted_bytes_max: 0,
        inflight_messages_max: i32::MAX as usize,
        inflight_bytes_max: 0,
        check_quorum: false,
        pre_vote: false,
        step_down_on_removal: false,
        ..Config::new(1)
    };
    let mut is_async = false;
    let mut snapshot = Snapshot::default();
    let mut founders = Vec::new();
    for arg in command.0.args.iter().skip(1) {
        let ids = || arg.values.iter().map(|id| parse(id)).collect::<Outcome<Vec<u64>>>();
        let value = arg.values.first().map_or("", String::as_str);
        match arg.key.as_str() {
            "voters" => snapshot.metadata.conf_state.voters = ids()?,
            "learners" => snapshot.metadata.conf_state.learners = ids()?,
            "index" => snapshot.metadata.index = parse(value)?,
            "content" => snapshot.data = Bytes::copy_from_slice(value.as_bytes()),
            "bootstrap" => founders = ids()?,
            "async-storage-writes" => is_async = parse(value)?,
            "election-ticks" => config.election_ticks = parse(value)?,
            "hold-back" => config.hold_back_ticks = parse(value)?,
            "clock-drift-percent" => config.clock_drift_percent = parse(value)?,
            "prevote" => config.pre_vote = parse(value)?,
            "checkquorum" => config.check_quorum = parse(value)?,
            "step-down-on-removal" => config.step_down_on_removal = parse(value)?,
            "disable-conf-change-validation" => config.validate_conf_changes = !parse::<bool>(value)?,
            "disable-proposal-forwarding" => config.forward_proposals = !parse::<bool>(value)?,
            "read-only" => {
                config.read_only = match value {
                    "safe" => ReadOnlyOption::Safe,
                    "lease-based" => ReadOnlyOption::LeaseBased,
                    other => return Err(Fault::Usage(format!("unknown read-only option {other}"))),
                }
            }
            "inflight" => config.inflight_messages_max = parse(value)?,
            "inflight-bytes" => config.inflight_bytes_max = parse(value)?,
            "max-size-per-msg" => config.message_bytes_max = parse(value)?,
            "max-committed-size-per-ready" => config.apply_bytes_max = parse(value)?,
            "max-uncommitted-size" => config.uncommitted_bytes_max = parse(value)?,
            other => return Err(Fault::Usage(format!("unknown setting {other}"))),
        }
    }
    if snapshot != Snapshot::default() {
        if snapshot.metadata.index <= 1 {
            return Err(Fault::Usage("index must be specified as > 1 due to bootstrap".to_owned()));
        }
        snapshot.metadata.term = 1;
        config.applied = snapshot.metadata.index;
    }
    let disk = || match founders.as_slice() {
        [] => Disk::new(snapshot.clone()),
        founders => Disk::bootstrapped_by_entries(founders),
    };
    cluster.add(command.number(0)? as usize, &config, is_async, disk)?;
    Ok(())
}

fn read_conf_change(command: &Command<'_>) -> Outcome<Entry> {
    let steps = read_steps(&command.0.input)?;
    let transition = match command.values("transition").first().map_or("auto", String::as_str) {
        "auto" => ConfChangeTransition::Auto,
        "implicit" => ConfChangeTransition::JointImplicit,
        "explicit" => ConfChangeTransition::JointExplicit,
        other => return Err(Fault::Usage(format!("unknown transition {other}"))),
    };
    let is_v1 = !command.values("v1").is_empty() && command.value("v1")?;
    let (entry_type, data) = match (is_v1, steps.as_slice()) {
        (true, [step]) if transition == ConfChangeTransition::Auto => {
            let change =
                ConfChange { change_type: step.change_type, node_id: step.node_id, ..ConfChange::default() };
            (EntryType::ConfChange, change.encode_to_vec())
        }
        (true, _) => return Err(Fault::Usage("v1 takes one step and no transition".to_owned())),
        (false, _) => {
            let change = ConfChangeV2 { transition: transition as i32, ..ConfChangeV2::new(steps) };
            (EntryType::ConfChangeV2, change.encode_to_vec())
        }
    };
    Ok(Entry { entry_type, data: data.into(), ..Entry::default() })
}

fn conf_change_of(entry: Entry) -> Outcome<ConfChangeV2> {
    Ok(match entry.entry_type {
        EntryType::ConfChange => ConfChange::read(&entry.data)?.into(),
        _ => ConfChangeV2::read(&entry.data)?,
    })
}

fn deliver(cluster: &mut Cluster, command: &Command<'_>) -> Outcome {
    let mut recipients = Vec::new();
    let mut kind = None;
    for arg in &command.0.args {
        match arg.key.as_str() {
            "drop" => {
                for id in &arg.values {
                    recipients.push(Recipient { id: parse(id)?, drop: true });
                }
            }
            "type" => {
                kind = Some(handmade::read_kind(&command.value::<String>("type")?)?);
            }
            id => recipients.push(Recipient { id: parse(id)?, drop: false }),
        }
    }
    if let Some(nobody) = recipients.iter().find(|it| !it.drop && !cluster.has(it.id)) {
        return Err(Fault::Usage(format!("there is no node {}", nobody.id)));
    }
    if cluster.deliver(kind, &recipients) == 0 {
        cluster.out.print("no messages");
    }
    Ok(())
}

/// Each node as it sees itself.
fn print_states(cluster: &mut Cluster) {
    for member in &cluster.members {
        let status = member.node.status();
        let is_voter = status.membership.voters.contains(status.id);
        let vote = if is_voter { "Voter" } else { "Non-Voter" };
        let (id, role, term, leader) = (status.id, status.role, status.hard_state.term, status.leader);
        cluster.out.print(format!("{id}: {role} ({vote}) Term:{term} Lead:{leader}"));
    }
}
