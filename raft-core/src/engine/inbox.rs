//! [`Inbox`]: what host threads hand to the driver, bounded in items and bytes, and what the engine's own threads have
//! done for it.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::forward::Kind;
use super::lock::{Condvar, Mutex};
use super::mutants::{Mutant, is_planted};
use super::outcome::Reply;
use super::replace::Wish;
use super::work::Completion;
use crate::error::{Error, Result};
use crate::raftpb::conf_change::ConfChangeV2;
use crate::raftpb::message::Message;

/// One call of a host thread.
#[derive(Debug)]
pub(super) enum Input {
    /// Proposals with the host's numbers.
    Propose(Vec<(Bytes, u64)>),
    /// One proposal.
    ProposeWait(Bytes, Reply),
    /// A linearizable read.
    Read(Reply),
    /// A read that may see a state of at most this age.
    ReadWithin(Duration, Reply),
    /// A membership change, plain or forced.
    Change(ConfChangeV2, Kind, Reply),
    /// A member is to be replaced or added by this time.
    Replace(Wish, Instant, Reply),
    /// Leadership is to go to this node.
    TransferLeader(u64, Reply),
    /// A snapshot is to be taken.
    Snapshot(Reply),
    /// An election is to start.
    Campaign,
    /// A message from a peer.
    Step(Message),
    /// The transport could not reach this node.
    Unreachable(u64),
}

/// What an input counts besides its payload: about what it takes in memory.
const OVERHEAD: usize = 64;

impl Input {
    fn size(&self) -> (usize, usize) {
        match self {
            Input::Propose(proposals) => {
                (proposals.len(), proposals.iter().map(|(data, _)| data.len().saturating_add(OVERHEAD)).sum())
            }
            Input::ProposeWait(data, _) => (1, data.len().saturating_add(OVERHEAD)),
            Input::Change(change, ..) => (1, change.context.len().saturating_add(OVERHEAD)),
            Input::Replace(wish, ..) => (1, wish.len().saturating_add(OVERHEAD)),
            Input::Step(message) => (1, message.encoded_bound().saturating_add(OVERHEAD)),
            Input::Read(_)
            | Input::ReadWithin(..)
            | Input::TransferLeader(..)
            | Input::Snapshot(_)
            | Input::Campaign
            | Input::Unreachable(_) => (1, OVERHEAD),
        }
    }
}

/// The queue between all other threads and the driver. Closing it is one step under the lock, so an input is either taken
/// by the driver or refused to its caller, never forgotten between the two.
pub(super) struct Inbox {
    state: Mutex<State>,
    room: Condvar,
    more: Condvar,
    items_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    inputs: VecDeque<Input>,
    completions: Vec<Completion>,
    // The driver waits: who finds it so wakes it, and nobody else.
    is_asleep: bool,
    // It also waits for what can wait.
    is_eager: bool,
    // What is queued, and what the driver took and has not finished: both are memory.
    items: usize,
    bytes: usize,
    items_taken: usize,
    bytes_taken: usize,
    // Threads that wait for room.
    waiting: usize,
    closed: Option<Error>,
}

impl Inbox {
    /// An open inbox.
    pub(super) fn new(items_max: usize, bytes_max: usize) -> Inbox {
        let (room, more) = (Condvar::default(), Condvar::default());
        Inbox { state: Mutex::default(), room, more, items_max, bytes_max }
    }

    /// One of the engine's own threads has done something. There are as many as there are jobs, so they need no bound.
    pub(super) fn complete(&self, completion: Completion) {
        let mut state = self.state.lock();
        state.completions.push(completion);
        self.wake(state);
    }

