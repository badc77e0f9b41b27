"""What the logs of stopped nodes hold, by two readers: `rft log dump`, and etcd's own reader in kv-etcd."""

import json
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple

from cluster import Failure, Node

Entry = Tuple[int, int, str]  # term, type, data
TYPES = {"normal": 0, "conf_change": 1, "conf_change_v2": 2}


def by_our_tool(tool: Path, directory: Path) -> Dict[int, Entry]:
    """The committed entries that a directory holds, by index."""
    entries: Dict[int, Entry] = {}
    commit = last = 0
    for record in _lines([str(tool), "--json", "log", "dump", str(directory)]):
        kind, index = record["record"], record.get("index", 0)
        if kind == "entry":
            # It replaces all from its index on.
            for gone in range(index, last + 1):
                entries.pop(gone, None)
            last = index
            entries[index] = (record["term"], TYPES[record["type"]], record["data"])
        elif kind == "state":
            commit = record["commit"]
        elif kind == "snapshot" and (index > last or index in entries and entries[index][0] != record["term"]):
            # A leader's: what was not committed before it is nobody's.
            entries = {at: entry for at, entry in entries.items() if at <= commit}
            last = index
    return {index: entry for index, entry in entries.items() if index <= commit}


def by_their_reader(kv_etcd: Path, directory: Path) -> Dict[int, Entry]:
    """The same, from the oldest snapshot on behind which there is no gap."""
    lines = _lines([str(kv_etcd), "dump", str(directory)])
    commit = lines[0]["commit"]
    return {line["index"]: (line["term"], line["type"], line["data"]) for line in lines[1:] if line["index"] <= commit}


def compare_logs(nodes: List[Node], applied: int, tool: Path, kv_etcd: Path) -> int:
    """All have applied this index: how many entries there are on two nodes at least, which have to be the same. Every log
    has to reach up to it, and both readers have to find the same in it."""
    logs = {}
    for node in nodes:
        directory = node.directory / "raft"
        log, again = by_our_tool(tool, directory), by_their_reader(kv_etcd, directory)
        _hold_against(f"node {node.id}, read by rft and by etcd", log, again)
        if not again or max(again) < applied or max(log) < applied:
            raise Failure(f"node {node.id} has applied {applied}, and its log ends at {max(log, default=0)}")
        logs[node.id] = log
    compared = set()
    for one in nodes:
        for other in nodes:
            if one.id < other.id:
                compared |= _hold_against(f"nodes {one.id} and {other.id}", logs[one.id], logs[other.id])
    return len(compared)


def _hold_against(who: str, one: Dict[int, Entry], other: Dict[int, Entry]) -> set:
    both = one.keys() & other.keys()
    for index in sorted(both):
        if one[index] != other[index]:
            raise Failure(f"{who}: entry {index} is {one[index]} and {other[index]}")
    return both


def _lines(command: List[str]) -> List[dict]:
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if output.returncode != 0:
        raise Failure(f"{' '.join(command)}: {output.stderr}")
    return [json.loads(line) for line in output.stdout.splitlines()]


def self_test() -> None:
    """What must hold of a comparison before it is believed."""
    log = {5: (1, 0, "00"), 6: (1, 0, "01")}
    assert _hold_against("", log, {6: (1, 0, "01"), 7: (2, 0, "")}) == {6}
    for other in ((2, 0, "01"), (1, 2, "01"), (1, 0, "02")):
        try:
            _hold_against("", log, {6: other})
        except Failure:
            continue
        raise AssertionError(f"{other} was taken for the same")
