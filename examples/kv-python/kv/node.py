"""The engine of this node, with all that it is told and all that it tells."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rft
import rft.aio
import rft.http

from kv.machine import Machine
from kv.options import Options

log = logging.getLogger("kv")


@dataclass
class Counters:
    """What /status counts, since the start."""

    writes: int = 0
    reads: int = 0
    elections: int = 0
    snapshots_saved: int = 0
    snapshot_bytes_saved: int = 0
    starts: int = 0


class Node:
    """`await Node.open(options)` opens the directory and starts to work."""

    def __init__(self, options: Options, contexts: rft.http.Contexts | None) -> None:
        self.options = options
        self.counters = Counters()
        self.transport = rft.http.Transport(
            options.id, options.cluster_id, None, options.cluster, tls=contexts
        )
        self._addresses = dict(options.cluster)
        # The addresses a new cluster begins with. A node that joins gets them with its first snapshot.
        self.machine = Machine({} if options.join else options.cluster, self._follow)
        self.engine: rft.aio.Engine

    @classmethod
    async def open(cls, options: Options, contexts: rft.http.Contexts | None) -> Node:
        node = cls(options, contexts)
        options.dir.mkdir(exist_ok=True)
        node.engine = await rft.aio.Engine.open(
            _config(options), options.dir / "raft", node.machine, node.transport, on_event=node._heard
        )
        node.counters.starts = _count_start(options.dir / "starts")
        return node

    def address(self, id: int) -> str | None:
        """Where a node answers, as far as this one knows."""
        return self._addresses.get(id)

    def _follow(self, members: dict[int, str]) -> None:
        """The transport follows the addresses. A node that was removed keeps its own: it has to hear of it."""
        for id, address in members.items():
            if self._addresses.get(id) != address:
                self._addresses[id] = address
                if id != self.options.id:
                    self.transport.add_peer(id, address)

    def _heard(self, event: rft.Event) -> None:
        if event.kind == "role":
            self.counters.elections += event.leader != 0
            log.info("term %d: node %d leads", event.term, event.leader)
        elif event.kind == "membership":
            log.info("membership changed at index %d", event.index)
        elif event.kind == "snapshot_saved":
            self.counters.snapshots_saved += 1
            self.counters.snapshot_bytes_saved += event.bytes
        elif event.kind == "recovered":
            log.info("recovered, with the snapshot at index %d %s", event.index, "; ".join(event.notes))
        elif event.kind == "disk_full":
            log.warning("the disk is full: %d bytes are left", event.bytes)
        elif event.kind == "disk_has_room":
            log.info("the disk has room again: %d bytes", event.bytes)
        elif event.kind == "failed":
            log.error("this node has failed: %s", event.error)


def _config(options: Options) -> rft.Config:
    asked: dict[str, Any] = {
        "tick_interval_ms": options.tick_ms,
        "snapshot_entries": options.snapshot_entries,
        "segment_bytes": options.segment_bytes,
        "disk_reserve_bytes": options.disk_reserve,
    }
    return rft.Config(
        id=options.id,
        cluster_id=options.cluster_id,
        # A node that joins has no voters: it learns of them from the leader that takes it in.
        voters=() if options.join else tuple(options.cluster),
        lease_reads=options.lease_reads,
        **{name: value for name, value in asked.items() if value is not None},
    )


def _count_start(path: Path) -> int:
    """How many times this directory was started, this time included.

    A count for people: a lost or torn file only makes it begin again.
    """
    try:
        starts = int(path.read_text()) + 1
    except (OSError, ValueError):
        starts = 1
    path.write_text(f"{starts}\n")
    return starts


def contexts_of(options: Options) -> rft.http.Contexts | None:
    """How the connections of this node are made and taken under TLS. Raises OSError where a file is no good."""
    if options.tls is None:
        return None
    try:
        return rft.http.Contexts.load(options.tls.ca, options.tls.certificate, options.tls.key)
    except ssl.SSLError as error:
        raise OSError(f"the files of --tls-ca, --tls-cert and --tls-key: {error}") from error
