"""A shopping list on three nodes, all in one process. The argument is a directory."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import rft

T = TypeVar("T")


# ANCHOR: machine
class List(rft.StateMachine):
    """The state machine: a text, to which every command adds a word."""

    def __init__(self) -> None:
        self.text = ""
        self.items = 0

    def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
        return [self.add(entry) if entry.type == "normal" else None for entry in entries]

    def add(self, entry: rft.Entry) -> bytes:
        self.text += " " + entry.data.decode()
        self.items += 1
        return str(self.items).encode()  # the answer to whoever proposed it

    # ANCHOR_END: machine

    # ANCHOR: snapshot
    def save(self, writer: BinaryIO) -> None:
        writer.write(f"{self.items}\n{self.text}".encode())

    def restore(self, reader: BinaryIO) -> None:
        items, self.text = reader.read().decode().split("\n")
        self.items = int(items)

    # ANCHOR_END: snapshot


# ANCHOR: transport
class Network(rft.Transport):
    """Brings messages to their receivers. What does not arrive, raft sends again."""

    def __init__(self) -> None:
        self.engines: dict[int, rft.Engine] = {}

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        for to, data in messages:
            engine = self.engines.get(to)
            if engine is not None:
                try:
                    engine.step(data)
                except rft.RaftError:
                    continue


# ANCHOR_END: transport

root = Path(sys.argv[1] if len(sys.argv) > 1 else "tutorial.data")
network = Network()
lists: dict[int, List] = {}


# ANCHOR: open
def open_node(id: int) -> None:
    lists[id] = List()
    config = rft.Config(id=id, voters=(1, 2, 3))
    network.engines[id] = rft.Engine(config, root / str(id), lists[id], network)


def close_node(id: int) -> None:
    network.engines.pop(id).close()


# ANCHOR_END: open


# ANCHOR: outcome
def patiently(ask: Callable[[], T]) -> T:
    """Repeat what had no effect for certain, and may work in a moment: there is no leader yet, say.

    An rft.UncertainError goes to the caller: nobody can tell.
    """
    while True:
        try:
            return ask()
        except (rft.NotLeaderError, rft.DroppedError, rft.BusyError):
            time.sleep(0.01)


def add(id: int, item: str) -> None:
    outcome = patiently(lambda: network.engines[id].propose(item.encode()))
    print(f"node {id} adds {item}: item {outcome.answer.decode()}")


# ANCHOR_END: outcome


# ANCHOR: read
def show(id: int, how: str = "") -> None:
    patiently(lambda: network.engines[id].read())
    # The state machine holds now all that was acknowledged anywhere before.
    print(f"node {id}{how} holds{lists[id].text}")


# ANCHOR_END: read


def wait_for_leader() -> None:
    """Until node 2 knows a leader that is still there."""
    while (network.engines[2].status().leader or 0) < 2:
        time.sleep(0.01)


# ANCHOR: story
for id in (1, 2, 3):
    open_node(id)
add(1, "milk")  # whichever node leads: the others hand it on
add(2, "bread")
add(3, "eggs")
for id in (1, 2, 3):
    show(id)
close_node(1)
print("node 1 is closed")
wait_for_leader()  # two of three are a majority
add(2, "tea")
open_node(1)  # it catches up
show(1, ", opened again,")
for id in (1, 2, 3):
    close_node(id)
# ANCHOR_END: story
