"""A headless Chromium, driven by chromedriver over HTTP (the protocol WebDriver)."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, List

from cluster import Failure, wait_for

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """`with Browser() as browser`: its processes end and its profile goes."""

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="rft-browser-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._base = f"http://127.0.0.1:{port}"
        self._log = open(self._profile / "driver.log", "wb")
        command = ["chromedriver", f"--port={port}"]
        self._driver = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._session = ""

    def __enter__(self) -> "Browser":
        try:
            wait_for("chromedriver", 60, lambda: self._ask("GET", "/status")["ready"])
            options = {"args": [*FLAGS, f"--user-data-dir={self._profile / 'profile'}"]}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            if self._session:
                self._ask("DELETE", self._session)
        except (OSError, Failure):
            pass  # the session is gone already
        self._driver.terminate()
        self._driver.wait()
        self._log.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str) -> None:
        self._do("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What a function of this body returns in the page."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def click(self, selector: str) -> None:
        """As a person does: scrolled to, and not through something that lies above."""
        self._do("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        element = self._find(selector)
        self._do("POST", f"/element/{element}/clear", {})
        self._do("POST", f"/element/{element}/value", {"text": text})

    def look_like(self, width: int, height: int, scheme: str) -> None:
        """A screen of this size, which is dark or light."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        self._command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._do("GET", "/screenshot")))

    def complaints(self) -> List[str]:
        """What the page has written to the console."""
        return [line["message"] for line in self._do("POST", "/se/log", {"type": "browser"})]

    def _find(self, selector: str) -> str:
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _command(self, name: str, parameters: dict) -> None:
        self._do("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _do(self, method: str, path: str, body: object = None) -> Any:
        return self._ask(method, self._session + path, body)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            why = json.loads(error.read())["value"]
            raise Failure(f"{path}: {why['error']}: {why['message'].splitlines()[0]}") from error
