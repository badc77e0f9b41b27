#!/usr/bin/env python3
"""What a host of the key-value service answers over HTTP: ../README.md as tests. Any language's host can be
tried: SERVER=path/to/server routes.py"""

import os
import select
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List

from cluster import DEFAULT_SERVER, Cluster, Node, end_on_signals, wait_for
from http_client import Connection, Connections

SERVER = Path(os.environ.get("SERVER", DEFAULT_SERVER))
FLAGS = ["--tick-ms", "20", "--segment-bytes", str(1 << 20)]
VALUE_MAX = 4 << 20
PEER = "X-Etcd-Cluster-ID: 1\r\nX-Server-From: 2\r\n"
BARE = PEER + "Content-Type: application/protobuf\r\n"
FRAMES = PEER + "Content-Type: application/x-raft-frames\r\n"
PROGRAMS = ["kv-c", "kv-cpp", "kv-python", "kv-go", "kv-etcd"]
ABSENT = "If-None-Match: *\r\n"


def if_match(tag: str) -> str:
    return f"If-Match: {tag}\r\n"


class WithCluster(unittest.TestCase):
    size = 1
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(cls.size, FLAGS, SERVER).__enter__()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.wait_leader()

    def setUp(self) -> None:
        self.connections = Connections()
        self.addCleanup(self.connections.close)

    def ask(self, node: Node, method: str, path: str, body: bytes = b"", headers: str = ""):
        return self.connections.request(node.address, method, path, body, headers)

    def expect(self, status: int, node: Node, method: str, path: str, body: bytes = b"", headers: str = ""):
        response = self.ask(node, method, path, body, headers)
        self.assertEqual(response.status, status, response)
        return response


