"""The engine whose calls wait."""

import _thread
import contextlib
import fcntl
import gc
import json
import logging
import os
import pickle
import re
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import rft
from conftest import Stuck, lead, quick
from story import Cluster, Commands, wait_for

BIG = 1 << 64


class Faulty(Commands):
    """Raises what it is told to."""

    def __init__(self, **faults: BaseException) -> None:
        super().__init__()
        self.faults = faults

    def _raise(self, where: str) -> None:
        if where in self.faults:
            raise self.faults[where]

    def apply(self, entries: list[rft.Entry]) -> Any:
        self._raise("apply")
        return super().apply(entries)

    def save(self, writer: BinaryIO) -> None:
        writer.write(b"half")
        self._raise("save")
        super().save(writer)

    def restore(self, reader: BinaryIO) -> None:
        self._raise("restore")
        super().restore(reader)


def test_a_proposal_is_answered(engine: rft.Engine) -> None:
    outcome = engine.propose(b"one")
    assert outcome.answer == b"1"
    assert outcome.index == engine.status().applied
    assert outcome.term == engine.status().term
    assert outcome == outcome
    assert "answer=b'1'" in repr(outcome)
    assert engine.propose(bytearray(b"two")).answer == b"2"
    assert engine.propose(memoryview(b"three")).answer == b"3"
    assert engine.propose(b"").answer == b""
    assert engine.read().index >= outcome.index


def test_a_command_of_a_session_is_applied_once(cluster: Cluster) -> None:
    engine, other = cluster.engines[1], cluster.engines[2]
    session = engine.open_session()
    first = engine.propose_once(session, 1, b"once")
    assert first.answer == b"1"
    assert other.propose_once(session, 1, b"once") == first
    assert other.propose_once(session, 2, b"twice").answer == b"2"
    with pytest.raises(rft.SessionError) as caught:
        engine.propose_once(session, 1, b"late")
    assert caught.value.name == "SESSION"
    cluster.all_hold(2)
    assert cluster.machines[3].held == [b"once", b"twice"]
    assert other.close_session(session).index > 0
    gone: list[Callable[[], object]] = [
        lambda: engine.close_session(session),
        lambda: engine.propose_once(session, 3, b"late"),
    ]
    for call in gone:
        with pytest.raises(rft.SessionError):
            call()
    faulty: list[Callable[[], object]] = [
        lambda: engine.close_session(0),
        lambda: engine.close_session(-1),
        lambda: engine.propose_once(1, 0, b""),
    ]
    for call in faulty:
        with pytest.raises(rft.InvalidArgumentError):
            call()


def test_a_read_may_be_of_a_known_age(cluster: Cluster) -> None:
    follower = cluster.engines[cluster.follower()]
    assert follower.read().age == 0
    assert 0 < follower.read(within=60).age < 60
    with pytest.raises(rft.InvalidArgumentError, match="within"):
        follower.read(within=-1)


def test_a_disk_without_room_takes_no_proposal(tmp_path: Path) -> None:
    events: list[rft.Event] = []
    config = quick(disk_reserve_bytes=(1 << 64) - 1)
    with pytest.raises(rft.DiskFullError):
        rft.Engine(config, tmp_path, Commands())
    with rft.Engine(quick(), tmp_path, Commands()) as engine:
        lead(engine).propose(b"x")
    with rft.Engine(config, tmp_path, Commands(), on_event=events.append) as engine:
        engine.campaign()
        wait_for(lambda: engine.status().disk_full and engine.status().role == "leader")
        with pytest.raises(rft.DiskFullError):
            engine.propose(b"x")
        assert engine.status().failure is None
        wait_for(lambda: any(event.kind == "disk_full" and event.bytes > 0 for event in events))


def test_what_it_counts_is_told(engine: rft.Engine) -> None:
    engine.propose_many([b"x" * 10] * 5)
    counters = engine.counters()
    assert (counters["applied"], counters["applied_bytes"], counters["elections_won"]) == (5, 50, 1)
    assert json.loads(engine.status_json())["id"] == 1
    assert "rft_applied_total" in engine.metrics()