    /// The same with something that can wait until the driver wakes up for something else, if it has not said that it
    /// cannot.
    pub(super) fn complete_quietly(&self, completion: Completion) {
        let mut state = self.state.lock();
        state.completions.push(completion);
        if state.is_eager {
            self.wake(state);
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let was_asleep = std::mem::take(&mut state.is_asleep);
        drop(state);
        if was_asleep {
            self.more.notify_one();
        }
    }

    /// Waits until there is something to take, for `time` at the most. `is_eager`: nothing that is completed can wait.
    ///
    /// A driver that sleeps is done with what it took. Else one input that is longer than the inbox found no room.
    pub(super) fn wait(&self, time: Duration, is_eager: bool) {
        let mut state = self.state.lock();
        if !time.is_zero()
            && state.inputs.is_empty()
            && state.completions.is_empty()
            && state.closed.is_none()
        {
            self.give_back(&mut state);
            (state.is_asleep, state.is_eager) = (true, is_eager);
            state = self.more.wait_until(state, Instant::now().checked_add(time));
            state.is_asleep = false;
        }
    }

    /// Whether something is done that has not been taken.
    pub(super) fn has_completions(&self) -> bool {
        !self.state.lock().completions.is_empty()
    }

    /// Queues an input, or says why not: `Busy`, or what the inbox was closed with. With a deadline it waits for room until
    /// then.
    pub(super) fn push(&self, input: Input, deadline: Option<Instant>) -> Result<()> {
        let (items, bytes) = input.size();
        let (items_max, bytes_max) = match input {
            Input::Step(_) => (self.items_max, self.bytes_max),
            _ => (self.items_max - self.items_max / 8, self.bytes_max - self.bytes_max / 8),
        };
        let state = {
            let has_room = |state: &State| {
                // One input always fits into an empty inbox: what it may hold is checked where it is made.
                state.items == 0
                    || (state.items.saturating_add(items) <= items_max
                        && state.bytes.saturating_add(bytes) <= bytes_max)
            };
            let mut state = self.state.lock();
            if let Some(deadline) = deadline
                && !has_room(&state)
            {
                state.waiting += 1;
                state =
                    self.room.wait_while(state, deadline, |state| state.closed.is_none() && !has_room(state));
                state.waiting -= 1;
            }
            if let Some(error) = &state.closed {
                return Err(error.clone());
            }
            if !has_room(&state) && !is_planted(Mutant::InboxWithoutBound) {
                return Err(Error::Busy);
            }
            state.items += items;
            state.bytes = state.bytes.saturating_add(bytes);
            state.inputs.push_back(input);
            state
        };
        self.wake(state);
        Ok(())
    }

    /// Why it was closed, if it was.
    pub(super) fn check_open(&self) -> Result<()> {
        self.state.lock().closed.clone().map_or(Ok(()), Err)
    }

    /// What is queued or in the driver's hands: items and bytes.
    pub(super) fn len(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.items, state.bytes)
    }

