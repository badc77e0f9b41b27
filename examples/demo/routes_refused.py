"""What is refused: requests that make no sense, clients that take their time, and who does not belong here."""

import json
import os
import random
import socket
import ssl
import time
import unittest
from typing import Optional

from certificates import CLIENT, Certificates, node_name
from cluster import Node, wait_for
from http_client import Connection, Connections, NotSent
from routes_base import ABSENT, BARE, FRAMES, TLS, WithCluster, certain, if_match


def client_hello() -> bytes:
    """What a client says first."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


def heartbeat(sender: int) -> bytes:
    """To node 1, in term 1."""
    return bytes([0x08, 8, 0x10, 1, 0x18, sender, 0x20, 1])


class Malformed(WithCluster):
    @property
    def node(self) -> Node:
        return self.cluster.nodes[1]

    def test_bad_keys(self) -> None:
        self.expect(400, self.node, "PUT", "/kv/", b"x")
        self.expect(400, self.node, "PUT", "/kv/a%2", b"x")
        self.expect(400, self.node, "GET", "/kv/a%zz")
        self.expect(414, self.node, "PUT", "/kv/" + "k" * 1025, b"x")

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

    def test_bad_membership_changes(self) -> None:
        for text in [b"", b"\n\n", b"add 2", b"add 0=a:1", b"add x=a:1", b"grow 2", b"remove", b"remove 2=a:1"]:
            self.expect(400, self.node, "POST", "/members", text)
        self.expect(400, self.node, "POST", "/members", b"add 2=a:1,3=b:2")
        addresses = ["a", "a:", ":1", "a:0", "a:x", "a:65536", "a b:1", 'a":1', "http://a:1", "a:1 ", "a" * 300 + ":1"]
        for address in addresses:
            self.expect(400, self.node, "POST", "/members", f"add 2={address}".encode())
            self.expect(400, self.node, "PUT", "/members", f"1={self.node.address}\n2={address}".encode())
        self.expect(400, self.node, "POST", "/members", b"remove 9\n" * 17)
        too_many = b"".join(b"%d=a:1\n" % node for node in range(1, 66))
        twice = [b"1=a:1\n1=a:2", b"1=a:1\nlearner 1=a:1"]
        nonsense = [b"1", b"0=a:1", b"add 1=a:1", b"learner 1", b"1=a:1,2=a:2"]
        for text in [b"", b"\n", b"learner 1=a:1", *twice, *nonsense, too_many]:
            self.expect(400, self.node, "PUT", "/members", text)
        # One of whom nobody has heard would have half of the votes.
        alone = f"1={self.node.address}"
        self.expect(409, self.node, "PUT", "/members", f"{alone}\n2={self.node.address}".encode())
        self.expect(204, self.node, "PUT", "/members", alone.encode())
        self.assertEqual([member["id"] for member in self.node.status()["members"]], [1])

    def test_the_address_book_is_full(self) -> None:
        """Whoever has no room in it is refused, and nobody ends over it."""
        for first in range(100, 160, 16):
            lines = "".join(f"add-learner {node}=127.0.0.1:1\n" for node in range(first, first + 16)).encode()
            # A change that is not over yet is told from one that has no room.
            answer = wait_for("the change before", 60, lambda: self._changed(lines))
            self.assertEqual(answer.status, 204 if first < 148 else 409, answer)
        self.expect(204, self.node, "PUT", "/kv/room", b"still here")
        self.expect(204, self.node, "PUT", "/members", f"1={self.node.address}".encode())

    def _changed(self, lines: bytes):
        answer = certain(self.connections, self.node, "POST", "/members", lines)
        return None if b"RFT_E_CONF_CHANGE" in answer.body else answer

    def test_bad_messages(self) -> None:
        if TLS:  # from here on this is node 2
            self.connections = Connections(tls=self.cluster.certificates.context(node_name(2)))
            self.addCleanup(self.connections.close)
        mismatch = self.expect(412, self.node, "POST", "/raft", b"", BARE.replace("ID: 1", "ID: 2"))
        self.assertEqual(mismatch.body.strip(), b"cluster ID mismatch")
        self.expect(412, self.node, "POST", "/raft", b"")
        self.expect(400, self.node, "POST", "/raft", b"", BARE.replace("From: 2", "From: two"))
        self.expect(400, self.node, "POST", "/raft", b"\xff" * 40, BARE)
        # Who is let in as node 2 cannot speak for node 3, nor for this node.
        for sender in (3, 1, 0):
            forged = heartbeat(sender)
            self.expect(400, self.node, "POST", "/raft", forged, BARE)
            self.expect(400, self.node, "POST", "/raft", len(forged).to_bytes(8, "big") + forged, FRAMES)
        self.expect(400, self.node, "POST", "/raft", b"\x00" * 4, FRAMES)
        self.expect(400, self.node, "POST", "/raft", b"\xff" * 8, FRAMES)
        self.expect(400, self.node, "POST", "/raft", (100).to_bytes(8, "big") + b"short", FRAMES)
        # Of another cluster: told before it sends its body.
        long = "Content-Length: 1000\r\nX: "
        self.expect(412, self.node, "POST", "/raft", b"", BARE.replace("ID: 1", "ID: 2") + long)
        self.expect(413, self.node, "POST", "/raft", b"", f"{BARE}Content-Length: {(64 << 20) + 1}\r\nX: ")
        for length in range(200):
            status = self.ask(self.node, "POST", "/raft", os.urandom(length), BARE).status
            self.assertIn(status, (204, 400, 500))
        self.expect(204, self.node, "PUT", "/kv/after", b"still here")

    def test_many_messages_of_a_stranger(self) -> None:
        """Each is passed over; how many there are does not make one cost more."""
        if TLS:
            self.skipTest("the same")
        answer = heartbeat(77).replace(b"\x08\x08", b"\x08\x09", 1)
        # All of them at the price of the last would take longer than anybody waits for an answer.
        body = (len(answer).to_bytes(8, "big") + answer) * 200_000
        self.expect(204, self.node, "POST", "/raft", body, FRAMES.replace("From: 2", "From: 4d"))

    def test_what_is_no_request(self) -> None:
        """Nonsense on a connection gets a refusal or an end, and nothing of it is done."""
        host = f"Host: {self.node.address}\r\n".encode()
        put = b"PUT /kv/nonsense HTTP/1.1\r\n" + host
        raft = b"POST /raft HTTP/1.1\r\n" + host + BARE.encode()
        wrong = [
            b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET /status HTTP/9.9\r\n\r\n", b"GET /status\r\n\r\n",
            put + b"Content-Length: x\r\n\r\n", put + b"Content-Length: -1\r\n\r\n",
            put + b"Content-Length: 99999999999999999999\r\n\r\n",
            put + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            put + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            put + b"Long: " + b"x" * 200_000 + b"\r\n\r\n", put + b"Many: x\r\n" * 20_000 + b"\r\n",
            b"GET /kv/" + b"x" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
            raft + b"Content-Length: 67108865\r\n\r\n", raft + b"Content-Length: 99999999999999999999\r\n\r\n",
        ]  # fmt: skip
        for said in wrong:
            self.assertNotIn(self._say(said), range(200, 300), said[:100])
        self.expect(404, self.node, "GET", "/kv/nonsense")
        chance = random.Random(7)
        for _ in range(100):
            text = bytearray(chance.choice([put, raft]) + b"Content-Length: 3\r\n\r\nabc")
            for _ in range(chance.randrange(1, 6)):
                text[chance.randrange(len(text))] = chance.randrange(256)
            self._say(bytes(text))
        self.expect(200, self.node, "GET", "/status")

    def test_a_condition_is_never_passed_over(self) -> None:
        """Headers that make no sense are refused, and not a write without its condition."""
        self.expect(204, self.node, "PUT", "/kv/held", b"kept")
        put = f"PUT /kv/held HTTP/1.1\r\nHost: {self.node.address}\r\n".encode()
        conditions = [
            b'If-Match: "1"\r\nIf-Match: "2"', b"If-None-Match: *\r\nIf-None-Match: *", b'If-Match : "1"', b'If-Match "1"',
            b'If-Match:\r\n "1"', b'If-Match\0: "1"', b"If-None-Match: %2a", b"If-Match: %221%22", b"If-Match",
        ]  # fmt: skip
        for condition in conditions:
            self.assertIn(self._say(put + condition + b"\r\nContent-Length: 1\r\n\r\nx"), range(400, 413), condition)
        for length in (b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length:", b"Content-Length: %31"):
            self.assertEqual(self._say(put + length + b"\r\n\r\nxx"), 400, length)
        self.assertEqual(self.expect(200, self.node, "GET", "/kv/held").body, b"kept")

    def _say(self, text: bytes) -> int:
        """The status of the answer; 0 when the server ends the connection without, or waits for more."""
        connection = self.connect(self.node)
        try:
            connection.socket.sendall(text)
            connection.socket.settimeout(0.2)
            answer = connection.socket.recv(1 << 16)
        except OSError:
            answer = b""
        connection.close()
        return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/") else 0


class Slow(WithCluster):
    @property
    def node(self) -> Node:
        return self.cluster.nodes[1]

    def test_slow_clients(self) -> None:
        """A request has 10 s, however lively it trickles in, and however often its connection was of use. So has a
        connection for its first one."""
        head = f"PUT /kv/slow HTTP/1.1\r\nHost: {self.node.address}\r\n".encode()
        began = time.monotonic()
        used = self.connect(self.node)
        self.assertEqual(used.request("GET", "/status").status, 200)
        slow = {
            "silence": (self.connect(self.node).socket, b""),
            "body": (self.connect(self.node).socket, head + b"Content-Length: 1000\r\n\r\n"),
            "headers": (self.connect(self.node).socket, head + b"X-Long: "),
            "first line": (self.connect(self.node).socket, b"G"),
            "second head": (used.socket, b"PUT /kv/"),
        }
        if TLS:
            host, _, port = self.node.address.rpartition(":")
            slow["handshake"] = (socket.create_connection((host, int(port))), client_hello()[:20])
            self.addCleanup(slow["handshake"][0].close)
        for to, first in slow.values():
            to.sendall(first)
            to.settimeout(0.01)
        ended = {}
        while len(ended) < len(slow) and time.monotonic() - began < 30:
            self.expect(200, self.node, "GET", "/status")
            for name, (to, first) in slow.items():
                if name not in ended and not self._trickle(to, first and b"\0"):
                    ended[name] = time.monotonic() - began
            time.sleep(0.5)
        self.assertEqual(sorted(ended), sorted(slow))
        for name, seconds in ended.items():
            self.assertTrue(9 < seconds < 30, (name, seconds))
        self.expect(404, self.node, "GET", "/kv/slow")

    def test_idle_connections(self) -> None:
        """They do not keep others from the service, and are of use later."""
        idle = []
        for _ in range(200):
            idle.append(self.connect(self.node))
            self.assertEqual(idle[-1].request("GET", "/kv/idle?stale=1").status, 404)
        began = time.monotonic()
        for _ in range(20):
            self.expect(204, self.node, "PUT", "/kv/busy", b"x")
        self.assertLess(time.monotonic() - began, 60)
        for connection in idle:
            self.assertEqual(connection.request("GET", "/kv/busy?stale=1").status, 200)

    def _trickle(self, to: socket.socket, more: bytes) -> bool:
        """Sends this too. False when the server has had enough of it, with an answer or without."""
        try:
            to.sendall(more)
            said = to.recv(1 << 16)
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        # Half of a line may well be called wrong by the time that it is found to be late.
        self.assertTrue(said == b"" or said.split(b" ")[1] in (b"408", b"400"), said)
        return False


@unittest.skipUnless(TLS, "only over TLS")
class Strangers(WithCluster):
    """Who does not belong here."""

    size = 3

    @property
    def node(self) -> Node:
        return self.cluster.nodes[1]

    def refused(self, tls: Optional[ssl.SSLContext]) -> None:
        """The server ends it before a request was sent."""
        try:
            connection = self.connect(self.node, tls)
            self.assertEqual(connection.socket.recv(1), b"")
        except TimeoutError:
            self.fail("the server waits for a request")
        except OSError:
            pass

    def raft(self, name: str, headers: str, body: bytes = b""):
        return self.connect(self.node, self.cluster.certificates.context(name)).request("POST", "/raft", body, headers)

    def test_no_certificate(self) -> None:
        self.refused(self.cluster.certificates.context(""))
        with socket.create_connection(self.node.address.split(":"), 10.0) as plain:
            plain.sendall(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1 200", plain.recv(1 << 16))
        self.expect(200, self.node, "GET", "/status")

    def test_another_authority(self) -> None:
        other = Certificates(self.cluster.directory / "other")
        for name in (CLIENT, node_name(2)):
            context = self.cluster.certificates.context("")
            context.load_cert_chain(*other.pair(name))
            self.refused(context)
        # And a server of another authority is refused by a client of this one.
        with self.assertRaises(NotSent):
            Connection(self.node.address, 10.0, other.context())

    def test_messages_only_from_the_node_that_is_named(self) -> None:
        message = heartbeat(2)
        self.assertEqual(self.raft(node_name(2), BARE, message).status, 204)
        for name in (CLIENT, node_name(3), node_name(1), "rft-node-02", "rft-node-2x", "xrft-node-2", "RFT-NODE-2"):
            self.assertEqual(self.raft(name, BARE, message).status, 403, name)
        self.assertEqual(self.raft(node_name(2), BARE.replace("From: 2", "From: 3"), message).status, 403)
        self.assertEqual(self.raft(node_name(2), BARE, heartbeat(3)).status, 400)
        self.assertEqual(self.raft(node_name(2), BARE.replace("ID: 1", "ID: 2"), message).status, 412)

    def test_a_node_asks_the_same_of_others(self) -> None:
        """A node whose certificate is of another authority neither hears nor is heard."""
        other = Certificates(self.cluster.directory / "other")
        newcomer = self.cluster.join(4)
        newcomer.kill()
        flags = other.flags(4)
        newcomer.run_with_flags(flags)
        newcomer.start()
        leader = self.cluster.nodes[self.node.status()["leader"]]
        self.expect(204, leader, "POST", "/members", f"add-learner 4={newcomer.address}".encode())
        self.expect(204, leader, "PUT", "/kv/secret", b"x")
        stranger = Connections(tls=other.context())
        self.addCleanup(stranger.close)
        wait_for("the stranger to answer", 60, lambda: self._status_of(stranger, newcomer))
        time.sleep(1)
        self.assertEqual(self._status_of(stranger, newcomer)["applied"], 0)
        self.expect(204, leader, "POST", "/members", b"remove 4")
        newcomer.kill()

    def _status_of(self, connections: Connections, node: Node):
        return json.loads(connections.request(node.address, "GET", "/status").body)
