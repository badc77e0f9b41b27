"""The page on which a demo can be watched: a small server on loopback, which pushes what it sees to the browser.

What changes something is a POST from the page itself. A page of somebody else that is open in the same browser can send
requests here too, so that Host and Origin are looked at."""

import http.server
import json
import secrets
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from watch import Watch

PAGE = Path(__file__).resolve().parent / "page.html"
BODY_MAX = 4096
WATCHERS_MAX = 16
PUSH_SECONDS = 0.25
REQUEST_SECONDS = 10.0

# Takes what was posted, and returns what to tell the person. Raises Refused.
Action = Callable[[Dict[str, str]], str]


class Refused(Exception):
    """An action that cannot be done; the text says why."""


class Web(http.server.ThreadingHTTPServer):
    """`with Web(...) as web`: the page answers at `web.url`. Without actions it can only be watched."""

    daemon_threads = True

    def __init__(self, watch: Watch, actions: Optional[Dict[str, Action]] = None, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.watch = watch
        self.actions = actions or {}
        self.watchers = threading.Semaphore(WATCHERS_MAX)
        self.port = int(self.server_address[1])
        self.hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "Web":
        threading.Thread(target=self.serve_forever, args=(0.05,), name="web", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no fault."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_SECONDS
    server: Web

    def do_GET(self) -> None:
        if not self._is_for_here():
            return
        if self.path == "/":
            self._page()
        elif self.path == "/events":
            self._events()
        elif self.path == "/state":
            self._answer(200, json.dumps(self.server.watch.state()), "application/json")
        else:
            self._answer(404, "there is no such path")

    def do_POST(self) -> None:
        if not self._is_for_here() or not self._is_from_the_page():
            return
        try:
            asked = self._json()
            action = self.server.actions.get(self.path.lstrip("/"))
            if action is None:
                raise Refused("Nothing can be changed while the story runs" if not self.server.actions else "No such action")
            self._answer(200, json.dumps({"told": action(asked)}), "application/json")
        except Refused as refused:
            self._answer(409, json.dumps({"told": str(refused)}), "application/json")

    # ---- who asks ----

    def _is_for_here(self) -> bool:
        """A name of somebody else that was made to mean this machine is not ours."""
        if self.headers.get_all("Host") in [[host] for host in self.server.hosts]:
            return True
        self._answer(403, "this page is for the machine that it runs on", close=True)
        return False

    def _is_from_the_page(self) -> bool:
        """Browsers say where a POST comes from, and let no page of another place say that it is JSON."""
        origin = self.headers.get_all("Origin")
        is_same = origin == [f"http://{self.headers['Host']}"]
        is_json = self.headers.get("Content-Type", "") == "application/json"
        if is_same and is_json and self.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin":
            return True
        self._answer(403, "only the page itself may do this", close=True)
        return False

    def _json(self) -> Dict[str, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > BODY_MAX:
            self.close_connection = True
            raise Refused("A request is short")
        try:
            asked = json.loads(self.rfile.read(int(length)) or b"{}")
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
            raise Refused("A request is an object of texts")
        return asked

    # ---- answers ----

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        text = PAGE.read_text().replace("NONCE", nonce)
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
        more = {"Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
        self._answer(200, text, "text/html; charset=utf-8", more)

    def _events(self) -> None:
        watch = self.server.watch
        if not self.server.watchers.acquire(blocking=False):
            self._answer(503, "too many are watching")
            return
        try:
            self._head(200, "text/event-stream", {"Connection": "close"})
            self.close_connection = True
            self._push("hello", {"can_act": bool(self.server.actions)})
            seen = 0
            while not watch.ended:
                seen, notes = watch.notes(seen)
                self._push("state", watch.state())
                if notes:
                    self._push("notes", notes)
                watch.wait(PUSH_SECONDS)
            self._push("end", {})
        finally:
            self.server.watchers.release()

    def _push(self, name: str, data: object) -> None:
        self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _answer(
        self,
        status: int,
        text: str,
        kind: str = "text/plain; charset=utf-8",
        more: Optional[Dict[str, str]] = None,
        close: bool = False,
    ) -> None:
        body = text.encode()
        ends: Dict[str, str] = {"Connection": "close"} if close else {}
        self._head(status, kind, {"Content-Length": str(len(body)), **(more or {}), **ends})
        self.wfile.write(body)

    def _head(self, status: int, kind: str, headers: Dict[str, str]) -> None:
        self.send_response(status)
        common = {"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        for name, value in {**common, "Referrer-Policy": "no-referrer", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The demo tells its own story."""