def test_many_proposals_are_answered_in_their_order(engine: rft.Engine) -> None:
    assert engine.propose_many([]) == []
    outcomes = engine.propose_many([b"x"] * 1000)
    answers = [outcome.answer for outcome in outcomes if isinstance(outcome, rft.Outcome)]
    assert answers == [str(n).encode() for n in range(1, 1001)]
    with pytest.raises(rft.TooLargeError):
        engine.propose_many([b"x"] * 10_000)


def test_a_state_machine_need_not_answer(tmp_path: Path) -> None:
    class Silent(rft.StateMachine):
        def apply(self, entries: list[rft.Entry]) -> None:
            pass

    config = quick(snapshot_entries=0)
    with rft.Engine(config, tmp_path, Silent()) as engine:
        assert lead(engine).propose(b"x").answer == b""
        with pytest.raises(rft.CallbackError) as caught:
            engine.snapshot()
        assert isinstance(caught.value.__cause__, NotImplementedError)
        assert engine.propose(b"goes on").answer == b""
    for config in (quick(), quick(snapshot_entries=0, snapshot_bytes=1000)):
        with pytest.raises(rft.InvalidArgumentError, match="no save"):
            rft.Engine(config, tmp_path, Silent())


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([], rft.InvalidArgumentError),
        ([b"1", b"2"], rft.InvalidArgumentError),
        (["1"], TypeError),
        (3, TypeError),
    ],
)
def test_answers_that_do_not_fit_stop_the_engine(tmp_path: Path, answers: Any, kind: type[Exception]) -> None:
    class Machine(Commands):
        def apply(self, entries: list[rft.Entry]) -> Any:
            return answers

    with rft.Engine(quick(), tmp_path, Machine()) as engine:
        lead(engine)
        with pytest.raises(rft.RaftError):
            engine.propose(b"x")
        with pytest.raises(rft.CallbackError) as caught:
            engine.propose(b"y")
        assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit(3), KeyboardInterrupt()])
def test_what_apply_raises_stops_the_engine_and_is_the_cause(tmp_path: Path, error: BaseException) -> None:
    events: list[rft.Event] = []
    engine = rft.Engine(quick(), tmp_path, Faulty(apply=error), on_event=events.append)
    lead(engine)
    with pytest.raises((rft.CallbackError, rft.ClosedError)) as first:
        engine.propose(b"x")
    assert first.value.__cause__ is error
    for call in (lambda: engine.propose(b"y"), engine.read, engine.snapshot, engine.campaign):
        with pytest.raises(rft.CallbackError) as caught:
            call()
        assert caught.value.__cause__ is error
    failure = engine.status().failure
    assert isinstance(failure, rft.CallbackError)
    assert failure.__cause__ is error
    assert "failed" in repr(engine.status())
    wait_for(lambda: any(event.kind == "failed" for event in events))
    told = events[-1].error
    assert isinstance(told, rft.CallbackError)
    assert told.__cause__ is error
    engine.close()


def test_what_save_raises_means_no_snapshot_this_time(tmp_path: Path) -> None:
    error = OSError("no room")
    machine = Faulty(save=error)
    with rft.Engine(quick(), tmp_path, machine) as engine:
        lead(engine).propose(b"x")
        with pytest.raises(rft.CallbackError) as caught:
            engine.snapshot()
        assert caught.value.__cause__ is error
        assert engine.propose(b"goes on").answer == b"2"
        machine.faults.clear()
        assert engine.snapshot().index > 0


def test_what_restore_raises_is_raised_by_open(tmp_path: Path) -> None:
    with rft.Engine(quick(), tmp_path, Faulty()) as engine:
        lead(engine).propose(b"x")
        engine.snapshot()
    error = pickle.UnpicklingError("half")
    with pytest.raises(rft.CallbackError) as caught:
        rft.Engine(quick(), tmp_path, Faulty(restore=error))
    assert caught.value.__cause__ is error


