"""A node as a process: what a client may take of it, and how it ends."""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kv.server import CONNECTIONS_MAX

PATIENCE = 20.0


class Running:
    """A cluster of one node."""

    def __init__(self, directory: Path, *before: str) -> None:
        """The lines in `before` are run before the program's own."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        node = [
            "--id",
            "1",
            "--cluster",
            f"1=127.0.0.1:{self.port}",
            "--dir",
            str(directory),
            "--tick-ms",
            "20",
        ]
        lines = "\n".join([*before, "from kv.__main__ import main", "raise SystemExit(main())"])
        self.process = subprocess.Popen([sys.executable, "-c", lines, *node], cwd=Path(__file__).parents[1])

    def open(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def leads(self) -> bool:
        with contextlib.closing(self.open()) as connection, contextlib.suppress(OSError):
            return bool(ask(connection, "GET", "/status")[1]["role"] == "leader")
        return False


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, dict[str, object]]:
    connection.request(method, path, headers={} if method == "GET" else {"Content-Length": "0"})
    answer = connection.getresponse()
    body = answer.read()
    return answer.status, json.loads(body) if body.startswith(b"{") else {}


def skip(what: str) -> None:
    """Also into the file that RFT_SKIPPED names."""
    if "RFT_SKIPPED" in os.environ:
        with open(os.environ["RFT_SKIPPED"], "a") as file:
            file.write(f"skipped: {what}\n")
    pytest.skip(what)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    with run(tmp_path / "node") as running:
        yield running


@contextlib.contextmanager
def run(directory: Path, *before: str) -> Iterator[Running]:
    running = Running(directory, *before)
    try:
        deadline = time.monotonic() + PATIENCE
        while not running.leads():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_more_connections_than_there_may_be_stop_nothing(node: Running) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most[1] < CONNECTIONS_MAX + 200:
        skip("more connections to kv-python than there may be: this process may not open as many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
    with contextlib.closing(node.open()) as kept, contextlib.ExitStack() as stack:
        assert ask(kept, "PUT", "/kv/a")[0] == 204
        for _ in range(CONNECTIONS_MAX + 100):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), PATIENCE))
        for _ in range(10):
            assert ask(kept, "PUT", "/kv/a")[0] == 204
        assert ask(kept, "GET", "/status")[1]["failure"] == "RFT_OK"
        stack.close()
        assert node.leads()
    resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_a_head_without_an_end_is_refused(node: Running) -> None:
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE) as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(bytes(4096).replace(b"\0", b"x"))
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(4096):
                answer += piece
        assert answer == b"" or answer.split()[1] == b"400"
    assert node.leads()


def test_who_asks_for_more_than_he_takes_is_not_waited_for(node: Running) -> None:
    with contextlib.closing(node.open()) as kept:
        kept.request("PUT", "/kv/big", bytes(4 << 20))
        assert kept.getresponse().status == 204
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE) as connection:
        connection.sendall(b"GET /kv/big HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        assert node.leads()
        ended = time.monotonic()
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(PATIENCE) == 0
        assert time.monotonic() - ended < 10


def test_who_does_not_take_his_answer_loses_his_connection(tmp_path: Path) -> None:
    with run(tmp_path / "node", "import kv.server", "kv.server.IDLE_SECONDS = 2") as node:
        with contextlib.closing(node.open()) as kept:
            kept.request("PUT", "/kv/big", bytes(4 << 20))
            assert kept.getresponse().status == 204
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", node.port))
            connection.sendall(b"GET /kv/big HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(5)
            taken = 0
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(1 << 16):
                    taken += len(piece)
                    assert taken < 4 << 20
        assert node.leads()


def test_it_ends_well_when_it_is_asked_to(node: Running) -> None:
    with contextlib.closing(node.open()) as idle:
        assert ask(idle, "GET", "/status")[0] == 200
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(PATIENCE) == 0
