"""What the tests of the HTTP routes share: a cluster for each class, and questions with the status to get."""

import os
import ssl
import unittest
from pathlib import Path
from typing import Optional

from cluster import DEFAULT_SERVER, Cluster, Node
from http_client import Connection, Connections

SERVER = Path(os.environ.get("SERVER", DEFAULT_SERVER))
TLS = os.environ.get("TLS") == "1"
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
        cls.cluster = Cluster(cls.size, FLAGS, SERVER, TLS).__enter__()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.wait_leader()

    def setUp(self) -> None:
        self.connections = Connections(tls=self.cluster.tls)
        self.addCleanup(self.connections.close)

    def connect(self, node: Node, tls: Optional[ssl.SSLContext] = None) -> Connection:
        """A connection of one's own, as a client unless told otherwise."""
        connection = Connection(node.address, 10.0, tls or self.cluster.tls)
        self.addCleanup(connection.close)
        return connection

    def ask(self, node: Node, method: str, path: str, body: bytes = b"", headers: str = ""):
        return self.connections.request(node.address, method, path, body, headers)

    def expect(self, status: int, node: Node, method: str, path: str, body: bytes = b"", headers: str = ""):
        response = self.ask(node, method, path, body, headers)
        self.assertEqual(response.status, status, response)
        return response
