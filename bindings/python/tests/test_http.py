"""The transport over HTTP."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import rft
import rft._http_server
import rft.http
from conftest import quick
from story import Commands, wait_for


class Group:
    """Three nodes that know each other by HTTP."""

    def __init__(self, root: Path) -> None:
        self.transports = {id: rft.http.Transport(id, 1, ("127.0.0.1", 0)) for id in (1, 2, 3)}
        for transport in self.transports.values():
            for id, peer in self.transports.items():
                transport.add_peer(id, f"127.0.0.1:{peer.port}")
        self.machines = {id: Commands() for id in self.transports}
        self.engines = {
            id: rft.Engine(
                rft.Config(id=id, voters=(1, 2, 3), tick_interval_ms=30, segment_bytes=1 << 20),
                root / str(id),
                self.machines[id],
                transport,
            )
            for id, transport in self.transports.items()
        }

    def url(self, id: int) -> str:
        return f"http://127.0.0.1:{self.transports[id].port}/raft"


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    group = Group(tmp_path)
    try:
        yield group
    finally:
        for engine in group.engines.values():
            engine.close()


def test_three_nodes_agree(group: Group) -> None:
    engines = group.engines
    wait_for(lambda: all(engine.status().leader for engine in engines.values()))
    for number in range(30):
        engines[1 + number % 3].propose(b"%d" % number)
    engines[2].propose_many([b"x" * 10_000] * 200, timeout=30)
    wait_for(lambda: all(len(machine.held) == 230 for machine in group.machines.values()))
    leader = engines[1].status().leader
    engines.pop(leader).close()
    wait_for(lambda: all(engine.status().leader not in (0, leader) for engine in engines.values()))
    assert next(iter(engines.values())).propose(b"goes on").answer == b"231"


GOOD = {"X-Etcd-Cluster-ID": "1", "X-Server-From": "2", "Content-Type": rft.http.ONE}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"X-Etcd-Cluster-ID": "2"}, b"", 412),
        ({"X-Etcd-Cluster-ID": ""}, b"", 412),
        ({"X-Etcd-Cluster-ID": "g"}, b"", 412),
        ({"X-Etcd-Cluster-ID": "1" * 17}, b"", 412),
        ({"X-Server-From": "x"}, b"", 400),
        ({"X-Server-From": "0"}, b"", 400),
        ({}, b"junk", 400),
        ({}, b"", 400),
        ({"Content-Type": rft.http.FRAMES}, b"\x00" * 7, 400),
        ({"Content-Type": rft.http.FRAMES}, b"\xff" * 9, 400),
        ({"Content-Type": rft.http.FRAMES}, b"", 204),
        ({"Content-Length": "99999999999"}, b"", 413),
        ({"Content-Length": "-1"}, b"", 411),
    ],
)
def test_what_is_not_from_a_peer_is_refused(group: Group, headers: Any, body: bytes, status: int) -> None:
    with httpx.Client() as client:
        if "Content-Length" in headers:
            assert raw(group, GOOD | headers) == status
        else:
            assert client.post(group.url(1), content=body, headers=GOOD | headers).status_code == status
        assert client.get(group.url(1)).status_code == 501
        assert client.post(group.url(1) + "/more", headers=GOOD).status_code == 404


def raw(group: Group, headers: dict[str, str]) -> int:
    """A request whose body never comes."""
    with socket.create_connection(("127.0.0.1", group.transports[1].port), timeout=10) as connection:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(["POST /raft HTTP/1.1", "Host: x", *lines, "", ""]).encode())
        return int(connection.recv(4096).split()[1])


def test_a_chunked_body_is_refused_before_it_is_read(group: Group) -> None:
    with httpx.Client() as client:
        response = client.post(group.url(1), content=iter([b"junk"]), headers=GOOD)
        assert response.status_code == 411


def test_whose_name_is_in_the_headers_does_not_speak_for_another(group: Group) -> None:
    with httpx.Client() as client:
        for sender, status in ((2, 204), (3, 400)):
            heartbeat = bytes([8, 8, 16, 1, 24, sender, 32, 0])
            assert client.post(group.url(1), content=heartbeat, headers=GOOD).status_code == status


def test_a_request_that_drips_in_is_cut_off(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rft._http_server, "_REQUEST_SECONDS", 0.3)
    for sent in (b"POST /raft HTTP/1.1\r\nHost: x", good_head(100)):
        with socket.create_connection(("127.0.0.1", group.transports[1].port), timeout=10) as connection:
            connection.sendall(sent)
            connection.settimeout(0.05)
            began = time.monotonic()
            while not has_ended(connection):
                assert time.monotonic() < began + 5
                # Each byte alone comes soon enough.
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")


def good_head(length: int) -> bytes:
    lines = [f"{name}: {value}" for name, value in (GOOD | {"Content-Length": str(length)}).items()]
    return "\r\n".join(["POST /raft HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_one_bare_message_and_many_in_frames_are_understood() -> None:
    taken: list[bytes] = []

    class Engine:
        def step(self, message: bytes, /) -> None: ...

        def step_many(
            self, messages: list[bytes], /, peer: int | None = None
        ) -> list[tuple[int, rft.RaftError]]:
            taken.extend(messages)
            return []

        def report_unreachable(self, id: int, /) -> None: ...

    inbound = rft.http.Inbound(Engine(), 0xABC)
    headers = {"X-Etcd-Cluster-ID": "ABC", "X-Server-From": "f", "Content-Length": "1"}
    assert inbound.take(headers, b"one") == (204, "")
    frames = b"".join(len(message).to_bytes(8, "big") + message for message in (b"two", b"", b"three"))
    assert inbound.take(headers | {"Content-Type": rft.http.FRAMES}, frames) == (204, "")
    assert taken == [b"one", b"two", b"", b"three"]


def test_a_peer_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # Bound and not listening: whoever connects is refused.
        port = taken.getsockname()[1]
        transport = rft.http.Transport(
            1, 1, None, {1: "ignored", 2: f"http://127.0.0.1:{port}/", 3: "not a url:x", 5: "no..name:1"}
        )
        assert transport.port == 0
        reported: set[int] = set()

        class Counting(rft.Engine):
            def report_unreachable(self, id: int, /) -> None:
                reported.add(id)
                super().report_unreachable(id)

        with Counting(quick(voters=(1, 2, 3, 4, 5)), tmp_path, Commands(), transport) as engine:
            engine.campaign()
            wait_for(lambda: reported == {2, 3, 4, 5})
            transport.remove_peer(2)
            transport.remove_peer(2)
            assert engine.status().failure is None


def test_a_transport_that_was_stopped_is_not_started_again(tmp_path: Path) -> None:
    transport = rft.http.Transport(1, 1, ("127.0.0.1", 0), {})
    rft.Engine(quick(), tmp_path, Commands(), transport).close()
    with pytest.raises(rft.MisuseError, match="was stopped"):
        rft.Engine(quick(), tmp_path, Commands(), transport)
    with rft.Engine(quick(), tmp_path, Commands()):
        pass


def test_a_port_that_is_taken_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            rft.http.Transport(1, 1, taken.getsockname())