class OneNode(WithCluster):
    @property
    def node(self) -> Node:
        return self.cluster.nodes[1]

    def test_write_read_delete(self) -> None:
        self.expect(404, self.node, "GET", "/kv/none")
        self.expect(204, self.node, "PUT", "/kv/a", b"1")
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/a").body, b"1")
        self.expect(204, self.node, "PUT", "/kv/a", b"")
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/a?stale=1").body, b"")
        self.expect(204, self.node, "DELETE", "/kv/a")
        self.expect(404, self.node, "GET", "/kv/a")
        self.expect(204, self.node, "DELETE", "/kv/a")

    def test_revisions(self) -> None:
        first = self.expect(204, self.node, "PUT", "/kv/e", b"1").headers["etag"]
        self.assertRegex(first, '^"[1-9][0-9]*"$')
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/e").headers["etag"], first)
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/e?stale=1").headers["etag"], first)
        # The same value again is a write, and so a new revision.
        second = self.expect(204, self.node, "PUT", "/kv/e", b"1").headers["etag"]
        self.assertGreater(int(second[1:-1]), int(first[1:-1]))
        self.assertNotIn("etag", self.expect(204, self.node, "DELETE", "/kv/e").headers)
        self.assertNotIn("etag", self.expect(404, self.node, "GET", "/kv/e").headers)

    def test_conditions(self) -> None:
        tag = self.expect(204, self.node, "PUT", "/kv/c", b"1", ABSENT).headers["etag"]
        self.assertEqual(self.expect(412, self.node, "PUT", "/kv/c", b"2", ABSENT).headers["etag"], tag)
        newer = self.expect(204, self.node, "PUT", "/kv/c", b"3", if_match(tag)).headers["etag"]
        self.assertEqual(self.expect(412, self.node, "PUT", "/kv/c", b"4", if_match(tag)).headers["etag"], newer)
        self.assertEqual(self.expect(412, self.node, "DELETE", "/kv/c", b"", if_match(tag)).headers["etag"], newer)
        kept = self.expect(200, self.node, "GET", "/kv/c")
        self.assertEqual((kept.body, kept.headers["etag"]), (b"3", newer))
        self.expect(204, self.node, "DELETE", "/kv/c", b"", if_match(newer))
        for method in ("PUT", "DELETE"):
            self.assertNotIn("etag", self.expect(412, self.node, method, "/kv/c", b"", if_match(newer)).headers)
        self.expect(404, self.node, "GET", "/kv/c")
        self.expect(204, self.node, "PUT", "/kv/c", b"", ABSENT)

    def test_bad_conditions(self) -> None:
        self.expect(204, self.node, "PUT", "/kv/b", b"kept")
        tags = ["", "1", '"', '""', '"0"', '"01"', '"1', '1"', '"1" ,"2"', '"x"', '"-1"', '"+1"', 'W/"1"', "*",
                '"18446744073709551616"', '"99999999999999999999999"']
        for method in ("PUT", "DELETE"):
            for tag in tags:
                self.expect(400, self.node, method, "/kv/b", b"", if_match(tag))
            self.expect(412, self.node, method, "/kv/b", b"", if_match('"18446744073709551615"'))
            self.expect(400, self.node, method, "/kv/b", b"", ABSENT + if_match('"1"'))
        self.expect(400, self.node, "PUT", "/kv/b", b"", 'If-None-Match: "1"\r\n')
        self.expect(400, self.node, "DELETE", "/kv/b", b"", ABSENT)
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/b").body, b"kept")

    def test_status(self) -> None:
        status = self.node.status(with_hash=True)
        self.assertIn(status["program"], PROGRAMS)
        if SERVER.name in PROGRAMS:
            self.assertEqual(status["program"], SERVER.name)
        self.assertRegex(status["state"]["hash"], "^[0-9a-f]{16}$")
        self.assertNotIn("hash", self.node.status()["state"])

    def test_any_byte_in_a_key(self) -> None:
        keys = ["a%00b", "a", "%2f/x", "%C3%A4", "k%25", "k" * 1024]
        for key in keys:
            self.expect(204, self.node, "PUT", f"/kv/{key}", key.encode())
        for key in keys:
            self.assertEqual(self.expect(200, self.node, "GET", f"/kv/{key}").body, key.encode())
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/%61").body, b"a")

    def test_bad_keys(self) -> None:
        self.expect(400, self.node, "PUT", "/kv/", b"x")
        self.expect(400, self.node, "PUT", "/kv/a%2", b"x")
        self.expect(400, self.node, "GET", "/kv/a%zz")
        self.expect(414, self.node, "PUT", "/kv/" + "k" * 1025, b"x")

    def test_limits_of_a_value(self) -> None:
        value = os.urandom(VALUE_MAX)
        self.expect(204, self.node, "PUT", "/kv/big", value)
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/big").body, value)
        self.expect(413, self.node, "PUT", "/kv/big", b"", f"Content-Length: {VALUE_MAX + 1}\r\nX: ")
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        connection = Connection(self.node.address, 10.0)
        self.addCleanup(connection.close)
        self.assertEqual(connection.chunked("PUT", "/kv/big", [chunk] * 5 + [b"0\r\n\r\n"]).status, 413)
        self.expect(204, self.node, "DELETE", "/kv/big")

    def test_methods_and_paths(self) -> None:
        self.expect(405, self.node, "POST", "/kv/a", b"")
        self.expect(405, self.node, "POST", "/status", b"")
        self.expect(405, self.node, "GET", "/members")
        self.expect(405, self.node, "DELETE", "/members")
        self.expect(405, self.node, "GET", "/transfer/2")
        self.expect(404, self.node, "GET", "/nothing")
        self.expect(400, self.node, "POST", "/transfer/0")
        self.expect(400, self.node, "POST", "/transfer/x")

    def test_bad_membership_changes(self) -> None:
        for text in [b"", b"\n\n", b"add 2", b"add 0=a:1", b"add x=a:1", b"grow 2", b"remove", b"remove 2=a:1"]:
            self.expect(400, self.node, "POST", "/members", text)
        self.expect(400, self.node, "POST", "/members", b"add 2=a:1,3=b:2")
        for address in ["a", "a:", ":1", "a:0", "a:x", "a:65536", "a b:1", 'a":1', "http://a:1", "a:1 ", "a" * 300 + ":1"]:
            self.expect(400, self.node, "POST", "/members", f"add 2={address}".encode())
            self.expect(400, self.node, "PUT", "/members", f"1={self.node.address}\n2={address}".encode())
        self.expect(400, self.node, "POST", "/members", b"remove 9\n" * 17)
        for text in [b"", b"\n", b"1", b"learner 1=a:1", b"1=a:1\n1=a:2", b"1=a:1\nlearner 1=a:1", b"0=a:1", b"add 1=a:1",
                     b"learner 1", b"1=a:1,2=a:2", b"".join(b"%d=a:1\n" % node for node in range(1, 66))]:
            self.expect(400, self.node, "PUT", "/members", text)
        # One of whom nobody has heard would have half of the votes.
        alone = f"1={self.node.address}"
        self.expect(409, self.node, "PUT", "/members", f"{alone}\n2={self.node.address}".encode())
        self.expect(204, self.node, "PUT", "/members", alone.encode())
        self.assertEqual([member["id"] for member in self.node.status()["members"]], [1])

    def test_slow_clients(self) -> None:
        """A request has 10 s, however lively it trickles in, and however often its connection was of use."""
        head = f"PUT /kv/slow HTTP/1.1\r\nHost: {self.node.address}\r\n"
        used = Connection(self.node.address, 10.0)
        self.assertEqual(used.request("GET", "/status").status, 200)
        slow = {
            "body": (self._open(), f"{head}Content-Length: 1000\r\n\r\n"),
            "headers": (self._open(), f"{head}X-Long: "),
            "first line": (self._open(), "G"),
            "second head": (used, "PUT /kv/"),
        }
        began = time.monotonic()
        for connection, first in slow.values():
            self.addCleanup(connection.close)
            connection.socket.sendall(first.encode())
        ended = {}
        while len(ended) < len(slow) and time.monotonic() - began < 20:
            self.expect(200, self.node, "GET", "/status")
            ready, _, _ = select.select([connection.socket for connection, _ in slow.values()], [], [], 0)
            for name, (connection, _) in slow.items():
                if name not in ended and not self._trickle(connection, connection.socket in ready):
                    ended[name] = time.monotonic() - began
            time.sleep(0.5)
        self.assertEqual(sorted(ended), sorted(slow))
        for name, seconds in ended.items():
            self.assertTrue(9 < seconds < 15, (name, seconds))
        self.expect(404, self.node, "GET", "/kv/slow")

    def _open(self) -> Connection:
        return Connection(self.node.address, 10.0)

    def _trickle(self, connection: Connection, readable: bool) -> bool:
        """Sends one byte more. False when the server has had enough of it, with an answer or without."""
        try:
            if readable:
                said = connection.socket.recv(1 << 16)
                self.assertTrue(said == b"" or b" 408 " in said.split(b"\r\n")[0], said)
                return False
            connection.socket.sendall(b"x")
        except OSError:
            return False
        return True

    def test_bad_messages(self) -> None:
        mismatch = self.expect(412, self.node, "POST", "/raft", b"", BARE.replace("ID: 1", "ID: 2"))
        self.assertEqual(mismatch.body.strip(), b"cluster ID mismatch")
        self.expect(412, self.node, "POST", "/raft", b"")
        self.expect(400, self.node, "POST", "/raft", b"", BARE.replace("From: 2", "From: two"))
        self.expect(400, self.node, "POST", "/raft", b"\xff" * 40, BARE)
        self.expect(400, self.node, "POST", "/raft", b"\x00" * 4, FRAMES)
        self.expect(400, self.node, "POST", "/raft", b"\xff" * 8, FRAMES)
        self.expect(400, self.node, "POST", "/raft", (100).to_bytes(8, "big") + b"short", FRAMES)
        self.expect(413, self.node, "POST", "/raft", b"", f"{BARE}Content-Length: {(64 << 20) + 1}\r\nX: ")
        for length in range(200):
            status = self.ask(self.node, "POST", "/raft", os.urandom(length), BARE).status
            self.assertIn(status, (204, 400, 500))
        self.expect(204, self.node, "PUT", "/kv/after", b"still here")

    def test_restart_from_a_snapshot(self) -> None:
        tag = self.expect(204, self.node, "PUT", "/kv/kept", b"value").headers["etag"]
        saved = self.node.status()["counters"]["snapshots_saved"]
        self.expect(202, self.node, "POST", "/snapshot")
        wait_for("a snapshot", 10, lambda: self.node.status()["counters"]["snapshots_saved"] > saved)
        before = self.node.status()
        for end in (self.node.stop, self.node.kill):
            self.connections.close()
            end()
            self.node.start()
            self.cluster.wait_leader()
            after = wait_for("all applied", 10, lambda: self._all_applied())
            self.assertGreater(after["counters"]["snapshots_restored"], 0)
            self.assertEqual(after["state"]["keys"], before["state"]["keys"])
            kept = self.expect(200, self.node, "GET", "/kv/kept")
            self.assertEqual((kept.body, kept.headers["etag"]), (b"value", tag))
        self.assertEqual(after["counters"]["restarts"], before["counters"]["restarts"] + 2)

    def _all_applied(self):
        status = self.node.status()
        return status if status["applied"] == status["last_index"] else None

    def test_a_directory_has_one_owner(self) -> None:
        for flags, reason in [
            ([], "RFT_E_LOCKED"),
            (["--cluster-id", "7"], "RFT_E_"),
        ]:
            ended = self.node.run_beside(flags)
            self.assertNotEqual(ended.returncode, 0)
            self.assertIn(reason, ended.stderr)
        self.node.stop()
        foreign = self.node.run_beside(["--cluster-id", "7"])
        self.assertNotEqual(foreign.returncode, 0)
        self.assertIn("RFT_E_FOREIGN", foreign.stderr)
        self.node.start()
        self.cluster.wait_leader()

    def test_command_line(self) -> None:
        for flags in [[], ["--id", "1"], ["--id", "0", "--dir", "/x", "--cluster", "1=a:1"], ["--what"], ["--id"]]:
            ended = subprocess.run([SERVER, *flags], capture_output=True, text=True, timeout=10)
            self.assertEqual(ended.returncode, 2)
            self.assertIn("usage:", ended.stderr)


