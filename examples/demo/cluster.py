"""Processes of a cluster on loopback: start, kill, ask, wait; all ended when the cluster closes."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, TypeVar, Union

from certificates import Certificates
from http_client import Client, Connection, Connections

HERE = Path(__file__).resolve().parent
DEFAULT_SERVER = HERE.parent / "kv-c" / "build" / "kv-c"
T = TypeVar("T")


class Failure(Exception):
    """What was promised does not hold; the text says what."""


def wait_for(what: str, seconds: float, look: Callable[[], Optional[T]]) -> T:
    """Looks until there is something to see. OSErrors count as nothing: a node may be down for a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except OSError:
            seen = None
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(0.005)


def free_port(taken: List[int]) -> int:
    """A port below the range from which the kernel picks clients' ports: nobody takes it while a node is down."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            taken.append(port)
            return port


class Node:
    """One node: a directory, an address, and a process while it runs."""

    def __init__(
        self,
        node_id: int,
        address: str,
        command: List[str],
        directory: Path,
        log: Path,
        tls: Optional[ssl.SSLContext] = None,
    ):
        self.id = node_id
        self.address = address
        self.directory = directory
        self.server = Path(command[0])
        self._prefix: List[str] = []
        self._arguments = command[1:]
        self._log = log
        self._log_start = 0
        self.paused = False
        self.fault_file = Path()  # for a disk that fails
        self._process: Optional[subprocess.Popen] = None
        self._tls = tls
        self._connections = Connections(tls=tls)

    def start(self) -> None:
        with open(self._log, "ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def _command(self) -> List[str]:
        return [*self._prefix, str(self.server), *self._arguments]

    @property
    def program(self) -> str:
        """Which of the hosts it is, for instance kv-c."""
        return self.server.name

    def run_by(self, server: Path) -> None:
        """From the next start on, this program runs it, on the same directory."""
        self.server = server

    @property
    def running(self) -> bool:
        return self._process is not None

    def check_alive(self) -> None:
        """A process that has ended by itself is a failure."""
        if self._process is not None and self._process.poll() is not None:
            raise Failure(f"node {self.id} ended by itself, code {self._process.returncode}:\n{self.log_tail()}")

    def kill(self) -> None:
        """kill -9"""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.paused = False
        self._connections.close()

    def pause(self) -> None:
        """SIGSTOP: the process stands still, and does not know it."""
        if self._process is not None:
            self.paused = True
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT"""
        if self._process is not None:
            self.paused = False
            self._process.send_signal(signal.SIGCONT)

    def stop(self, seconds: float = 20.0) -> None:
        """SIGTERM: it has to end by itself, well and in time."""
        process, self._process = self._process, None
        self._connections.close()
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)  # one that stands still does not hear of it
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"node {self.id} did not stop within {seconds:g} s:\n{self.log_tail()}") from None
        # A program that has only just been started may not have come to hear signals yet.
        if code != 0 and not (code == -signal.SIGTERM and not self.has_said(" answers on ")):
            raise Failure(f"node {self.id} stopped with code {code}:\n{self.log_tail()}")

    def run_beside(self, flags: List[str]) -> subprocess.CompletedProcess:
        """A second process on the same directory, which has to end by itself."""
        command = self._command + flags
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def status(self, with_hash: bool = False) -> dict:
        self.check_alive()
        path = "/status" if with_hash else "/status?hash=0"
        response = self._connections.request(self.address, "GET", path)
        if response.status != 200:
            raise Failure(f"node {self.id}: GET {path} answered {response.status}")
        status = json.loads(response.body)
        if status["failure"] != "RFT_OK":
            raise Failure(f"node {self.id} has failed: {status['failure']}\n{self.log_tail()}")
        return status

    def post(self, path: str, body: bytes = b""):
        return self._connections.request(self.address, "POST", path, body)

    def request(self, method: str, path: str, body: bytes = b""):
        """Asks this node, whatever state it is in."""
        return self._connections.request(self.address, method, path, body)

    def connect(self, timeout: float) -> Connection:
        """A connection of one's own."""
        return Connection(self.address, timeout, self._tls)

    def run_in(self, prefix: List[str]) -> None:
        """From the next start on, this command runs it; it has to become the server, not to start it."""
        self._prefix = prefix + self._prefix

    def stand_still(self, still: bool) -> None:
        """SIGSTOP, or SIGCONT"""
        if still:
            self.pause()
        else:
            self.resume()

    def run_with_flags(self, flags: List[str]) -> None:
        """From the next start on, with these too: the last of a kind counts."""
        self._arguments = self._arguments + flags

    def run_with(self, environment: Dict[str, str]) -> None:
        """From the next start on, its environment has these too."""
        # `env` becomes the server, which so stays the child of this process.
        self._prefix = ["env"] + [f"{name}={value}" for name, value in environment.items()] + self._prefix

    def disk_fault(self, text: Optional[str]) -> None:
        """From now on its disk fails like this; None is not at all. disk_fault.c tells the words."""
        if text is None:
            self.fault_file.unlink(missing_ok=True)
            return
        self._hit_file.unlink(missing_ok=True)
        # Renamed into place: the node must not read half of it.
        draft = self.fault_file.with_suffix(".tmp")
        draft.write_text(f"{text}\n")
        draft.rename(self.fault_file)

    @property
    def _hit_file(self) -> Path:
        return self.fault_file.with_suffix(".hit")

    def disk_has_failed(self) -> bool:
        """Whether the fault has come about since it was told."""
        return self._hit_file.exists()

    def has_said(self, text: str) -> bool:
        """Whether this is in the log of the process, or of the last one that there was."""
        with open(self._log, "rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read()

    def log_tail(self, lines: int = 15) -> str:
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


class Cluster:
    """`with Cluster(...) as cluster`: its processes end and its files go, whatever happens inside.
    KEEP=1 in the environment keeps the files. `tls`: all speak HTTPS, with certificates of their own.

    `server` is the program of every node, or a list of programs: each node has the next of them, and behind the last
    comes the first again. `shim` is disk_fault.c as a shared library: disks then fail when they are told to."""

    def __init__(
        self,
        size: int,
        flags: List[str],
        server: Union[Path, List[Path]] = DEFAULT_SERVER,
        tls: bool = False,
        shim: Optional[Path] = None,
    ):
        self._servers = [server] if isinstance(server, Path) else server
        for program in self._servers:
            if not program.exists():
                raise Failure(f"{program} is not there: build it first (make demo does)")
        self.directory = Path(tempfile.mkdtemp(prefix="rft-"))
        self.certificates = Certificates(self.directory / "tls") if tls else None
        self.tls = self.certificates.context() if self.certificates else None
        self.nodes: Dict[int, Node] = {}
        self._flags = flags
        self._shim = shim
        self._ports: List[int] = []
        first = {node_id: self._new_address() for node_id in range(1, size + 1)}
        for node_id in first:
            self._add(node_id, first, [])

    def __enter__(self) -> "Cluster":
        try:
            for node in self.nodes.values():
                node.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
        if os.environ.get("KEEP") == "1":
            print(f"kept: {self.directory}", flush=True)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def has_disk_faults(self) -> bool:
        return self._shim is not None

    def next_id(self) -> int:
        """The id that `join` may use: addresses are given in that order."""
        return len(self._ports) + 1

    def join(self, node_id: int, server: Optional[Path] = None) -> Node:
        """Starts a node that waits to be added, run by this program or by the one whose turn it is."""
        addresses = {node.id: node.address for node in self.nodes.values()}
        addresses[node_id] = self._new_address()
        node = self._add(node_id, addresses, ["--join"], server)
        node.start()
        return node

    def forget(self, node_id: int) -> None:
        """Stops a node that is no member any more."""
        self.nodes.pop(node_id).stop()

    @property
    def running(self) -> List[Node]:
        return [node for node in self.nodes.values() if node.running]

    def client(self) -> Client:
        return Client([node.address for node in self.nodes.values()], tls=self.tls)

    def wait_leader(self, seconds: float = 60.0) -> Node:
        """The node that leads, once all running ones agree on it."""

        def look() -> Optional[Node]:
            seen = [node.status() for node in self.running]
            leaders = {(status["term"], status["leader"]) for status in seen}
            if len(leaders) != 1 or seen[0]["leader"] == 0:
                return None
            leader = self.nodes.get(seen[0]["leader"])
            return leader if leader is not None and leader.running else None

        return self._wait_for("a leader that all nodes know", seconds, look)

    def hand_over(self, leader: Node, target: Node, seconds: float = 2.0) -> bool:
        """One try to have `target` lead in place of `leader`. It may be in vain: 202 says that leadership is on its
        way, and it does not get there when the target is not caught up, or a vote goes elsewhere."""
        if leader.post(f"/transfer/{target.id}").status != 202:
            return False
        try:
            return wait_for("the new leader", seconds, lambda: target.status()["role"] == "leader")
        except Failure:
            return False

    def have_lead(self, target: Node, seconds: float = 60.0) -> None:
        """Hands leadership over, as often as it takes."""

        def look() -> bool:
            leader = self.wait_leader(seconds)
            if leader is not target:
                self.hand_over(leader, target)
            return leader is target

        self._wait_for(f"node {target.id} to lead", seconds, look)

    def wait_agreement(self, seconds: float = 60.0) -> Dict[int, dict]:
        """Waits until all running nodes have applied the same index; the hashes must agree there.
        Nobody may write meanwhile."""

        def look() -> Optional[Dict[int, dict]]:
            seen = {node.id: node.status(with_hash=True) for node in self.running}
            last = max(status["last_index"] for status in seen.values())
            if any(status["applied"] != last for status in seen.values()):
                return None
            return seen if len({status["state"]["applied"] for status in seen.values()}) == 1 else None

        seen = self._wait_for("all nodes at the same applied index", seconds, look)
        hashes = {status["state"]["hash"] for status in seen.values()}
        if len(hashes) != 1:
            raise Failure(f"state hashes differ at the same applied index: {hash_table(seen)}")
        return seen

    def _wait_for(self, what: str, seconds: float, look: Callable[[], Optional[T]]) -> T:
        """As `wait_for`. A failure tells what the nodes say."""
        try:
            return wait_for(what, seconds, look)
        except Failure as failure:
            raise Failure("\n".join([str(failure), *self._tell()])) from None

    def _tell(self) -> Iterator[str]:
        """What each running node says of itself, and the end of its log."""
        for node in self.running:
            try:
                status = json.dumps(node.status())
            except (OSError, Failure) as error:
                status = str(error)
            yield f"node {node.id}: {status}\n{node.log_tail()}"

    def _add(self, node_id: int, addresses: Dict[int, str], more: List[str], server: Optional[Path] = None) -> Node:
        members = ",".join(f"{other}={address}" for other, address in addresses.items())
        directory = self.directory / f"node{node_id}"
        server = server or self._servers[(node_id - 1) % len(self._servers)]
        command = [str(server), "--id", str(node_id), "--cluster", members, "--dir", str(directory)]
        if self.certificates:
            command += self.certificates.flags(node_id)
        log = self.directory / f"node{node_id}.log"
        node = Node(node_id, addresses[node_id], command + self._flags + more, directory, log, self.tls)
        if self._shim is not None:
            node.fault_file = self.directory / f"fault{node_id}"
            node.run_with({"LD_PRELOAD": str(self._shim.resolve()), "DISK_FAULT": str(node.fault_file)})
        self.nodes[node_id] = node
        return node

    def _new_address(self) -> str:
        return f"127.0.0.1:{free_port(self._ports)}"


def hash_table(seen: Dict[int, dict]) -> str:
    return ", ".join(f"node {node_id} {status['state']}" for node_id, status in seen.items())


def end_on_signals() -> None:
    """SIGTERM and SIGHUP end the program the way ^C does, through every `with` and `finally`. The first one
    counts: the ones behind it must not interrupt the clearing up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, end)
