"""A network of its own for each node: a namespace with one cable to a bridge, over which clients and nodes reach it.
Packets are lost by rules of nftables inside of the namespaces, so that clients always get through."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Union

from cluster import Cluster, Failure, Node

PORT = 7000
PROXY_PORT = 9000  # plus the id of the node that is meant
HERE = Path(__file__).resolve().parent


def run(*command: str, text: Optional[str] = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """`with Network(...) as network`: what it makes is gone when it closes, whatever happens inside."""

    def __init__(self, seed: int):
        self._tag = f"{os.getpid() % 0x10000:04x}"
        self._bridge = f"rft{self._tag}"
        self._seed = seed
        self._subnet = free_subnet()
        self._cables: Dict[int, str] = {}
        self._proxies: Dict[int, subprocess.Popen] = {}
        self.has_rate = self.has_proxies = True

    def __enter__(self) -> "Network":
        try:
            run("ip", "link", "add", self._bridge, "type", "bridge")
            run("ip", "addr", "add", f"{self._subnet}.254/24", "dev", self._bridge)
            run("ip", "link", "set", self._bridge, "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for proxy in self._proxies.values():
            proxy.kill()
            proxy.wait()
        # What was not made cannot be removed. A namespace goes later than its name, and takes a cable's end with it.
        for name in [*self._cables.values(), self._bridge]:
            subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
        for name in self._cables.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def namespace(self, node_id: int) -> str:
        return f"rft{self._tag}-{node_id}"

    def address(self, node_id: int) -> str:
        return f"{self._subnet}.{node_id}"

    def plug_in(self, node_id: int) -> None:
        """Makes the node's namespace."""
        name = self.namespace(node_id)
        self._cables[node_id] = name
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", name, "master", self._bridge, "up")
        run("ip", "-n", name, "addr", "add", f"{self.address(node_id)}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")

    def unplug(self, node_id: int) -> None:
        """Removes the node's namespace; nothing runs in it any more."""
        proxy = self._proxies.pop(node_id, None)
        if proxy is not None:
            proxy.kill()
            proxy.wait()
        run("ip", "link", "del", self._cables[node_id])
        run("ip", "netns", "del", self._cables.pop(node_id))

    # ---- faults ----

    def rules(self, node_id: int, into: Iterable[str] = (), out_of: Iterable[str] = ()) -> None:
        """These rules, in place of the ones before, hold for what comes to the node and what leaves it."""
        chains = [("in", "input", into), ("out", "output", out_of)]
        text = "add table ip faults\ndelete table ip faults\ntable ip faults {\n"
        for name, hook, lines in chains:
            text += f"  chain {name} {{\n    type filter hook {hook} priority 0\n"
            text += "".join(f"    {line}\n" for line in lines) + "  }\n"
        self._nft(node_id, text + "}\n")

    def lose_from(self, node_ids: Iterable[int], percent: int = 100) -> List[str]:
        """For `rules`: what comes from these nodes is lost, always or often."""
        chance = "" if percent >= 100 else f"numgen random mod 100 < {percent} "
        return [f"ip saddr {self.address(other)} {chance}drop" for other in node_ids]

    def lose_to(self, node_ids: Iterable[int]) -> List[str]:
        """For `rules`: what goes to these nodes is lost."""
        return [f"ip daddr {self.address(other)} drop" for other in node_ids]

    def lose_calls_to(self, node_ids: Iterable[int]) -> List[str]:
        """For `rules`: the node cannot speak to these, and hears what they say to it."""
        return [f"ip daddr {self.address(other)} tcp dport {PORT} drop" for other in node_ids]

    def slow_down(self, node_id: int, kbit: int) -> None:
        """The node's cable carries so little in one direction; 0 is as much as it can."""
        device = ("dev", "eth0", "root")
        if kbit == 0:
            run("tc", "-n", self.namespace(node_id), "qdisc", "del", *device)
        else:
            shape = ("tbf", "rate", f"{kbit}kbit", "burst", "16kb", "latency", "100ms")
            run("tc", "-n", self.namespace(node_id), "qdisc", "replace", *device, *shape)

    def be_late(self, node_id: int, latest_ms: int, double: int, lost: int) -> None:
        """What the node says arrives up to so much later, in another order, some of it twice or never."""
        proxy = self._proxies[node_id]
        proxy.stdin.write(f"{latest_ms} {double} {lost}\n".encode())
        proxy.stdin.flush()

    def heal(self, node_id: int) -> None:
        self.rules(node_id)
        if node_id in self._proxies:
            self.be_late(node_id, 0, 0, 0)

    def start_proxy(self, node_id: int, members: Dict[int, str]) -> None:
        """Leads what the node says to these members through a proxy."""
        name = self.namespace(node_id)
        others = [f"{other}={address}" for other, address in members.items() if other != node_id]
        command = ["ip", "netns", "exec", name, sys.executable, str(HERE / "late_proxy.py"), str(self._seed + node_id)]
        proxy = subprocess.Popen(
            command + [str(PROXY_PORT)] + others,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._proxies[node_id] = proxy
        if proxy.stdout.readline() != b"ready\n":
            raise Failure(f"the proxy of node {node_id} does not start")
        lines = "".join(
            f"    ip daddr {address.partition(':')[0]} tcp dport {PORT} meta mark != 7 redirect to :{PROXY_PORT + other}\n"
            for other, address in members.items()
            if other != node_id
        )
        self._redirect(node_id, lines)

    def _redirect(self, node_id: int, lines: str) -> None:
        chain = f"  chain out {{\n    type nat hook output priority -100\n{lines}  }}\n"
        self._nft(node_id, f"table ip late {{\n{chain}}}\n")

    def _nft(self, node_id: int, text: str) -> None:
        run("ip", "netns", "exec", self.namespace(node_id), "nft", "-f", "-", text=text)

    # ---- what this machine can do ----

    def probe(self, node_id: int) -> List[str]:
        """Tries the means in a namespace; what is missing, in words."""
        missing = []
        try:
            self.slow_down(node_id, 1000)
            self.slow_down(node_id, 0)
        except (Failure, OSError):
            self.has_rate = False
            missing.append("slow cables (no tc with tbf)")
        try:
            self._redirect(node_id, "    tcp dport 1 redirect to :2\n")
            self._nft(node_id, "delete table ip late\n")
        except (Failure, OSError):
            self.has_proxies = False
            missing.append("late messages (no redirect in nftables)")
        return missing


def free_subnet() -> str:
    """Three bytes of a network that this machine does not know, out of those for measuring."""
    known = run("ip", "-4", "route")
    while True:
        subnet = f"198.{random.randrange(18, 20)}.{random.randrange(256)}"
        if subnet not in known:
            return subnet


class NetCluster(Cluster):
    """A cluster whose nodes have a namespace each."""

    def __init__(
        self,
        network: Network,
        size: int,
        flags: List[str],
        server: Union[Path, List[Path]],
        tls: bool = False,
        shim: Optional[Path] = None,
    ):
        self.network = network
        super().__init__(size, flags, server, tls, shim)

    def _new_address(self) -> str:
        self._ports.append(PORT)
        return f"{self.network.address(len(self._ports))}:{PORT}"

    def _add(self, node_id: int, addresses: Dict[int, str], more: List[str], server: Optional[Path] = None) -> Node:
        self.network.plug_in(node_id)
        node = super()._add(node_id, addresses, more, server)
        node.run_in(["ip", "netns", "exec", self.network.namespace(node_id)])
        return node