class ThreeNodes(WithCluster):
    size = 3

    def roles(self):
        leader = self.cluster.wait_leader()
        return leader, [node for node in self.cluster.running if node is not leader]

    def test_any_node_takes_writes_and_answers_reads(self) -> None:
        leader, followers = self.roles()
        for number, follower in enumerate(followers):
            self.expect(204, follower, "PUT", "/kv/r", b"%d" % number)
            self.assertEqual(self.expect(200, leader, "GET", "/kv/r").body, b"%d" % number)
            self.expect(204, follower, "DELETE", "/kv/r")
            self.expect(404, follower, "GET", "/kv/r")
            self.expect(204, leader, "PUT", "/kv/fresh", b"%d" % number)
            self.assertEqual(self.expect(200, follower, "GET", "/kv/fresh").body, b"%d" % number)
        self.expect(204, followers[0], "POST", "/members", f"add-learner 9={followers[0].address}".encode())
        self.expect(204, followers[1], "POST", "/members", b"remove 9")

    def test_conditions_hold_on_every_node(self) -> None:
        leader, followers = self.roles()
        for node in [leader, *followers]:
            tag = self.expect(204, node, "PUT", "/kv/q", b"1", ABSENT).headers["etag"]
            for other in self.cluster.running:
                self.assertEqual(self.expect(412, other, "PUT", "/kv/q", b"2", ABSENT).headers["etag"], tag)
                self.assertEqual(self.expect(200, other, "GET", "/kv/q").headers["etag"], tag)
            newer = self.expect(204, node, "PUT", "/kv/q", b"3", if_match(tag)).headers["etag"]
            self.expect(412, node, "DELETE", "/kv/q", b"", if_match(tag))
            self.expect(204, node, "DELETE", "/kv/q", b"", if_match(newer))
            self.expect(404, leader, "GET", "/kv/q")

    def test_one_of_many_writers_at_a_time_wins(self) -> None:
        """Each counts up with the revision that it has read: what was acknowledged is what was counted."""
        leader, _ = self.roles()
        self.expect(204, leader, "PUT", "/kv/count", b"0")
        with ThreadPoolExecutor(6) as pool:
            won = sum(pool.map(lambda number: self._count_up(self.cluster.running[number % 3]), range(6)))
        self.assertGreaterEqual(won, 20)
        self.assertEqual(self.expect(200, leader, "GET", "/kv/count").body, b"%d" % won)

    def _count_up(self, node: Node) -> int:
        won = 0
        connections = Connections()
        for _ in range(20):
            seen = connections.request(node.address, "GET", "/kv/count")
            body, headers = b"%d" % (int(seen.body) + 1), if_match(seen.headers["etag"])
            status = connections.request(node.address, "PUT", "/kv/count", body, headers).status
            self.assertIn(status, (204, 412))
            won += status == 204
        connections.close()
        return won

    def test_status_names_members_and_agrees(self) -> None:
        leader, _ = self.roles()
        self.expect(204, leader, "PUT", "/kv/s", b"x")
        seen = self.cluster.wait_agreement()
        for status in seen.values():
            self.assertEqual({member["id"]: member["address"] for member in status["members"]},
                             {node.id: node.address for node in self.cluster.nodes.values()})
            self.assertEqual([member["flags"] for member in status["members"]], [["voter"]] * 3)

    def test_transfer(self) -> None:
        leader, followers = self.roles()
        to = followers[0]
        location = self.expect(307, to, "POST", f"/transfer/{to.id}").headers["location"]
        self.assertEqual(location, f"http://{leader.address}/transfer/{to.id}")
        self.expect(202, leader, "POST", f"/transfer/{to.id}")
        wait_for("the transfer", 10, lambda: self.cluster.wait_leader() is to)