    /// Exchanges the queue for `emptied`, whose inputs are done, and adds what is completed. False once the inbox is closed.
    ///
    /// Both under one lock: what a thread learned from a completion is there with what it asks next.
    pub(super) fn take(&self, emptied: &mut VecDeque<Input>, completions: &mut Vec<Completion>) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        std::mem::swap(&mut state.inputs, emptied);
        completions.append(&mut state.completions);
        self.give_back(state);
        state.items_taken = state.items;
        state.bytes_taken = state.bytes;
        state.closed.is_none()
    }

    fn give_back(&self, state: &mut State) {
        state.items -= std::mem::take(&mut state.items_taken);
        state.bytes -= std::mem::take(&mut state.bytes_taken);
        if state.waiting > 0 {
            self.room.notify_all();
        }
    }

    /// Refuses all that comes from now on with `error`. The first reason stands.
    pub(super) fn close(&self, error: Error) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(error);
        self.wake(state);
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposals(n: usize, len: usize) -> Input {
        Input::Propose((0..n).map(|_| (Bytes::from(vec![0; len]), 1)).collect())
    }

    #[test]
    fn it_is_bounded_in_items_and_keeps_room_for_peers() {
        let inbox = Inbox::new(8, 1 << 20);
        for _ in 0..7 {
            inbox.push(proposals(1, 1), None).unwrap();
        }
        assert_eq!(inbox.push(proposals(1, 1), None), Err(Error::Busy));
        assert_eq!(inbox.push(Input::Campaign, None), Err(Error::Busy));
        inbox.push(Input::Step(Message::default()), None).unwrap();
        assert_eq!(inbox.push(Input::Step(Message::default()), None), Err(Error::Busy));
    }

    #[test]
    fn what_the_driver_holds_counts_until_it_comes_back() {
        let inbox = Inbox::new(8, 1000);
        inbox.push(proposals(2, 300), None).unwrap();
        assert_eq!(inbox.push(proposals(1, 300), None), Err(Error::Busy));
        let mut inputs = VecDeque::new();
        assert!(inbox.take(&mut inputs, &mut Vec::new()));
        assert_eq!(inputs.len(), 1);
        assert_eq!(inbox.push(proposals(1, 300), None), Err(Error::Busy));
        inputs.clear();
        assert!(inbox.take(&mut inputs, &mut Vec::new()));
        inbox.push(proposals(1, 300), None).unwrap();
    }

    #[test]
    fn one_that_is_longer_than_the_inbox_fits_while_the_driver_sleeps() {
        let inbox = Inbox::new(8, 1000);
        let sleep = || inbox.wait(Duration::from_millis(1), false);
        inbox.push(Input::Campaign, None).unwrap();
        assert!(inbox.take(&mut VecDeque::new(), &mut Vec::new()));
        assert_eq!(inbox.push(proposals(1, 2000), None), Err(Error::Busy));
        sleep();
        assert_eq!(inbox.len(), (0, 0));
        inbox.push(proposals(1, 2000), None).unwrap();
        sleep();
        assert_eq!(inbox.len().0, 1);
    }

    #[test]
    fn what_can_wait_wakes_only_a_driver_that_waits_for_it() {
        let inbox = Inbox::new(8, 1000);
        let done = || Completion::Decided(Vec::new());
        let is_asleep = || inbox.state.lock().is_asleep;
        let sleep = |is_eager| inbox.wait(Duration::from_secs(60), is_eager);
        std::thread::scope(|scope| {
            let driver = scope.spawn(|| sleep(false));
            while !is_asleep() {}
            inbox.complete_quietly(done());
            assert!(is_asleep());
            inbox.complete(done());
            driver.join().unwrap();
            let mut completions = Vec::new();
            assert!(inbox.take(&mut VecDeque::new(), &mut completions));
            assert_eq!(completions.len(), 2);
            let driver = scope.spawn(|| sleep(true));
            while !is_asleep() {}
            inbox.complete_quietly(done());
            driver.join().unwrap();
        });
    }

    #[test]
    fn a_closed_inbox_gives_what_it_has_and_takes_no_more() {
        let inbox = Inbox::new(8, 1000);
        inbox.push(Input::Campaign, None).unwrap();
        inbox.close(Error::Stopped);
        inbox.close(Error::Busy);
        assert_eq!(inbox.push(Input::Campaign, None), Err(Error::Stopped));
        let mut inputs = VecDeque::new();
        assert!(!inbox.take(&mut inputs, &mut Vec::new()));
        assert_eq!(inputs.len(), 1);
    }

    #[test]
    fn whoever_may_wait_does_until_there_is_room_or_no_time() {
        let inbox = Inbox::new(8, 1000);
        inbox.push(proposals(1, 800), None).unwrap();
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(inbox.push(proposals(1, 300), Some(soon)), Err(Error::Busy));
        let late = Instant::now() + Duration::from_secs(60);
        let waits = |n: usize| while inbox.state.lock().waiting < n {};
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| inbox.push(proposals(1, 300), Some(late)));
            waits(1);
            // The first exchange hands the input over, the second one says that it is done.
            let mut inputs = VecDeque::new();
            assert!(inbox.take(&mut inputs, &mut Vec::new()));
            inputs.clear();
            assert!(inbox.take(&mut inputs, &mut Vec::new()));
            assert_eq!(waiter.join().unwrap(), Ok(()));
            let waiter = scope.spawn(|| inbox.push(proposals(1, 800), Some(late)));
            waits(1);
            inbox.close(Error::Stopped);
            assert_eq!(waiter.join().unwrap(), Err(Error::Stopped));
        });
    }
}
