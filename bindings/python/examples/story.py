"""The story of bindings/conformance/engine.txt: three engines in one process, whose state machine keeps a list."""

import contextlib
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import rft


class Commands(rft.StateMachine):
    """Keeps every command, and answers with how many there are."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
        return [self._apply(entry) for entry in entries]

    def _apply(self, entry: rft.Entry) -> bytes | None:
        if entry.type != "normal":
            return None
        self.held.append(entry.data)
        return str(len(self.held)).encode()

    def save(self, writer: BinaryIO) -> None:
        pickle.dump(self.held, writer)

    def restore(self, reader: BinaryIO) -> None:
        self.held = pickle.load(reader)


class Network(rft.Transport):
    """Brings messages to the engines of this process."""

    def __init__(self) -> None:
        self.engines: dict[int, rft.Engine] = {}

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        for to, data in messages:
            engine = self.engines.get(to)
            if engine is not None:
                try:
                    engine.step(data)
                except rft.RaftError:
                    continue  # lost: raft sends it again


class Cluster:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.network = Network()
        self.machines: dict[int, Commands] = {}

    @property
    def engines(self) -> dict[int, rft.Engine]:
        return self.network.engines

    def open(self, id: int, voters: Iterable[int] = ()) -> rft.Engine:
        config = rft.Config(id=id, voters=tuple(voters), tick_interval_ms=30)
        self.machines[id] = Commands()
        engine = rft.Engine(config, self.root / str(id), self.machines[id], self.network)
        self.engines[id] = engine
        return engine

    def close(self, *ids: int) -> None:
        for id in ids:
            self.engines.pop(id).close()

    def leader(self) -> int:
        def lead() -> list[int]:
            return [id for id, engine in self.engines.items() if engine.status().role == "leader"]

        # All have heard of it, so that a request at a follower finds its way.
        def agreed() -> bool:
            return len(lead()) == 1 and all(e.status().leader == lead()[0] for e in self.engines.values())

        wait_for(agreed)
        return lead()[0]

    def follower(self) -> int:
        leader = self.leader()
        return next(id for id in sorted(self.engines) if id != leader)

    def all_hold(self, count: int) -> None:
        wait_for(lambda: all(len(self.machines[id].held) == count for id in self.engines))
        first, *others = (self.machines[id].held for id in self.engines)
        assert all(other == first for other in others)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.005)


def tell(text: str, work: Callable[[], object]) -> None:
    """Print what became of it: the status, and an answer if there is one."""
    try:
        result = work()
    except rft.RaftError as error:
        print(f"{text}: {error.name}")
        return
    answer = f' "{result.answer.decode()}"' if isinstance(result, rft.Outcome) and "propose" in text else ""
    print(f"{text}: OK{answer}")


def members_of(engine: rft.Engine) -> str:
    return ", ".join(f"{member.id} {'voter' if member.voter else 'learner'}" for member in engine.members())


def context_of(engine: rft.Engine, id: int) -> bytes:
    return next((member.context for member in engine.members() if member.id == id), b"")


def story(root: Path) -> None:
    cluster = Cluster(root)
    engines, machines = cluster.engines, cluster.machines
    print("open 1 2 3")
    for id in (1, 2, 3):
        cluster.open(id, (1, 2, 3))
    leader = cluster.leader()
    print("a leader is elected")
    tell('propose "one" at the leader', lambda: engines[leader].propose(b"one"))
    tell('propose "two" at a follower', lambda: engines[cluster.follower()].propose(b"two"))
    outcomes = engines[leader].propose_many([b"command %d" % n for n in range(100)])
    print(f"propose 100 at once: {sum(isinstance(outcome, rft.Outcome) for outcome in outcomes)} OK")
    tell('propose "" at the leader', lambda: engines[leader].propose(b""))
    follower = cluster.follower()
    engines[follower].read()
    print(f"read at a follower: OK, it holds {len(machines[follower].held)}")
    tell("propose 9 MiB", lambda: engines[leader].propose(bytes(9 << 20)))
    tell("add 0 as a voter", lambda: engines[leader].add_voter(0))
    again = rft.Config(id=1, voters=(1, 2, 3))
    tell("open the directory of 1 again", lambda: rft.Engine(again, root / "1", Commands()))
    tell("open without an id", lambda: rft.Config(id=0))

    cluster.open(4)
    tell("add 4 as a learner", lambda: engines[leader].add_learner(4))
    wait_for(lambda: len(machines[4].held) == 102)
    print(f"4 holds {len(machines[4].held)}")
    tell("promote 4", lambda: engines[leader].replace(None, 4))
    print("members:", members_of(engines[leader]))
    follower = next(id for id in (1, 2, 3) if id != leader)
    cluster.open(5)
    tell("replace 4 by 5", lambda: engines[follower].replace(4, 5, context=b"address of 5"))
    cluster.close(4)
    leader = cluster.leader()
    print("members:", members_of(engines[leader]))
    wait_for(lambda: all(context_of(engines[id], 5) == b"address of 5" for id in (1, 5)))
    print('1 and 5 know of 5: "address of 5"')
    tell("leave a joint configuration that is not there", engines[leader].leave_joint)
    heir = next(id for id in (1, 2, 3) if id != leader)
    while cluster.leader() != heir:
        with contextlib.suppress(rft.DroppedError, rft.TimedOutError):  # it did not come through: asked again
            engines[leader].transfer_leader(heir)
    print("hand leadership on: OK")
    tell("remove 5", lambda: engines[heir].remove(5))
    print("members:", members_of(engines[heir]))
    cluster.close(5)

    print("stop the leader")
    stopped = engines.pop(heir)
    stopped.close()
    tell("propose at the stopped one", lambda: stopped.propose(b"late"))
    leader = cluster.leader()
    print("another leader is elected")
    tell('propose "three" at the leader', lambda: engines[leader].propose(b"three"))
    tell("snapshot", engines[leader].snapshot)

    print("stop all, open all")
    cluster.close(*list(engines))
    for id in (1, 2, 3):
        cluster.open(id, (1, 2, 3))
    leader = cluster.leader()
    print("a leader is elected")
    engines[leader].read()
    print(f"read at the leader: OK, it holds {len(machines[leader].held)}")
    tell('propose "four" at the leader', lambda: engines[leader].propose(b"four"))
    cluster.all_hold(104)
    print(f"all hold the same {len(machines[leader].held)}")
    cluster.close(*list(engines))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        story(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(directory))