class Changing(WithCluster):
    size = 3

    @classmethod
    def setUpClass(cls) -> None:
        """Each test has a cluster of its own: what it leaves behind is another one."""

    def setUp(self) -> None:
        super().setUpClass()
        super().setUp()

    def test_replace_in_one_joint_change_then_lose_the_majority(self) -> None:
        leader = self.cluster.wait_leader()
        out = next(node for node in self.cluster.running if node is not leader)
        self.expect(204, leader, "PUT", "/kv/j", b"x")
        newcomer = self.cluster.join(4)
        self.expect(204, leader, "POST", "/members", f"add 4={newcomer.address}\nremove {out.id}\n".encode())
        wanted = [node.id for node in self.cluster.nodes.values() if node is not out]
        wait_for("the joint change to end", 20, lambda: self._voters(leader) == wanted)
        self.cluster.forget(out.id)
        self.cluster.wait_agreement()
        self.assertEqual(self.expect(200, newcomer, "GET", "/kv/j").body, b"x")
        self.assertGreater(newcomer.status()["counters"]["snapshots_restored"], 0)

        last = self.cluster.wait_leader()
        for node in self.cluster.running:
            if node is not last:
                node.kill()
        self.assertIn(self.ask(last, "PUT", "/kv/j", b"y").status, (503, 504))
        self.assertIn(self.ask(last, "GET", "/kv/j").status, (503, 504))
        self.assertEqual(self.expect(200, last, "GET", "/kv/j?stale=1").body, b"x")
        last.stop()

    def test_the_list_as_a_whole(self) -> None:
        leader = self.cluster.wait_leader()
        followers = [node for node in self.cluster.running if node is not leader]
        through, out = followers
        newcomer = self.cluster.join(5)
        self._set(leader, [*self.cluster.running][:3], [newcomer])
        self._set(leader, [*self.cluster.running][:3], [newcomer])  # nothing is left to do
        self.expect(204, leader, "PUT", "/kv/w", b"x")
        self.cluster.wait_agreement()
        # One in, one out, through a node that does not lead.
        self._set(through, [leader, through, newcomer], [])
        self.cluster.forget(out.id)
        self.cluster.wait_agreement()
        self.assertEqual(self.expect(200, newcomer, "GET", "/kv/w").body, b"x")
        # An address alone: of a voter that becomes a learner, and back.
        self._set(leader, [leader, newcomer], [through])
        address, through.address = through.address, "127.0.0.1:1"
        self._set(leader, [leader, newcomer], [through])
        through.address = address
        self._set(leader, [leader, newcomer], [through])
        self._set(newcomer, [leader, newcomer, through], [])
        self.cluster.wait_agreement()
        # A leader that is told to go leads until that is done. A follower may not hear of it any more.
        leader = self.cluster.wait_leader()
        rest = [node for node in (leader, newcomer, through) if node is not leader]
        lines = "\n".join(f"{node.id}={node.address}" for node in rest).encode()
        self.expect(204, leader, "PUT", "/members", lines)
        self._set(rest[0], rest, [])
        self.cluster.forget(leader.id)
        self.cluster.wait_agreement()

    def _set(self, through: Node, voters: List[Node], learners: List[Node]) -> None:
        lines = [f"{node.id}={node.address}" for node in voters]
        lines += [f"learner {node.id}={node.address}" for node in learners]
        self.expect(204, through, "PUT", "/members", "\n".join(lines).encode())
        flags = {node.id: ["voter"] for node in voters} | {node.id: ["learner"] for node in learners}
        members = through.status()["members"]
        self.assertEqual({member["id"]: member["flags"] for member in members}, flags)
        self.assertEqual({member["id"]: member["address"] for member in members},
                         {node.id: node.address for node in voters + learners})

    def _voters(self, node: Node):
        members = node.status()["members"]
        return sorted(member["id"] for member in members if member["flags"] == ["voter"]) if all(
            member["flags"] in (["voter"], ["learner"]) for member in members
        ) else None


if __name__ == "__main__":
    end_on_signals()
    unittest.main()
