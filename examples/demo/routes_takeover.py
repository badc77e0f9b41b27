"""A host of another language goes on with the directories of this one, node by node, and gives them back."""

import os
import unittest
from pathlib import Path
from typing import Dict, Tuple

from cluster import Node, wait_for
from http_client import Response
from routes_base import ABSENT, SERVER, WithCluster, certain, if_match

OTHER = os.environ.get("OTHER", "")
# Runs another program on what a node is started with.
INSTEAD = ["sh", "-c", 'while [ "$1" != --id ]; do shift; done; exec "$0" "$@"']


@unittest.skipUnless(OTHER, "only with OTHER=path/to/another/server")
class Takeover(WithCluster):
    size = 3

    def test_there_and_back(self) -> None:
        first = self.cluster.nodes[1]
        values: Dict[str, Tuple[bytes, str]] = {}
        self._write(first, values, "before")
        for node in self.cluster.running:
            self._snapshot(node)
        self._write(first, values, "behind the snapshot")
        for program, end in ((Path(OTHER), Node.stop), (SERVER, Node.kill)):
            for node in list(self.cluster.nodes.values()):
                self._hand_over(node, program, end)
                self._check(node, values)
                # One of the programs leads after the other, and each has followers of both.
                self.cluster.have_lead(node)
                self._write(node, values, f"while {program.name} leads")
                self.cluster.wait_agreement()
            self.assertEqual({self._program(node) for node in self.cluster.running}, {program.name})
        for node in self.cluster.running:
            self._check(node, values)

    def _write(self, node: Node, values: Dict[str, Tuple[bytes, str]], value: str) -> None:
        """Commands of each kind."""
        self._keep(values, "put", b"", self.expect(204, node, "PUT", "/kv/put"))
        self._keep(values, "%00%ff", value.encode(), self.expect(204, node, "PUT", "/kv/%00%ff", value.encode()))
        if "if" in values:
            self.expect(204, node, "DELETE", "/kv/if", b"", if_match(values["if"][1]))
        self._keep(values, "if", b"1" * 100_000, self.expect(204, node, "PUT", "/kv/if", b"1" * 100_000, ABSENT))
        put = self.expect(204, node, "PUT", "/kv/if", b"2" * 200_000, if_match(values["if"][1]))
        self._keep(values, "if", b"2" * 200_000, put)
        self.expect(412, node, "PUT", "/kv/if", b"3", ABSENT)
        self.expect(204, node, "PUT", "/kv/gone", b"x")
        self.expect(204, node, "DELETE", "/kv/gone")

    def _keep(self, values: Dict[str, Tuple[bytes, str]], key: str, value: bytes, response: Response) -> None:
        values[key] = value, response.headers["etag"]

    def _check(self, node: Node, values: Dict[str, Tuple[bytes, str]]) -> None:
        for key, expected in values.items():
            seen = self._read(node, key)
            self.assertEqual((seen.status, seen.body, seen.headers.get("etag")), (200, *expected))
        self.assertEqual(self._read(node, "gone").status, 404)
        self.cluster.wait_agreement()

    def _read(self, node: Node, key: str) -> Response:
        """Others may still write to a connection that ended with the program before."""
        return certain(self.connections, node, "GET", f"/kv/{key}")

    def _snapshot(self, node: Node) -> None:
        saved = node.status()["counters"]["snapshots_saved"]
        self.expect(202, node, "POST", "/snapshot")
        wait_for("a snapshot", 60, lambda: node.status()["counters"]["snapshots_saved"] > saved)

    def _hand_over(self, node: Node, program: Path, end) -> None:
        before = node.status()
        self.connections.close()
        end(node)
        node.run_in([*INSTEAD, str(program)])
        node.start()
        self.cluster.wait_leader()
        self.assertEqual(self._program(node), program.name)
        after = wait_for("all applied", 60, lambda: self._beyond(node, before["applied"]))
        self.assertGreater(after["counters"]["snapshots_restored"], 0)
        self.assertEqual(after["counters"]["restarts"], before["counters"]["restarts"] + 1)

    def _beyond(self, node: Node, index: int):
        status = node.status()
        return status if status["applied"] >= index else None

    def _program(self, node: Node) -> str:
        return node.status()["program"]
