"""The command line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kv import book


class Tls:
    """The files of `--tls-ca`, `--tls-cert` and `--tls-key`."""

    def __init__(self, ca: str, certificate: str, key: str) -> None:
        self.ca, self.certificate, self.key = ca, certificate, key


@dataclass(frozen=True)
class Options:
    """What a node is told when it starts. What is None is left to the library."""

    id: int
    cluster: dict[int, str]
    dir: Path
    join: bool
    cluster_id: int
    tick_ms: int | None
    snapshot_entries: int | None
    segment_bytes: int | None
    disk_reserve: int | None
    lease_reads: bool
    tls: Tls | None
    verbose: bool

    @property
    def address(self) -> str:
        """Where this node answers."""
        return self.cluster[self.id]

    @property
    def scheme(self) -> str:
        """How all nodes are spoken to."""
        return "http" if self.tls is None else "https"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_help(sys.stderr)
        self.exit(2, f"kv-python: {message}\n")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _cluster(text: str) -> dict[int, str]:
    members: dict[int, str] = {}
    try:
        book.follow(members, text)
        for address in members.values():
            book.parse_address(address)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return members


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "kv-python", description="One node of a replicated key-value service.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--id", type=_number, required=True, help="this node")
    add(
        "--cluster",
        type=_cluster,
        required=True,
        metavar="ID=HOST:PORT,...",
        help="where the nodes answer, this one too; without --join they are a new cluster's first members: the "
        "same list on each",
    )
    add("--dir", type=Path, required=True, help="where this node keeps its log and snapshots")
    add("--join", action="store_true", help="wait to be added to a running cluster (POST /members there)")
    add(
        "--cluster-id",
        type=_number,
        default=1,
        metavar="N",
        help="messages of others are refused (default 1)",
    )
    add("--tick-ms", type=_number, metavar="N", help="a follower waits 10 to 20 ticks (default 100)")
    add(
        "--snapshot-entries",
        type=_number,
        metavar="N",
        help="a snapshot after so many entries, 0: only by POST /snapshot (default 10000)",
    )
    add("--segment-bytes", type=_number, metavar="N", help="length of a file of the log (default 64000000)")
    add(
        "--disk-reserve",
        type=_number,
        metavar="BYTES",
        help="with less left on the disk no writes are taken, 0: no matter (default 64 MiB)",
    )
    add(
        "--lease-reads",
        action="store_true",
        help="a leader answers reads by its lease; for all nodes or none",
    )
    add("--tls-ca", metavar="FILE", help="speak HTTPS: the authority whose certificates are believed (PEM)")
    add("--tls-cert", metavar="FILE", help="this node's certificate, of the name rft-node-ID")
    add("--tls-key", metavar="FILE", help="and its key")
    add("--verbose", action="store_true", help="debug lines too")
    return parser


def parse(arguments: list[str]) -> Options:
    """The options; whoever gives wrong ones reads why, and the process ends with 2."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.id not in given.cluster:
        parser.error("--cluster needs this node's own address")
    files = (given.tls_ca, given.tls_cert, given.tls_key)
    if None in files and files != (None, None, None):
        parser.error("--tls-ca, --tls-cert and --tls-key go together")
    return Options(
        id=given.id,
        cluster=given.cluster,
        dir=given.dir,
        join=given.join,
        cluster_id=given.cluster_id,
        tick_ms=given.tick_ms,
        snapshot_entries=given.snapshot_entries,
        segment_bytes=given.segment_bytes,
        disk_reserve=given.disk_reserve,
        lease_reads=given.lease_reads,
        tls=None if None in files else Tls(*files),
        verbose=given.verbose,
    )
