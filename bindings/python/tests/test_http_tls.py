"""The transport under TLS: who has no certificate, or that of another node, is not heard."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import rft
import rft.http
import trustme
from conftest import quick
from story import Commands, wait_for

GOOD = {"X-Etcd-Cluster-ID": "1", "X-Server-From": "2", "Content-Type": rft.http.FRAMES}


class Authority:
    """Makes certificates as files, and what is made of them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir()
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(root / "ca.pem")

    def contexts(self, common_name: str, host: str = "127.0.0.1") -> rft.http.Contexts:
        made = self._authority.issue_cert(host, common_name=common_name)
        certificate, key = (self._root / f"{common_name}.{end}" for end in ("pem", "key"))
        made.cert_chain_pems[0].write_to_path(certificate)
        made.private_key_pem.write_to_path(key)
        return rft.http.Contexts.load(self._root / "ca.pem", certificate, key)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def transport(id: int, contexts: rft.http.Contexts | None) -> rft.http.Transport:
    return rft.http.Transport(id, 1, ("127.0.0.1", 0), tls=contexts)


def test_three_nodes_agree(authority: Authority, tmp_path: Path) -> None:
    transports = {id: transport(id, authority.contexts(f"rft-node-{id}")) for id in (1, 2, 3)}
    for own in transports.values():
        for id, peer in transports.items():
            own.add_peer(id, f"127.0.0.1:{peer.port}")
    machines = {id: Commands() for id in transports}
    engines = [
        rft.Engine(quick(id, (1, 2, 3)), tmp_path / str(id), machines[id], own)
        for id, own in transports.items()
    ]
    try:
        wait_for(lambda: all(engine.status().leader for engine in engines))
        for number in range(30):
            engines[number % 3].propose(b"%d" % number)
        wait_for(lambda: all(len(machine.held) == 30 for machine in machines.values()))
    finally:
        for engine in engines:
            engine.close()


@pytest.fixture
def listening(authority: Authority, tmp_path: Path) -> Iterator[str]:
    """Where a node listens that has two more members."""
    own = transport(1, authority.contexts("rft-node-1"))
    with rft.Engine(quick(voters=(1, 2, 3)), tmp_path / "1", Commands(), own):
        yield f"https://127.0.0.1:{own.port}/raft"


def post(url: str, contexts: rft.http.Contexts, headers: dict[str, str]) -> int:
    with httpx.Client(verify=contexts.client) as client:
        return client.post(url, content=b"", headers=headers).status_code


def test_messages_come_only_from_whom_the_certificate_names(authority: Authority, listening: str) -> None:
    assert post(listening, authority.contexts("rft-node-2"), GOOD) == 204
    for name in ("rft-node-3", "rft-node-02", "rft-node-", "somebody"):
        assert post(listening, authority.contexts(name), GOOD) == 403
    # Hex in the header, decimal in the name.
    assert post(listening, authority.contexts("rft-node-16"), GOOD | {"X-Server-From": "10"}) == 204
    assert post(listening, authority.contexts("rft-node-2"), GOOD | {"X-Etcd-Cluster-ID": "2"}) == 412


def test_who_has_no_certificate_of_the_authority_is_not_answered(
    authority: Authority, listening: str, tmp_path: Path
) -> None:
    bare = ssl.create_default_context(cafile=tmp_path / "authority" / "ca.pem")
    foreign = Authority(tmp_path / "foreign").contexts("rft-node-2").client
    foreign.load_verify_locations(tmp_path / "authority" / "ca.pem")
    for context in (bare, foreign):
        with httpx.Client(verify=context) as client, pytest.raises(httpx.TransportError):
            client.post(listening, content=b"", headers=GOOD)
    with httpx.Client() as client, pytest.raises(httpx.TransportError):
        client.post(listening.replace("https", "http"), content=b"", headers=GOOD)
    assert post(listening, authority.contexts("rft-node-2"), GOOD) == 204


def test_a_client_that_is_silent_holds_up_nobody(authority: Authority, listening: str) -> None:
    where = httpx.URL(listening)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection((where.host, where.port or 0)))
        assert post(listening, authority.contexts("rft-node-2"), GOOD) == 204


def test_a_node_speaks_to_nobody_under_another_name(authority: Authority, tmp_path: Path) -> None:
    # Its certificate is for another host than the one it is reached at.
    other = transport(2, authority.contexts("rft-node-2", "elsewhere.example"))
    own = transport(1, authority.contexts("rft-node-1"))
    own.add_peer(2, f"127.0.0.1:{other.port}")
    reported: set[int] = set()

    class Counting(rft.Engine):
        def report_unreachable(self, id: int, /) -> None:
            reported.add(id)
            super().report_unreachable(id)

    with (
        Counting(quick(voters=(1, 2)), tmp_path / "1", Commands(), own) as engine,
        rft.Engine(quick(2, (1, 2)), tmp_path / "2", Commands(), other) as deaf,
    ):
        engine.campaign()
        wait_for(lambda: reported == {2})
        assert deaf.status().leader == 0


def test_without_tls_the_name_does_not_matter() -> None:
    class Engine:
        def step(self, message: bytes, /) -> None: ...

        def step_many(
            self, messages: list[bytes], /, peer: int | None = None
        ) -> list[tuple[int, rft.RaftError]]:
            return []

        def report_unreachable(self, id: int, /) -> None: ...

    headers = GOOD | {"Content-Length": "0"}
    assert rft.http.Inbound(Engine(), 1).take(headers, b"") == (204, "")
    # A server that tells no name has asked nobody for one.
    assert rft.http.Inbound(Engine(), 1, tls=True).take(headers, b"")[0] == 403
    assert rft.http.Inbound(Engine(), 1, tls=True).take(headers, b"", "rft-node-2") == (204, "")