def test_snapshots_are_streams_of_any_length(tmp_path: Path) -> None:
    class Large(Commands):
        def save(self, writer: BinaryIO) -> None:
            assert writer.writable()
            for number in range(3000):
                writer.write(number.to_bytes(4, "big") * 500)
            writer.write(b"line\nrest")

        def restore(self, reader: BinaryIO) -> None:
            assert reader.readable()
            for number in range(3000):
                assert reader.read(2000) == number.to_bytes(4, "big") * 500
            assert reader.readline() == b"line\n"
            assert reader.read() == b"rest"
            assert reader.read() == b""
            self.held = [b"restored"]

    with rft.Engine(quick(), tmp_path, Large()) as engine:
        lead(engine).propose(b"x")
        engine.snapshot()
    machine = Large()
    with rft.Engine(quick(), tmp_path, machine):
        assert machine.held[:1] == [b"restored"]


def test_a_stream_is_of_no_use_after_its_callback(tmp_path: Path) -> None:
    kept: list[BinaryIO] = []

    class Keeping(Commands):
        def save(self, writer: BinaryIO) -> None:
            kept.append(writer)
            super().save(writer)

    with rft.Engine(quick(), tmp_path, Keeping()) as engine:
        lead(engine).propose(b"x")
        engine.snapshot()
        with pytest.raises(ValueError, match="closed"):
            kept[0].write(b"late")


def test_a_transport_that_raises_loses_messages_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(rft.Transport):
        def send(self, messages: list[tuple[int, bytes]]) -> None:
            raise RuntimeError("no network")

    with (
        caplog.at_level(logging.INFO, "rft"),
        rft.Engine(quick(voters=(1, 2, 3)), tmp_path, Commands(), Broken()) as engine,
    ):
        engine.campaign()
        wait_for(lambda: "no network" in caplog.text)
        assert engine.status().failure is None


def test_a_listener_that_raises_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: rft.Event) -> None:
        raise RuntimeError(f"do not tell me of {event.kind}")

    with rft.Engine(quick(), tmp_path, Commands(), on_event=listen) as engine:
        assert lead(engine).propose(b"x").answer == b"1"
        assert "do not tell me of role" in caplog.text


class Wild(logging.Handler):
    """A filter and a handler that raise."""

    calls = 0

    def _raise(self) -> bool:
        self.calls += 1
        raise RuntimeError("in the log")

    def filter(self, record: logging.LogRecord) -> bool:
        return self._raise()

    def handle(self, record: logging.LogRecord) -> bool:
        return self._raise()


@pytest.fixture(params=["filter", "handler"])
def wild(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Wild]:
    wild, logger = Wild(), logging.getLogger("rft")
    with caplog.at_level(5, "rft"):
        if request.param == "filter":
            logger.addFilter(wild)
        else:
            logger.addHandler(wild)
        yield wild
        logger.removeFilter(wild)
        logger.removeHandler(wild)


def test_a_log_that_raises_mutes_no_node(tmp_path: Path, wild: Wild) -> None:
    sent: list[object] = []

    class Recording(rft.Transport):
        def send(self, messages: list[tuple[int, bytes]]) -> None:
            sent.append(messages)
            raise RuntimeError("no network")

    with rft.Engine(quick(voters=(1, 2, 3), trace=True), tmp_path, Commands(), Recording()) as engine:
        wait_for(lambda: wild.calls > 0)
        engine.campaign()
        # It comes from here again, though the log has raised of the first batch, too.
        wait_for(lambda: len(sent) > 2)


def test_a_log_that_raises_stops_no_state_machine(tmp_path: Path, wild: Wild) -> None:
    def listen(event: rft.Event) -> None:
        raise RuntimeError("do not tell me")

    machine = Faulty(save=OSError("no room"))
    with rft.Engine(quick(), tmp_path, machine, on_event=listen) as engine:
        lead(engine).propose(b"x")
        with pytest.raises(rft.CallbackError):
            engine.snapshot()
        assert engine.propose(b"goes on").answer == b"2"
        assert wild.calls > 2
        machine.faults["apply"] = error = LookupError("not here")
        with pytest.raises((rft.CallbackError, rft.ClosedError)) as caught:
            engine.propose(b"y")
        assert caught.value.__cause__ is error


