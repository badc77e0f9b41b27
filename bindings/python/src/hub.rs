//! [`Hub`]: the core's host. It calls nothing of the interpreter: it leaves work for two threads of the interpreter's own
//! and waits, where it has to, for their answers. So no thread of the engine ever needs the interpreter's lock.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use raft_core::engine::code::Code;
use raft_core::engine::event::{Event, Level};
use raft_core::engine::host::{Applied, Host, SnapshotRead, SnapshotView};
use raft_core::engine::outcome::Outcome;
use raft_core::raftpb::message::Message;

use crate::data::EntryParts;
use crate::outbox::Outbox;
use crate::requests::Requests;
use crate::stream::{Request, Stream, serve_reader, serve_writer};

/// What the applying thread is to do, in order.
pub(crate) enum Job {
    /// Apply these entries, and answer each.
    Apply(Vec<EntryParts>, Sender<Vec<Bytes>>),
    /// Write a snapshot of the state machine.
    Save(Stream),
    /// Have the state machine hand out what it is, to be written to the stream; say whether it has.
    View(Stream, Sender<bool>),
    /// Replace the state machine by a snapshot.
    Restore(Stream),
    /// Tell the event loop.
    Outcomes(Vec<Outcome>),
    /// Tell what happened.
    Event(Event),
    /// There is nothing more to do.
    End,
}

/// Where the engine's threads and the interpreter's meet.
pub(crate) struct Hub {
    jobs: Sender<Job>,
    pub(crate) outbox: Outbox,
    pub(crate) requests: Requests,
}

impl Hub {
    /// The hub, and what the applying thread takes its work from. When that is dropped, all work fails.
    pub(crate) fn new() -> (Hub, Receiver<Job>) {
        // Bounded by what fills it: one job of the applier that waits, and outcomes of requests that were bounded.
        let (jobs, taken) = unbounded();
        (Hub { jobs, outbox: Outbox::default(), requests: Requests::default() }, taken)
    }

    /// Both threads end when they have done what there is.
    pub(crate) fn end(&self) {
        let _ = self.jobs.send(Job::End);
        self.outbox.close();
    }

    fn hand_over(&self, job: Job) -> Result<(), i32> {
        self.jobs.send(job).map_err(|_| Code::Host as i32)
    }
}

/// What a thread of the interpreter writes, request by request.
struct View {
    requests: Receiver<Request>,
}

impl SnapshotView for View {
    fn save(&mut self, writer: &mut dyn Write) -> Result<(), i32> {
        serve_writer(&self.requests, writer)
    }
}

impl Host for Hub {
    fn send(&self, messages: &[Message]) {
        self.outbox.send(messages);
    }

    fn apply(&self, entries: &[Applied<'_>]) -> Result<(), i32> {
        // What goes to another thread is not borrowed: a copy, of all of them at once.
        let mut buffer = BytesMut::with_capacity(entries.iter().map(|applied| applied.context.len()).sum());
        let entry = |applied: &Applied<'_>| {
            buffer.extend_from_slice(applied.context);
            EntryParts::new(applied.entry, buffer.split().freeze())
        };
        let (reply, answers) = bounded(1);
        self.hand_over(Job::Apply(entries.iter().map(entry).collect(), reply))?;
        // The thread drops its end without an answer when the callback has raised.
        let answers = answers.recv().map_err(|_| Code::Host as i32)?;
        for (applied, answer) in entries.iter().zip(answers) {
            applied.answer(answer);
        }
        Ok(())
    }

    fn snapshot_save(&self, writer: &mut dyn Write) -> Result<(), i32> {
        let (stream, requests) = Stream::new();
        self.hand_over(Job::Save(stream))?;
        serve_writer(&requests, writer)
    }

    fn snapshot_view(&self) -> Result<Option<Box<dyn SnapshotView>>, i32> {
        let (stream, requests) = Stream::new();
        let (reply, answer) = bounded(1);
        self.hand_over(Job::View(stream, reply))?;
        // The thread drops its end without an answer when the callback has raised.
        let has_one = answer.recv().map_err(|_| Code::Host as i32)?;
        Ok(has_one.then(|| Box::new(View { requests }) as _))
    }

    fn snapshot_restore(&self, reader: &mut dyn SnapshotRead) -> Result<(), i32> {
        let (stream, requests) = Stream::new();
        self.hand_over(Job::Restore(stream))?;
        serve_reader(&requests, reader)
    }

    fn outcome(&self, outcomes: &[Outcome]) {
        let of_loop = self.requests.decided(outcomes);
        if !of_loop.is_empty() {
            // When the thread is gone, nobody is left who could be told.
            let _ = self.hand_over(Job::Outcomes(of_loop));
        }
    }

    fn event(&self, event: &Event) {
        let _ = self.hand_over(Job::Event(event.clone()));
    }

    fn log(&self, level: Level, text: &str) {
        self.outbox.log(level, text);
    }
}
