"""What the tests of the HTTP routes share: a cluster for each class, and questions with the status to get."""

import atexit
import os
import ssl
import time
import unittest
from pathlib import Path
from typing import Optional

from cluster import DEFAULT_SERVER, Cluster, Node
from http_client import Connection, Connections, Response

SERVER = Path(os.environ.get("SERVER", DEFAULT_SERVER))
TLS = os.environ.get("TLS") == "1"
FLAGS = ["--segment-bytes", str(1 << 20)]
QUICK = ["--tick-ms", "20"]  # for a node alone, which has nobody to lose its office to
REFUSED_SECONDS = 60.0  # an election on a busy machine, and some more
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
        cls.cluster = Cluster(cls.size, FLAGS if cls.size > 1 else FLAGS + QUICK, SERVER, TLS)
        # A signal ends unittest without its cleanups.
        atexit.register(cls.cluster.close)
        cls.addClassCleanup(atexit.unregister, cls.cluster.close)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.__enter__()
        cls.cluster.wait_leader()

    def setUp(self) -> None:
        self.connections = Connections(tls=self.cluster.tls)
        self.addCleanup(self.connections.close)

    def connect(self, node: Node, tls: Optional[ssl.SSLContext] = None) -> Connection:
        """A connection of one's own, as a client unless told otherwise."""
        connection = Connection(node.address, 10.0, tls or self.cluster.tls)
        self.addCleanup(connection.close)
        return connection

    def ask(self, node: Node, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
        return self.connections.request(node.address, method, path, body, headers)

    def expect(self, status: int, node: Node, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
        response = certain(self.connections, node, method, path, body, headers)
        self.assertEqual(response.status, status, response)
        return response


def certain(connections: Connections, node: Node, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
    """What is answered, asked again while that is 503: nothing was done then, for certain, as when a machine stood still
    for so long that its leader lost its office. A read may be asked again as well when nobody can tell."""
    again = (503, 504) if method == "GET" else (503,)
    deadline = time.monotonic() + REFUSED_SECONDS
    while True:
        response = connections.request(node.address, method, path, body, headers)
        if response.status not in again or time.monotonic() > deadline:
            return response
        time.sleep(0.01)