def test_events_tell_what_happens(tmp_path: Path) -> None:
    events: list[rft.Event] = []
    with rft.Engine(quick(), tmp_path, Commands(), on_event=events.append) as engine:
        lead(engine).propose(b"x")
        engine.change([("add_learner", 2)], context=b"there")
        engine.snapshot()
        wait_for(lambda: events[-1].kind == "snapshot_saved")
    kinds = [event.kind for event in events]
    assert kinds[0] == "recovered"
    assert {"role", "membership", "snapshot_saved"} <= set(kinds)
    membership = events[kinds.index("membership")]
    assert [member.id for member in membership.members] == [1, 2]
    assert events[-1].bytes > 0
    assert any(event.role == "leader" and event.leader == 1 for event in events)
    assert "leader" in "".join(map(repr, events))


def test_a_slow_state_machine_delays_no_heartbeat(cluster: Cluster) -> None:
    leader = cluster.leader()
    release = threading.Event()

    def slow(entries: list[rft.Entry]) -> None:
        release.wait(20)

    # Only where it applies: the others acknowledge.
    cluster.machines[leader].apply = slow  # type: ignore[method-assign, assignment]
    term = cluster.engines[leader].status().term
    with pytest.raises(rft.TimedOutError) as caught:
        cluster.engines[leader].propose(b"slow", timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    time.sleep(1.5)  # five election timeouts
    status = cluster.engines[leader].status()
    assert (status.role, status.term) == ("leader", term)
    release.set()


def test_a_follower_hands_on_and_a_snapshot_reaches_a_newcomer(cluster: Cluster) -> None:
    leader = cluster.leader()
    follower = cluster.follower()
    cluster.engines[follower].propose_many([b"x" * 1000] * 500)
    cluster.engines[leader].snapshot()
    cluster.open(4)
    cluster.engines[follower].add_learner(4)
    cluster.all_hold(500)
    joint = cluster.engines[leader].change(
        [("add_voter", 4), ("remove", follower)], transition="joint_explicit"
    )
    assert joint.index > 0
    # The leader may have handed on meanwhile, and a follower's membership comes with its log.
    wait_for(lambda: any(member.outgoing for member in cluster.engines[leader].members()))
    cluster.engines[leader].leave_joint()
    assert sorted(m.id for m in cluster.engines[leader].members()) == sorted({1, 2, 3, 4} - {follower})


def test_what_would_cost_the_quorum_is_refused_with_a_reason(engine: rft.Engine) -> None:
    with pytest.raises(rft.QuorumAtRiskError, match="node 2"):
        lead(engine).add_voter(2)
    engine.add_learner(2, context=b"\x00 where 2 is")
    assert [member.context for member in engine.members()] == [b"", b"\x00 where 2 is"]
    with pytest.raises(rft.LearnerBehindError, match="learner 2"):
        engine.promote(2)
    with pytest.raises((rft.LearnerBehindError, rft.TimedOutError)):
        engine.replace(1, 2, timeout=0.3)
    with pytest.raises(rft.InvalidArgumentError, match="node 9"):
        engine.replace(9, 8)
    with pytest.raises(rft.InvalidArgumentError, match="place"):
        engine.replace(2, 2)
    with pytest.raises(rft.ChangeError):
        engine.change([("remove", 1)], forced=True)
    assert engine.replace(None, 1).term == 0
    assert engine.propose(b"x").answer == b"1"
    engine.change([("add_voter", 2)], forced=True)
    assert all(member.voter for member in engine.members())


def test_a_survivor_goes_on_alone_by_force(tmp_path: Path) -> None:
    with (
        rft.Engine(quick(voters=(1, 2, 3)), tmp_path, Commands()) as engine,
        pytest.raises(rft.NotLeaderError),
    ):
        engine.propose(b"x", timeout=20)
    with rft.Engine(quick(force_new_cluster=7), tmp_path, Commands()) as engine:
        assert lead(engine).propose(b"x").answer == b"1"
        assert json.loads(engine.status_json())["group"] == 7
        assert [member.id for member in engine.members()] == [1]
    with pytest.raises(rft.ConfigError, match="no membership"):
        rft.Engine(quick(voters=(), force_new_cluster=7), tmp_path / "new", Commands())


def test_the_fate_of_a_request_without_a_leader_is_told(tmp_path: Path) -> None:
    with rft.Engine(quick(voters=(1, 2, 3)), tmp_path, Commands()) as engine:
        with pytest.raises(rft.NotLeaderError) as caught:
            engine.propose(b"x", timeout=20)
        assert caught.value.leader_id == 0
        with pytest.raises((rft.NotLeaderError, rft.TimedOutError)):
            engine.read(timeout=5)


@pytest.mark.parametrize("id", [0, -1, BIG - 1, BIG - 2, BIG])
def test_an_id_that_is_none_is_refused(engine: rft.Engine, id: int) -> None:
    calls: list[Callable[[int], object]] = [
        engine.add_voter,
        engine.add_learner,
        engine.promote,
        engine.remove,
        engine.transfer_leader,
        engine.report_unreachable,
    ]
    for call in calls:
        with pytest.raises(rft.InvalidArgumentError, match="id is"):
            call(id)


@pytest.mark.parametrize("thing", [None, 3, "text", 2.5, [b"x"], object()])
def test_an_argument_of_another_type_is_a_type_error(engine: rft.Engine, thing: Any) -> None:
    for call in (engine.propose, engine.step, engine.add_voter if thing != 3 else engine.propose):
        with pytest.raises(TypeError):
            call(thing)
    with pytest.raises(TypeError):
        engine.propose_many([thing])
    with pytest.raises(TypeError):
        engine.step_many([thing])
    with pytest.raises(TypeError):
        engine.change([("add_voter", 2)], context=thing or object())  # type: ignore[arg-type]
    if thing is not None and not isinstance(thing, (int, float)):
        with pytest.raises(TypeError):
            engine.propose(b"x", timeout=thing)


def test_what_is_too_large_or_out_of_range_is_refused(engine: rft.Engine) -> None:
    with pytest.raises(rft.TooLargeError):
        engine.propose(bytes((8 << 20) + 1))
    with pytest.raises(rft.TooLargeError):
        engine.change([("update", 1)], context=bytes(9 << 20))
    assert engine.propose(bytes(8 << 20)).answer == b"1"
    seconds: float | None
    for seconds in (-1.0, float("nan")):
        with pytest.raises(rft.InvalidArgumentError, match="timeout"):
            engine.propose(b"x", timeout=seconds)
    for seconds in (float("inf"), 1e300, None):
        assert engine.propose(b"x", timeout=seconds).index > 0
    with pytest.raises(rft.InvalidArgumentError, match="no change"):
        engine.change([("promote", 2)])  # type: ignore[list-item]
    with pytest.raises(rft.InvalidArgumentError, match="no transition"):
        engine.change([], transition="none")  # type: ignore[arg-type]
    with pytest.raises(rft.ChangeError):
        engine.leave_joint()


@pytest.mark.parametrize("data", [b"", b"junk", bytes(1 << 20), b"\xff" * 1000])
def test_bytes_that_are_no_message_harm_nothing(engine: rft.Engine, data: bytes) -> None:
    with pytest.raises(rft.MessageError):
        engine.step(data)
    assert [(at, error.code < 0) for at, error in engine.step_many([data, data])] == [(0, True), (1, True)]
    assert engine.propose(b"goes on").answer == b"1"


def test_who_is_let_in_as_one_node_cannot_speak_for_another(engine: rft.Engine) -> None:
    honest, forged = (bytes([8, 8, 16, 1, 24, sender, 32, 0]) for sender in (3, 2))
    refused = engine.step_many([forged, honest, forged], peer=3)
    assert [(at, error.name) for at, error in refused] == [(0, "WRONG_SENDER"), (2, "WRONG_SENDER")]
    assert engine.propose(b"goes on").answer == b"1"


def test_what_is_no_state_machine_and_no_transport_is_told(tmp_path: Path) -> None:
    things: list[Any] = [None, object(), 3]
    for thing in things:
        with pytest.raises(TypeError, match="apply"):
            rft.Engine(quick(), tmp_path, thing)
    for thing in things[1:]:
        with pytest.raises(TypeError, match="send"):
            rft.Engine(quick(), tmp_path, Commands(), thing)
    with pytest.raises(TypeError, match=r"rft\.Config"):
        rft.Engine({}, tmp_path, Commands())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rft.Engine(quick(), 3, Commands())  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(rft.StorageError, match="file"):
        rft.Engine(quick(), tmp_path / "file", Commands())


def test_after_close_calls_say_so(tmp_path: Path) -> None:
    engine = lead(rft.Engine(quick(), tmp_path, Commands()))
    applied = engine.propose(b"x").index
    engine.close()
    engine.close()
    calls: list[Callable[[], object]] = [
        lambda: engine.propose(b"x"),
        lambda: engine.propose_many([b"x"]),
        engine.read,
        engine.snapshot,
        engine.campaign,
        engine.leave_joint,
        lambda: engine.report_unreachable(2),
        lambda: engine.transfer_leader(2),
    ]
    for call in calls:
        with pytest.raises(rft.ClosedError) as caught:
            call()
        assert caught.value.__cause__ is None
    assert engine.status().applied == applied
    assert [member.id for member in engine.members()] == [1]
    assert "closed" in repr(engine)
    with rft.Engine(quick(), tmp_path, Commands()) as again:
        assert again.status().last_index >= applied


def test_requests_under_way_end_when_it_is_closed(tmp_path: Path) -> None:
    machine = Stuck()
    engine = lead(rft.Engine(quick(), tmp_path, machine))
    errors: list[rft.RaftError] = []

    def propose() -> None:
        try:
            engine.propose(b"x", timeout=None)
        except rft.RaftError as error:
            errors.append(error)

    threads = [threading.Thread(target=propose) for _ in range(4)]
    for thread in threads:
        thread.start()
    machine.entered.wait(20)
    with pytest.raises(rft.TimedOutError):
        engine.close(timeout=0.05)
    machine.release.set()
    engine.close()
    for thread in threads:
        thread.join(20)
    # One may have been applied before the engine heard that it is to stop.
    assert all(isinstance(error, rft.ClosedError) for error in errors)
    assert len(errors) >= 1


def test_a_callback_must_not_wait_for_itself(tmp_path: Path) -> None:
    tried: list[BaseException] = []
    engines: list[rft.Engine] = []

    class Waiting(Commands):
        def apply(self, entries: list[rft.Entry]) -> Any:
            for call in (lambda: engines[0].propose(b"y"), engines[0].read, engines[0].close):
                try:
                    call()
                except rft.RaftError as error:
                    tried.append(error)
            engines[0].status()
            return super().apply(entries)

    with rft.Engine(quick(), tmp_path, Waiting()) as engine:
        engines.append(engine)
        assert lead(engine).propose(b"x").answer == b"1"
        assert [type(error) for error in tried] == [rft.MisuseError] * 3
        assert {error.name for error in tried if isinstance(error, rft.RaftError)} == {"REENTRANT"}
        assert engine.propose(b"goes on").answer == b"2"
        assert "closed" not in repr(engine)


def test_many_threads_at_once(cluster: Cluster) -> None:
    engines = list(cluster.engines.values())
    done: list[int] = []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for at in range(25):
                engine = engines[(number + at) % 3]
                outcome = engine.propose(b"%d/%d" % (number, at), timeout=30)
                done.append(int(outcome.answer))
                engine.status(), engine.members(), repr(engine)
                if at % 5 == 0:
                    engine.read(timeout=30)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(done) == list(range(1, 201))
    cluster.all_hold(200)


def test_threads_that_close_at_once(tmp_path: Path) -> None:
    engine = lead(rft.Engine(quick(), tmp_path, Commands()))
    threads = [threading.Thread(target=engine.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def read_for_ever(engine: rft.Engine) -> None:
    while True:
        try:
            engine.read(timeout=20)
        except rft.NotLeaderError:
            continue


def test_ctrl_c_ends_the_wait(tmp_path: Path) -> None:
    with rft.Engine(quick(voters=(1, 2)), tmp_path, Commands()) as engine:
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            read_for_ever(engine)
        assert time.monotonic() - began < 5
        timer.join()


def test_an_engine_that_is_forgotten_is_closed_with_a_warning(tmp_path: Path) -> None:
    kept = [lead(rft.Engine(quick(), tmp_path, Commands()))]
    forgotten = weakref.ref(kept[0])
    threads = kept[0]._threads
    with pytest.warns(ResourceWarning, match="unclosed"):
        kept.clear()
    gc.collect()
    assert forgotten() is None
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    with rft.Engine(quick(), tmp_path, Commands()):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_forgotten_is_closed_where_warnings_are_errors(tmp_path: Path) -> None:
    kept = [lead(rft.Engine(quick(), tmp_path, Commands()))]
    threads = kept[0]._threads
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.clear()
        gc.collect()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    with rft.Engine(quick(), tmp_path, Commands()):
        pass


def test_a_transport_is_started_and_stopped_once(tmp_path: Path) -> None:
    calls: list[object] = []

    class Told(rft.Transport):
        def send(self, messages: list[tuple[int, bytes]]) -> None: ...

        def start(self, engine: Any) -> None:
            calls.append(engine)

        def stop(self) -> None:
            calls.append("stop")

    engine = rft.Engine(quick(), tmp_path, Commands(), Told())
    engine.close()
    engine.close()
    assert calls == [engine, "stop"]

    class Refusing(Told):
        def start(self, engine: Any) -> None:
            raise OSError("the port is taken")

    with pytest.raises(OSError, match="taken"):
        rft.Engine(quick(), tmp_path, Commands(), Refusing())
    with rft.Engine(quick(), tmp_path, Commands()):
        pass


def test_the_steps_of_consensus_go_to_logging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(5, "rft"),
        rft.Engine(quick(trace=True), tmp_path, Commands()) as engine,
    ):
        lead(engine).propose(b"x")
    steps = [json.loads(record.message) for record in caplog.records if record.levelno == 5]
    assert {step["tag"] for step in steps} == {"trace"}
    assert [step["event"]["name"] for step in steps].count("BecomeLeader") == 1


def direct_logs(directory: Path) -> int:
    """How many logs in it this process has open to be written past the system's cache."""
    found = 0
    for link in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            flags = fcntl.fcntl(int(link.name), fcntl.F_GETFL)
            path = link.readlink()
            found += path.suffix == ".wal" and directory in path.parents and bool(flags & os.O_DIRECT)
    return found


def test_the_log_is_written_past_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Or it is said that it cannot be, and neither where nobody asks for it. The log is the same."""
    for at, asked in enumerate([True, False, True]):
        caplog.clear()
        machine = Commands()
        with (
            caplog.at_level(logging.INFO, "rft"),
            rft.Engine(quick(direct_writes=asked), tmp_path, machine) as engine,
        ):
            told = caplog.text.count("past the system's cache")
            assert direct_logs(tmp_path) + told == asked
            lead(engine).propose(b"x")
        assert machine.held == [b"x"] * (at + 1)


def test_log_lines_go_to_logging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG, "rft"),
        rft.Engine(quick(), tmp_path, Commands()) as engine,
    ):
        lead(engine).propose(b"x")
        engine.snapshot()
        wait_for(lambda: "is durable" in caplog.text)
    assert {record.name for record in caplog.records} <= {"rft", "asyncio"}
    form = re.compile(r'node=1 term=\d+ msg="([^"\\]|\\.)*"')
    assert all(form.fullmatch(record.message) for record in caplog.records if record.name == "rft")
