"""Certificates for a cluster on loopback, made by the program `openssl`: an authority, one for each node, one for
clients, and ones that must be refused."""

import ssl
import subprocess
from pathlib import Path
from typing import List, NamedTuple

CLIENT = "client"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
HERE = "subjectAltName=IP:127.0.0.1,DNS:localhost"
BOTH_SIDES = "extendedKeyUsage=serverAuth,clientAuth"


class Pair(NamedTuple):
    certificate: Path
    key: Path


def node_name(node_id: int) -> str:
    """The common name that a node must have."""
    return f"rft-node-{node_id}"


class Certificates:
    """An authority in a directory, and what it signs, made when it is first asked for."""

    def __init__(self, directory: Path, authority: str = "authority"):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._authority = self._pair(authority)
        if not self._authority.key.exists():
            self._make(self._authority, authority, ["-addext", "basicConstraints=critical,CA:TRUE"])

    @property
    def authority(self) -> Path:
        return self._authority.certificate

    def pair(self, name: str) -> Pair:
        """Certificate and key for this common name, valid at 127.0.0.1 and localhost."""
        pair = self._pair(name)
        if not pair.key.exists():
            signed = ["-CA", str(self._authority.certificate), "-CAkey", str(self._authority.key)]
            # Without this, openssl makes an authority of each.
            end = ["-addext", "basicConstraints=critical,CA:FALSE"]
            self._make(pair, name, [*signed, *end, "-addext", HERE, "-addext", BOTH_SIDES])
        return pair

    def flags(self, node_id: int) -> List[str]:
        """What a node is started with."""
        pair = self.pair(node_name(node_id))
        return ["--tls-ca", str(self.authority), "--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]

    def context(self, name: str = CLIENT) -> ssl.SSLContext:
        """For a client of this common name; one with the name "" shows no certificate."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if name:
            pair = self.pair(name)
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def _pair(self, name: str) -> Pair:
        return Pair(self.directory / f"{name}.pem", self.directory / f"{name}.key")

    def _make(self, pair: Pair, name: str, more: List[str]) -> None:
        command = ["openssl", "req", "-x509", *KEY, "-subj", f"/CN={name}", "-keyout", str(pair.key)]
        made = subprocess.run([*command, "-out", str(pair.certificate), *more], capture_output=True, text=True)
        if made.returncode != 0:
            raise OSError(f"openssl makes no certificate for {name}: {made.stderr}")
