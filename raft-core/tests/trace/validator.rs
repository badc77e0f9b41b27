//! What has to be so when a line of the trace says that something happened.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// The nodes as the lines so far show them.
#[derive(Default)]
pub(crate) struct Validator {
    nodes: HashMap<String, Node>,
    sent: HashSet<String>,
    leaders: BTreeMap<u64, String>,
    votes: HashMap<(String, u64), String>,
    // The furthest that a leader has committed.
    committed: u64,
    counts: HashMap<String, usize>,
}

/// What one node was in its last line, and what it has heard in its role.
#[derive(Clone, Default)]
struct Node {
    term: u64,
    vote: String,
    commit: u64,
    role: String,
    log: u64,
    conf: Vec<Vec<String>>,
    granted: HashSet<String>,
    matched: HashMap<String, u64>,
    /// Where its log ended when it became leader.
    start: u64,
}

type Check = Result<(), String>;

fn hold(holds: bool, fault: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(fault()) }
}

fn number(value: &Value, name: &str) -> Result<u64, String> {
    value[name].as_u64().ok_or_else(|| format!("no number {name}"))
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| format!("no text {name}"))
}

/// Whether these are a majority of each set of voters.
fn is_quorum(conf: &[Vec<String>], has: impl Fn(&String) -> bool) -> bool {
    conf.iter()
        .all(|voters| voters.is_empty() || voters.iter().filter(|id| has(id)).count() > voters.len() / 2)
}

impl Validator {
    /// How many lines of this name there were.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Takes the next line, or says what is wrong with it.
    pub(crate) fn take(&mut self, line: &str) -> Check {
        let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        hold(line["tag"] == "trace", || "no trace".to_owned())?;
        let event = &line["event"];
        let (name, id) = (text(event, "name")?, text(event, "nid")?);
        let before = self.nodes.get(&id).cloned().unwrap_or_default();
        let mut node = read(event, before.clone())?;
        if name == "InitState" {
            node = Node { granted: HashSet::new(), matched: HashMap::new(), ..node };
        } else {
            steady(&before, &node, &name)?;
        }
        self.follow(&name, &id, event, &before, &mut node)?;
        hold(node.commit <= node.log, || "commits what it does not hold".to_owned())?;
        if name != "InitState" && node.role != "StateLeader" && before.commit > 0 {
            hold(node.commit <= self.committed.max(before.commit), || {
                "commits before any leader".to_owned()
            })?;
        }
        self.nodes.insert(id, node);
        *self.counts.entry(name).or_default() += 1;
        Ok(())
    }

    fn follow(&mut self, name: &str, id: &str, event: &Value, before: &Node, node: &mut Node) -> Check {
        match name {
            "InitState" | "Ready" | "ApplyConfChange" => Ok(()),
            "BecomeFollower" => hold(node.role == "StateFollower", || "a wrong role".to_owned()),
            "BecomeCandidate" => {
                node.granted.clear();
                hold(node.term == before.term + 1 && node.vote == id, || {
                    "a campaign without a term".to_owned()
                })
            }
            "BecomeLeader" => {
                let leader = self.leaders.entry(node.term).or_insert_with(|| id.to_owned());
                hold(leader == id, || format!("{leader} leads already"))?;
                (node.start, node.matched) = (node.log, HashMap::new());
                hold(is_quorum(&node.conf, |id| node.granted.contains(id)), || {
                    "leads without a quorum of votes".to_owned()
                })
            }
            "Replicate" | "ChangeConf" => {
                hold(node.role == "StateLeader", || "only a leader appends".to_owned())
            }
            "Commit" => self.commit(before, node),
            _ => self.message(name, id, &event["msg"], node),
        }
    }

    fn commit(&mut self, before: &Node, node: &Node) -> Check {
        if node.commit == before.commit {
            return Ok(());
        }
        hold(node.commit > node.start, || "commits an entry of an earlier term by counting".to_owned())?;
        let holds = |id: &String| node.matched.get(id).is_some_and(|&index| index >= node.commit);
        hold(is_quorum(&node.conf, holds), || "commits without a quorum that holds it".to_owned())?;
        self.committed = self.committed.max(node.commit);
        Ok(())
    }

    fn message(&mut self, name: &str, id: &str, message: &Value, node: &mut Node) -> Check {
        let (from, to) = (text(message, "from")?, text(message, "to")?);
        let (term, index) = (number(message, "term")?, number(message, "index")?);
        let is_yes = !message["reject"].as_bool().ok_or("no reject")?;
        if name.starts_with("Receive") {
            hold(to == id, || "somebody else's message".to_owned())?;
            hold(self.sent.contains(&message.to_string()), || "it was never sent".to_owned())?;
        } else {
            hold(from == id, || "in somebody else's name".to_owned())?;
            self.sent.insert(message.to_string());
        }
        match name {
            "SendAppendEntriesRequest" => {
                hold(node.role == "StateLeader" && term == node.term, || {
                    "only a leader sends entries".to_owned()
                })?;
                hold(index + number(message, "entries")? <= node.log, || "sends more than it has".to_owned())
            }
            "SendRequestVoteResponse" if is_yes => {
                let vote = self.votes.entry((from, term)).or_insert_with(|| to.clone());
                hold(*vote == to, || format!("it has voted for {vote} in this term"))
            }
            "ReceiveRequestVoteResponse" if is_yes && term == node.term => {
                node.granted.insert(from);
                Ok(())
            }
            "ReceiveAppendEntriesResponse"
                if is_yes && term == node.term && message["type"] == "MsgAppResp" =>
            {
                let matched = node.matched.entry(from).or_default();
                *matched = (*matched).max(index);
                Ok(())
            }
            "SendAppendEntriesResponse"
            | "SendRequestVoteRequest"
            | "SendRequestVoteResponse"
            | "ReceiveAppendEntriesRequest"
            | "ReceiveAppendEntriesResponse"
            | "ReceiveRequestVoteRequest"
            | "ReceiveRequestVoteResponse" => Ok(()),
            _ => Err(format!("there is no event {name}")),
        }
    }
}

/// What the line says of the node; the rest is as it was.
fn read(event: &Value, before: Node) -> Result<Node, String> {
    let state = &event["state"];
    let sets = event["conf"].as_array().ok_or("no conf")?;
    let ids = |set: &Value| -> Vec<String> {
        set.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    };
    Ok(Node {
        term: number(state, "term")?,
        vote: text(state, "vote")?,
        commit: number(state, "commit")?,
        role: text(event, "role")?,
        log: number(event, "log")?,
        conf: sets.iter().map(ids).collect(),
        ..before
    })
}

/// What no event may undo, except a restart.
fn steady(before: &Node, node: &Node, name: &str) -> Check {
    hold(node.term >= before.term, || "the term falls".to_owned())?;
    hold(node.commit >= before.commit, || "the commit index falls".to_owned())?;
    if node.term == before.term {
        hold(["", "0", node.vote.as_str()].contains(&before.vote.as_str()), || {
            "the vote changes".to_owned()
        })?;
        let leads_on = before.role == "StateLeader" && node.role == "StateLeader";
        hold(!leads_on || node.log >= before.log, || "a leader cuts its log".to_owned())?;
        hold(!leads_on || node.commit == before.commit || name == "Commit", || {
            "commits in silence".to_owned()
        })?;
    }
    Ok(())
}
