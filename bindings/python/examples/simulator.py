"""A cluster of three nodes in virtual time, over a network that loses, delays, doubles and reorders messages.

    python simulator.py [SEED] [ROUNDS]

`rft.Node` takes time as a call and messages as bytes, so the whole of it is a function of the seed: the same seed, the
same run. Nodes are stopped and started again from their stores, snapshots are taken, and at the end all of them must
have applied the same commands in the same order, and every command that was acknowledged must be among them.
"""

import heapq
import random
import sys
import tempfile
from pathlib import Path

import rft

IDS = (1, 2, 3)


class Host:
    """A node with its store, and a state machine that keeps a list."""

    def __init__(self, id: int, root: Path, seed: int) -> None:
        self.id = id
        self.config = rft.Config(
            id=id, voters=IDS, seed=seed + id, snapshot_trailing=10, segment_bytes=1 << 20
        )
        self.directory = root / str(id)
        self.start()

    def start(self) -> None:
        self.store = rft.Store(self.config, self.directory)
        snapshot = self.store.snapshot()
        self.held: list[str] = self.read(snapshot) if snapshot else []
        self.applied = snapshot.index if snapshot else 0
        self.node = rft.Node(self.config, self.store)
        self.running = True

    def stop(self) -> None:
        self.store.close()
        self.running = False

    @staticmethod
    def read(snapshot: rft.Snapshot) -> list[str]:
        return snapshot.data.decode().split()

    def work(self) -> list[rft.Message]:
        """Do all that the node asks for; returns what it wants to send."""
        messages: list[rft.Message] = []
        while (ready := self.node.ready()) is not None:
            self.node.save()
            messages += ready.messages
            if ready.snapshot is not None:
                self.held, self.applied = self.read(ready.snapshot), ready.snapshot.index
            for entry in ready.committed:
                self.applied = entry.index
                if entry.type == "normal" and entry.data:
                    self.held.append(entry.data.decode())
            self.node.advance()
        return messages

    def take_snapshot(self) -> None:
        if self.applied > self.node.status().snapshot_index:
            self.node.snapshot(self.applied, " ".join(self.held).encode())


class World:
    def __init__(self, seed: int, root: Path) -> None:
        self.chance = random.Random(seed)
        self.hosts = {id: Host(id, root, seed) for id in IDS}
        self.now = 0
        self.order = 0
        self.flying: list[tuple[int, int, int, rft.Message]] = []
        self.calm = False

    def send(self, sender: int, messages: list[rft.Message]) -> None:
        for message in messages:
            lost = not self.calm and self.chance.random() < 0.1
            if message.type == "MsgSnap":
                self.hosts[sender].node.report_snapshot(message.to, not lost)
            for _ in range(0 if lost else 1 + (self.chance.random() < 0.05)):
                self.order += 1
                arrival = self.now + self.chance.randint(1, 1 if self.calm else 4)
                heapq.heappush(self.flying, (arrival, self.order, sender, message))

    def tick(self) -> None:
        self.now += 1
        while self.flying and self.flying[0][0] <= self.now:
            _, _, _, message = heapq.heappop(self.flying)
            host = self.hosts[message.to]
            if host.running:
                host.node.step_many([message.data])
        for host in self.running():
            host.node.tick()
            self.send(host.id, host.work())

    def running(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.running]

    def propose(self, command: str) -> None:
        host = self.chance.choice(self.running())
        try:
            host.node.propose(command.encode())
        except rft.NotAppliedError:
            return

    def disturb(self) -> None:
        host = self.chance.choice(list(self.hosts.values()))
        if not host.running:
            host.start()
        elif self.chance.random() < 0.3:
            host.take_snapshot()
        elif len(self.running()) == len(IDS):
            host.stop()


def run(seed: int, rounds: int, root: Path) -> tuple[int, int]:
    """Returns how many commands all nodes hold, and the virtual time it took."""
    world = World(seed, root)
    acknowledged: set[str] = set()
    for number in range(rounds):
        world.tick()
        if world.chance.random() < 0.5:
            world.propose(str(number))
        if world.chance.random() < 0.02:
            world.disturb()
        for host in world.running():
            acknowledged.update(host.held)
    world.calm = True
    for host in world.hosts.values():
        if not host.running:
            host.start()
    for _ in range(200):
        world.tick()
    held = [host.held for host in world.hosts.values()]
    assert held[0] == held[1] == held[2], f"seed {seed}: the nodes differ"
    assert acknowledged <= set(held[0]), f"seed {seed}: lost {acknowledged - set(held[0])}"
    for host in world.hosts.values():
        host.stop()
    return len(held[0]), world.now


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as directory:
        count, now = run(seed, rounds, Path(directory))
    print(f"seed {seed}: three nodes hold the same {count} commands after {now} ticks")
