"""GET /status: what this node knows, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import rft

from kv import answers
from kv.machine import Summary
from kv.node import Node


def report(node: Node, state: Summary) -> bytes:
    """One line of JSON."""
    status = node.engine.status()
    addresses = node.machine.members()
    held: dict[str, Any] = {"applied": state.applied, "keys": state.keys}
    if state.hash is not None:
        held["hash"] = f"{state.hash:016x}"
    counters = asdict(node.counters)
    counters["restarts"] = counters.pop("starts") - 1
    told = {
        "program": "kv-python",
        "id": status.id,
        "cluster_id": node.options.cluster_id,
        "role": status.role,
        "term": status.term,
        "leader": status.leader,
        "commit": status.commit,
        "applied": status.applied,
        "first_index": status.first_index,
        "last_index": status.last_index,
        "snapshot_index": status.snapshot_index,
        "disk_full": status.disk_full,
        "failure": answers.name(status.failure),
        "members": [_member(member, addresses) for member in node.engine.members()],
        "state": held,
        "counters": counters
        | {
            "snapshots_restored": node.machine.restored,
            "snapshot_bytes_restored": node.machine.restored_bytes,
        },
    }
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _member(member: rft.Member, addresses: dict[int, str]) -> dict[str, Any]:
    flags = {
        "voter": member.voter,
        "learner": member.learner,
        "outgoing": member.outgoing,
        "learner_next": member.learner_next,
    }
    return {
        "id": member.id,
        "address": addresses.get(member.id, ""),
        "flags": [name for name, holds in flags.items() if holds],
        # Only a leader knows.
        "progress": member.progress or "unknown",
        "matched": member.matched,
        "active": member.recent_active,
    }
