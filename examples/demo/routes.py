#!/usr/bin/env python3
"""What a host of the key-value service answers over HTTP: ../README.md as tests. Any language's host can be
tried: SERVER=path/to/server routes.py. With TLS=1 all of it goes over TLS, and who has no business there is refused.
With OTHER=path/to/another/server that one takes the directories over."""

import contextlib
import http.client
import os
import socket
import subprocess
import unittest

from cluster import Node, end_on_signals, wait_for
from routes_base import ABSENT, PROGRAMS, SERVER, TLS, VALUE_MAX, WithCluster, if_match
from routes_cluster import Changing, ThreeNodes
from routes_refused import Malformed, Slow, Strangers
from routes_takeover import Takeover

__all__ = ["Changing", "Malformed", "OneNode", "Slow", "Strangers", "Takeover", "ThreeNodes"]


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

    def test_limits_of_a_value(self) -> None:
        value = os.urandom(VALUE_MAX)
        self.expect(204, self.node, "PUT", "/kv/big", value)
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/big").body, value)
        self.expect(413, self.node, "PUT", "/kv/big", b"", f"Content-Length: {VALUE_MAX + 1}\r\nX: ")
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        self.assertEqual(self.connect(self.node).chunked("PUT", "/kv/big", [chunk] * 5 + [b"0\r\n\r\n"]).status, 413)
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

    def test_restart_from_a_snapshot(self) -> None:
        tag = self.expect(204, self.node, "PUT", "/kv/kept", b"value").headers["etag"]
        saved = self.node.status()["counters"]["snapshots_saved"]
        self.expect(202, self.node, "POST", "/snapshot")
        wait_for("a snapshot", 60, lambda: self.node.status()["counters"]["snapshots_saved"] > saved)
        before = self.node.status()
        for end in (self.node.stop, self.node.kill):
            self.connections.close()
            end()
            self.node.start()
            self.cluster.wait_leader()
            after = wait_for("all applied", 60, lambda: self._all_applied())
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

    @unittest.skipIf(TLS, "the certificates are for others")
    def test_an_address_in_brackets(self) -> None:
        port = self.node.address.rpartition(":")[2]
        try:
            socket.create_server(("::1", int(port)), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        command = [SERVER, "--id", "1", "--cluster", f"1=[::1]:{port}", "--dir", self.cluster.directory / "brackets"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            self.addCleanup(process.kill)
            self.assertEqual(wait_for("an answer", 60, lambda: self._status_at("::1", int(port))), 200)
            process.terminate()

    def _status_at(self, host: str, port: int) -> int:
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
            connection.request("GET", "/status")
            return connection.getresponse().status

    def test_command_line(self) -> None:
        whole = ["--id", "1", "--dir", "/x", "--cluster", "1=a:1"]
        for flags in [[*whole, "--tls-ca", "x"], [*whole, "--tls-cert", "x", "--tls-key", "x"]]:
            ended = subprocess.run([SERVER, *flags], capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 2)
            self.assertIn("--tls-ca", ended.stderr)
        for flags in [[], ["--id", "1"], ["--id", "0", "--dir", "/x", "--cluster", "1=a:1"], ["--what"], ["--id"]]:
            ended = subprocess.run([SERVER, *flags], capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 2)
            self.assertIn("usage:", ended.stderr)


if __name__ == "__main__":
    end_on_signals()
    unittest.main()
