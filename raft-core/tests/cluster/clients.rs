//! [`Client`]: writes and reads, one at a time, and checks what it is told.
//!
//! The order of the log is the order of the writes. So a history is linearizable if no write lands before one that was
//! known to be done when it began, and no read shows less than was known when it began. Both are one comparison.

use bytes::Bytes;
use raft_core::error::{Dropped, Error};
use raft_core::raftpb::entry::Entry;

use super::coverage::Rare;
use super::host::Read;
use super::machine::{CLIENTS, REGISTERS, Write};
use super::oracle::{Check, ensure};
use super::settings::TICK;
use super::world::{Event, World, refusal};

/// A client that was served so often after everything healed is content, and asks no more.
pub(crate) const SERVED: u64 = 3;

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Request {
    number: u64,
    register: usize,
    is_read: bool,
    /// The node that was asked, in its life then, and the term it was in.
    node: u64,
    life: u64,
    term: u64,
    /// The node asked did not lead.
    is_forwarded: bool,
    /// What was known to be in the register.
    floor: u64,
    expires: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    number: u64,
    request: Option<Request>,
    /// Requests done since everything healed.
    pub(crate) done_after_healing: u64,
}

impl Client {
    pub(crate) fn all(count: u64) -> Vec<Client> {
        assert!(count as usize <= CLIENTS);
        vec![Client::default(); count as usize]
    }
}

impl World {
    /// A client looks at its request, or begins one.
    pub(crate) fn client(&mut self, client: usize) -> Check {
        let think = self.rng.within(1, self.settings.think);
        self.schedule(think, Event::Client(client));
        match self.clients[client].request {
            Some(request) if request.expires > self.now => return Ok(()),
            // Nobody knows what has become of it.
            Some(_) => self.clients[client].request = None,
            None => {}
        }
        if self.clients[client].done_after_healing >= SERVED || self.calm_until > self.now {
            return Ok(());
        }
        let running = self.running();
        if running.is_empty() {
            return Ok(());
        }
        // Without forwarding nobody but the leader takes writes, so ask somebody else only now and then.
        let old_leader = self.old_leader();
        let node = match (self.leader(), old_leader) {
            (Some(leader), _) if self.is_healed || !self.rng.permille(self.settings.strays) => leader,
            (_, Some(leader)) if self.rng.permille(700) => leader,
            _ => self.rng.pick(&running),
        };
        self.clients[client].number += 1;
        let request = Request {
            number: self.clients[client].number,
            register: self.rng.below(REGISTERS as u64) as usize,
            is_read: self.rng.permille(self.settings.reads) || old_leader == Some(node),
            node,
            life: self.host(node).life,
            term: self.up(node).seen.term,
            is_forwarded: !self.host(node).leads(),
            floor: 0,
            expires: self.now + self.rng.within(3, self.settings.patience) * TICK,
        };
        let request = Request { floor: self.oracle.floors[request.register], ..request };
        self.totals.requests += 1;
        self.clients[client].request = Some(request);
        self.trace.note(&[self.now, client as u64, request.number, node]);
        self.trace.line(self.now, || format!("client {client} asks {request:?}"));
        if request.is_read { self.begin_read(client, request) } else { self.begin_write(client, request) }
    }

    fn begin_write(&mut self, client: usize, request: Request) -> Check {
        let write = Write { client, number: request.number, register: request.register };
        let (lead, trail) = (self.rng.pick(&[0, 0, 1]), self.rng.pick(&[0, 0, 1]));
        let padding = self.rng.below(54);
        let filler = || Bytes::from_static(b"filler");
        let mut payloads: Vec<Bytes> = (0..lead).map(|_| filler()).collect();
        payloads.push(write.payload(padding));
        payloads.extend((0..trail).map(|_| filler()));
        match self.up(request.node).raw.propose(payloads) {
            Ok(_) => self.settle(request.node, Ok(())),
            Err(error) => {
                self.coverage.hit(Rare::WriteRefused);
                if error == Error::ProposalDropped(Dropped::UncommittedFull) {
                    self.coverage.hit(Rare::UncommittedFull);
                }
                self.oracle.note_refused(write);
                self.clients[client].request = None;
                refusal(request.node, error)
            }
        }
    }

    fn begin_read(&mut self, client: usize, request: Request) -> Check {
        // A host may use a context again for reads that it answers itself.
        let is_repeated = !request.is_forwarded && self.settings.reads > 300 && self.settings.lazy_ready == 0;
        let number = if is_repeated { u64::MAX } else { request.number };
        let context: Bytes = (number << 8 | client as u64).to_le_bytes().to_vec().into();
        let up = self.up(request.node);
        if up.reads.iter().any(|read| read.context == context) {
            self.coverage.hit(Rare::RepeatedContext);
        }
        let up = self.up(request.node);
        up.reads.push(Read {
            context: context.clone(),
            client,
            number: request.number,
            is_repeated,
            index: None,
        });
        let result = up.raw.read_index(context);
        self.settle(request.node, result)
    }

    /// A node has applied a write: whoever asked that node learns of it.
    pub(crate) fn write_done(&mut self, id: u64, write: Write, entry: &Entry) -> Check {
        let Some(request) = self.request_of(write.client, write.number, id) else { return Ok(()) };
        ensure!(
            entry.index > request.floor,
            "a write at {} that began when {} was known to be written",
            entry.index,
            request.floor
        );
        if request.is_forwarded {
            self.coverage.hit(Rare::ForwardedWriteDone);
        }
        self.finish(write.client, request, entry.index);
        Ok(())
    }

    fn request_of(&self, client: usize, number: u64, id: u64) -> Option<Request> {
        let request = self.clients.get(client)?.request?;
        (request.number == number && request.node == id && request.life == self.host(id).life)
            .then_some(request)
    }

    fn finish(&mut self, client: usize, request: Request, index: u64) {
        let floor = &mut self.oracle.floors[request.register];
        *floor = index.max(*floor);
        self.clients[client].request = None;
        self.clients[client].done_after_healing += u64::from(self.is_healed);
        self.trace.note(&[self.now, client as u64, request.number, index]);
        self.trace.line(self.now, || format!("client {client} is done with {} at {index}", request.number));
    }

    /// Answers the reads that are confirmed, as far as the state machine has come.
    pub(crate) fn answer_reads(&mut self, id: u64) -> Check {
        let Some(up) = &mut self.host_mut(id).up else { return Ok(()) };
        let applied = up.machine.applied;
        let (done, rest) = std::mem::take(&mut up.reads)
            .into_iter()
            .partition(|read| read.index.is_some_and(|index| index <= applied));
        up.reads = rest;
        if up.reads.iter().any(|read| read.index.is_some()) {
            self.coverage.hit(Rare::ReadWaitsForApply);
        }
        let done: Vec<Read> = done;
        for read in done {
            let Some(request) = self.request_of(read.client, read.number, id) else { continue };
            let up = self.up(id);
            let (index, term) = (up.machine.registers[request.register], up.seen.term);
            ensure!(
                index >= request.floor,
                "node {id} reads what was written at {index}, when {} was known to be written",
                request.floor
            );
            self.coverage.hit(Rare::ReadDone);
            if term != request.term {
                self.coverage.hit(Rare::ReadAcrossLeaderChange);
            }
            self.finish(read.client, request, index);
        }
        Ok(())
    }
}
