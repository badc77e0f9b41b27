"""What the tests share: a cluster in one process, and an engine that is a cluster of its own."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rft
from story import Cluster, Commands, wait_for


class Stuck(Commands):
    """One whose `apply` stands still until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release = threading.Event(), threading.Event()

    def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
        self.entered.set()
        self.release.wait(20)
        return super().apply(entries)


def quick(id: int = 1, voters: tuple[int, ...] = (1,), **settings: int) -> rft.Config:
    """Settings for a test: short ticks, small segments."""
    return rft.Config(id=id, voters=voters, tick_interval_ms=10, segment_bytes=1 << 20, **settings)  # type: ignore[arg-type]


def lead(engine: rft.Engine) -> rft.Engine:
    engine.campaign()
    wait_for(lambda: engine.status().role == "leader")
    return engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[rft.Engine]:
    """A node that leads itself."""
    with rft.Engine(quick(), tmp_path / "1", Commands()) as engine:
        yield lead(engine)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes with a leader."""
    cluster = Cluster(tmp_path)
    try:
        for id in (1, 2, 3):
            cluster.open(id, (1, 2, 3))
        cluster.leader()
        yield cluster
    finally:
        cluster.close(*list(cluster.engines))


# A shell starts a job in the background with Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
