"""The node without thread, clock and file, and its store."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import rft
from conftest import quick
from story import Commands

BIG = 1 << 64
T = TypeVar("T")


def alone(**settings: Any) -> rft.Node:
    """A node that leads a cluster of one."""
    node = rft.Node(quick(**settings))
    node.campaign()
    drain(node)
    return node


def drain(node: rft.Node) -> list[rft.Entry]:
    """Do what the node wants; returns what is to be applied."""
    committed: list[rft.Entry] = []
    while (ready := node.ready()) is not None:
        node.save()
        committed += ready.committed
        node.advance()
    return committed


def payloads(entries: list[rft.Entry]) -> list[bytes]:
    return [entry.data for entry in entries if entry.type == "normal" and entry.data]


def test_a_node_alone_elects_itself_and_commits() -> None:
    node = alone()
    status = node.status()
    assert (status.role, status.leader, status.failure) == ("leader", 1, None)
    assert node.propose(b"a", bytearray(b"b"), memoryview(b"xcx")[1:2]) == status.last_index + 1
    committed = drain(node)
    assert payloads(committed) == [b"a", b"b", b"c"]
    assert committed[-1].index == node.status().applied
    assert "Entry(index=" in repr(committed[0])
    assert committed[0] == committed[0]
    assert committed[0] != committed[1]
    node.read_index(77)
    ready = node.ready()
    assert ready is not None
    assert [(read.index, read.request) for read in ready.reads] == [(committed[-1].index, 77)]
    node.advance()
    assert node.ready() is None
    assert [(member.id, member.voter) for member in node.members()] == [(1, True)]
    assert node.leader == 1


def test_time_is_a_call() -> None:
    node = rft.Node(quick(seed=3))
    for _ in range(20):
        node.tick()
        drain(node)
    assert node.status().role == "leader"


def test_calls_out_of_order_are_told() -> None:
    node = rft.Node(quick())
    with pytest.raises(rft.MisuseError, match="no ready"):
        node.advance()
    node.campaign()
    assert node.ready() is not None
    with pytest.raises(rft.MisuseError, match="not advanced"):
        node.ready()
    node.save()
    node.advance()


def test_a_follower_without_a_leader_takes_no_proposal() -> None:
    node = rft.Node(quick(voters=(1, 2, 3)))
    with pytest.raises(rft.NotLeaderError) as caught:
        node.propose(b"x")
    assert caught.value.leader_id == 0
    assert isinstance(caught.value, rft.NotAppliedError)


@pytest.mark.parametrize("data", [None, 3, "text", [b"x"], 3.5])
def test_a_payload_of_another_type_is_a_type_error(data: Any) -> None:
    node = alone()
    with pytest.raises(TypeError):
        node.propose(data)
    with pytest.raises(TypeError):
        node.step(data)
    with pytest.raises(TypeError):
        node.snapshot(3, data)


def test_payloads_that_are_too_long_or_too_few_are_refused() -> None:
    node = alone(proposal_bytes_max=10)
    with pytest.raises(rft.TooLargeError):
        node.propose(bytes(11))
    with pytest.raises(rft.TooLargeError):
        node.propose_change([("update", 1)], context=bytes(11))
    with pytest.raises(TypeError):
        node.propose(*[])
    node.propose(b"")
    node.propose(bytes(10))


@pytest.mark.parametrize("id", [0, -1, BIG - 1, BIG - 2, BIG])
def test_an_id_that_is_none_is_refused(id: int) -> None:
    node = alone()
    calls: list[Callable[[], object]] = [
        lambda: node.transfer_leader(id),
        lambda: node.report_unreachable(id),
        lambda: node.report_snapshot(id, True),
        lambda: node.propose_change([("add_voter", id)]),
    ]
    for call in calls:
        with pytest.raises(rft.InvalidArgumentError, match="id is"):
            call()
    with pytest.raises(rft.InvalidArgumentError, match="request is"):
        node.read_index(-1)


def test_words_that_are_not_known_are_refused() -> None:
    node = alone()
    with pytest.raises(rft.InvalidArgumentError, match='no change "add"'):
        node.propose_change([("add", 2)])  # type: ignore[list-item]
    with pytest.raises(rft.InvalidArgumentError, match='no transition "joint"'):
        node.propose_change([("remove", 1)], "joint")  # type: ignore[arg-type]
    for steps in ["add_voter", [("add_voter",)], [("add_voter", "2")], 3]:
        with pytest.raises((TypeError, ValueError)):
            node.propose_change(steps)  # type: ignore[arg-type]


def test_a_change_takes_effect_when_it_is_applied() -> None:
    node = alone()
    node.propose_change([("add_learner", 2)], context=b"host:1")
    with pytest.raises(rft.ChangeError):
        node.propose_change([("add_learner", 3)])
    changes = [entry for entry in drain(node) if entry.type == "conf_change"]
    assert [change.data for change in changes] == [b"host:1"]
    members = node.members()
    assert [(member.id, member.voter, member.learner) for member in members] == [
        (1, True, False),
        (2, False, True),
    ]
    assert members[1].progress in ("probe", "replicate", "snapshot")
    assert "learner" in repr(members[1])


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 100, bytes(1 << 20), b"\x08\x03\x10\x01"])
def test_bytes_that_are_no_message_are_refused_and_harm_nothing(data: bytes) -> None:
    node = alone()
    before = node.status().last_index
    with pytest.raises(rft.MessageError):
        node.step(data)
    [(at, error)] = node.step_many([data])
    assert at == 0
    assert isinstance(error, rft.MessageError)
    assert node.status().last_index == before
    node.propose(b"goes on")
    assert payloads(drain(node)) == [b"goes on"]


def test_step_many_passes_over_what_is_refused() -> None:
    nodes = {id: rft.Node(quick(id, (1, 2, 3))) for id in (1, 2, 3)}
    nodes[1].campaign()
    ready = nodes[1].ready()
    assert ready is not None
    votes = {message.to: message for message in ready.messages}
    assert votes[2].type == "MsgPreVote"
    assert "MsgPreVote" in repr(votes[2])
    refused = nodes[2].step_many([b"junk", votes[2].data, votes[3].data])
    assert [(at, error.name) for at, error in refused] == [(0, "DECODE"), (2, "WRONG_RECEIVER")]
    answer = nodes[2].ready()
    assert answer is not None
    assert answer.hard_state is None or answer.hard_state.vote == 0


def patient(call: Callable[[], T]) -> T:
    """Makes a call again until no other thread is inside of one."""
    while True:
        with contextlib.suppress(rft.BusyError):
            return call()


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    with rft.Store(quick(), tmp_path) as store:
        node = rft.Node(quick(), store)
        node.campaign()
        drain(node)
        applied: list[rft.Entry] = []
        taken: list[int] = []
        busy: list[int] = []
        errors: list[BaseException] = []
        until = time.monotonic() + 30

        def propose() -> None:
            try:
                for at in itertools.count():
                    if at >= 200 and (busy or time.monotonic() > until):
                        return
                    try:
                        node.propose(b"x")
                        taken.append(at)
                    except rft.BusyError:
                        busy.append(at)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=propose) for _ in range(3)]
        for thread in threads:
            thread.start()
        # A save lets the other threads run while it has the node.
        while any(thread.is_alive() for thread in threads):
            if (ready := patient(node.ready)) is not None:
                patient(node.save)
                applied += ready.committed
                patient(node.advance)
        for thread in threads:
            thread.join()
        applied += drain(node)
        assert errors == []
        assert busy
        assert len(payloads(applied)) == len(taken)


def test_a_store_keeps_the_log(tmp_path: Path) -> None:
    config = quick()
    with rft.Store(config, tmp_path) as store:
        assert store.snapshot() is None
        node = rft.Node(config, store)
        with pytest.raises(rft.MisuseError, match="node already"):
            rft.Node(config, store)
        node.campaign()
        drain(node)
        node.propose(b"kept")
        ready = node.ready()
        assert ready is not None
        with pytest.raises(rft.MisuseError, match="not saved"):
            node.advance()
        node.save()
        node.advance()
        assert payloads([*ready.committed, *drain(node)]) == [b"kept"]
        with pytest.raises(rft.LockedError):
            rft.Store(config, tmp_path)
    with pytest.raises(rft.ClosedError):
        store.snapshot()
    store.close()
    with rft.Store(config, str(tmp_path)) as store:
        again = rft.Node(config, store)
        again.campaign()
        assert payloads(drain(again)) == [b"kept"]


def pump(nodes: list[rft.Node]) -> None:
    """Brings messages to and fro until nobody has anything to do."""
    by_id = {node.status().id: node for node in nodes}
    while any([handle(node, by_id) for node in nodes]):
        pass


def handle(node: rft.Node, by_id: dict[int, rft.Node]) -> bool:
    ready = node.ready()
    if ready is None:
        return False
    node.save()
    for message in ready.messages:
        by_id[message.to].step(message.data)
    node.advance()
    return True


def test_a_damaged_store_opens_and_is_refilled_by_the_leader(tmp_path: Path) -> None:
    leader = rft.Node(quick(2, (1, 2)))
    with rft.Store(quick(1, (1, 2)), tmp_path) as store:
        node = rft.Node(quick(1, (1, 2)), store)
        leader.campaign()
        pump([leader, node])
        for number in range(50):
            leader.propose(b"entry %d" % number)
            pump([leader, node])
    segment = next((tmp_path / "wal").glob("*.wal"))
    content = bytearray(segment.read_bytes())
    content[content.index(b"entry 20")] ^= 1
    segment.write_bytes(content)

    with rft.Store(quick(1, (1, 2)), tmp_path) as store:
        node = rft.Node(quick(1, (1, 2)), store)
        assert node.status().lost_index >= 50
        node.campaign()
        pump([node])
        assert node.status().role == "follower"
        leader.tick()
        pump([leader, node])
        leader.propose(b"the last")
        pump([leader, node])
        assert node.status().lost_index == 0
        assert node.status().last_index == leader.status().last_index
        leader.propose(b"kept")
        pump([leader, node])
    with rft.Store(quick(1, (1, 2)), tmp_path) as store:
        assert rft.Node(quick(1, (1, 2)), store).status().lost_index == 0


def test_a_snapshot_replaces_the_log(tmp_path: Path) -> None:
    config = quick(snapshot_trailing=0)
    with rft.Store(config, tmp_path) as store:
        node = rft.Node(config, store)
        node.campaign()
        node.propose_change([("add_voter", 2)]) if node.leader else drain(node)
        node.propose(*[b"x"] * 10)
        drain(node)
        applied = node.status().applied
        with pytest.raises(rft.SnapshotError) as caught:
            node.snapshot(applied + 1, b"")
        assert caught.value.name == "UNAVAILABLE"
        node.snapshot(applied, b"ten")
        with pytest.raises(rft.SnapshotError) as caught:
            node.snapshot(applied, b"again")
        assert caught.value.name == "SNAPSHOT_OLD"
        assert node.status().first_index == applied + 1
    with rft.Store(config, tmp_path) as store:
        snapshot = store.snapshot()
        assert snapshot is not None
        assert (snapshot.index, snapshot.data) == (applied, b"ten")
        assert "Snapshot(index=" in repr(snapshot)
        assert rft.Node(config, store).status().applied == applied


def test_a_directory_belongs_to_one_node(tmp_path: Path) -> None:
    rft.Store(quick(), tmp_path).close()
    with pytest.raises(rft.ForeignError) as caught:
        rft.Store(quick(2, (1, 2)), tmp_path)
    assert isinstance(caught.value, rft.StorageError)
    with rft.Store(quick(), tmp_path) as store, pytest.raises(rft.InvalidArgumentError, match="node 1"):
        rft.Node(quick(2, (2,)), store)


def test_a_directory_that_cannot_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(rft.StorageError, match="file"):
        rft.Store(quick(), tmp_path / "file")
    with pytest.raises(TypeError):
        rft.Store(quick(), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_path_that_is_none_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rft.InvalidArgumentError, match="empty or has a NUL"):
        rft.Store(quick(), name)
    with pytest.raises(rft.InvalidArgumentError, match="empty or has a NUL"):
        rft.Engine(quick(), name, Commands())
    assert list(tmp_path.iterdir()) == []


def test_what_is_handed_out_cannot_be_changed() -> None:
    node = alone()
    with pytest.raises(AttributeError):
        node.status().term = 7  # type: ignore[misc]
    with pytest.raises(TypeError):
        rft.Entry()
    assert repr(node.status()).startswith("<Status id=1 role='leader'")


def test_a_panic_is_an_exception_that_except_exception_sees() -> None:
    from rft import _native

    panic: Callable[[], None] | None = getattr(_native, "_panic", None)
    if panic is None:
        pytest.skip("a release has nothing that panics")
    with pytest.raises(rft.InternalError, match="index out of bounds") as caught:
        panic()
    assert isinstance(caught.value, Exception)
    assert caught.value.name == "PANIC"
