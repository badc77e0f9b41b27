#!/usr/bin/env python3
"""The page of the demo, in a headless Chromium and with requests that must be refused.

usage: page_test.py [--shots DIR] [--tls] [--no-browser] SERVER...      the screenshots are left in DIR"""

import argparse
import atexit
import http.client
import json
import re
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import List, Tuple

from browser import Browser
from cluster import end_on_signals, wait_for

HERE = Path(__file__).resolve().parent
SERVERS: List[str] = []
MORE: List[str] = []
SHOTS = Path()
PATIENCE = 60.0
SIZES = [(1280, 900), (390, 844)]

# Of every element with text of its own: how far it stands out from what lies behind it, by the rule of WCAG.
CONTRASTS = """
const light = c => c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
const parts = text => text.match(/[0-9.]+/g).map(Number);
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const color = parts(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] > 0) return color.slice(0, 3);
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")].filter(element => element.checkVisibility() && !element.disabled &&
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())).map(element => {
  const a = light(parts(getComputedStyle(element).color).slice(0, 3)), b = light(behind(element));
  return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), element.tagName + "." + element.className + " " + element.textContent];
}).sort((one, other) => one[0] - other[0])[0];
"""
NAMELESS = """
const name = element => element.textContent.trim() || element.labels?.[0]?.textContent.trim() || element.getAttribute("aria-label");
return [...document.querySelectorAll("button, input")].filter(element => !name(element)).map(element => element.outerHTML);
"""


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        command = [sys.executable, str(HERE / "demo.py"), "--serve", *MORE, *SERVERS]
        cls.demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls._end)
        atexit.register(cls._end_early)
        cls.url = cls._url()
        cls.port = int(cls.url.rstrip("/").rpartition(":")[2])

    @classmethod
    def _url(cls) -> str:
        for line in cls.demo.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            if found:
                return found[0]
        raise AssertionError("the demo did not tell where its page is")

    @classmethod
    def _end(cls) -> None:
        cls.demo.send_signal(signal.SIGINT)
        last, _ = cls.demo.communicate(timeout=60)
        assert cls.demo.returncode == 0 and "demo: over" in last, f"the demo ended badly: {last}"

    @classmethod
    def _end_early(cls) -> None:
        """A signal ends unittest without its cleanups."""
        if cls.demo.poll() is None:
            cls._end()

    def state(self) -> dict:
        return json.loads(self.ask("GET", "/state", {})[1])

    def leader(self) -> int:
        return wait_for("a leader", PATIENCE, lambda: self.state()["leader"])

    def ask(self, method: str, path: str, headers: dict, body: str = "") -> Tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body if method == "POST" else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def test_only_the_page_itself_changes_anything(self) -> None:
        leader = self.leader()
        path = f"/node/{leader}/kill"
        own, json_type = f"http://127.0.0.1:{self.port}", {"Content-Type": "application/json"}
        foreign = [
            {},
            {"Origin": "null"},
            {"Origin": "http://example.org"},
            {"Origin": f"http://127.0.0.1:{self.port + 1}"},
            {"Origin": f"https://127.0.0.1:{self.port}"},
            {"Origin": f"http://localhost:{self.port}"},
            {"Origin": own, "Sec-Fetch-Site": "cross-site"},
            {"Origin": own, "Host": "example.org"},
            {"Origin": "http://example.org", "Host": "example.org"},
        ]
        for headers in foreign:
            self.assertEqual(self.ask("POST", path, {**json_type, **headers}, "{}")[0], 403, headers)
        # What a form can send without being asked.
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            self.assertEqual(self.ask("POST", path, {"Origin": own, "Content-Type": kind}, "{}")[0], 403)
        for method, headers in [("GET", {"Host": "example.org"}), ("GET", {"Host": f"127.0.0.1:{self.port}.example.org"})]:
            self.assertEqual(self.ask(method, "/", headers)[0], 403)
            self.assertEqual(self.ask(method, "/state", headers)[0], 403)
        self.assertEqual(self.ask("GET", path, {})[0], 404)
        good = {**json_type, "Origin": own}
        for wrong, body in [("/node/99/kill", "{}"), (path, "x"), (path, "[]"), (path, '{"a": 1}'), ("/write", '{"key": ""}')]:
            self.assertEqual(self.ask("POST", wrong, good, body)[0], 409)
        self.assertEqual(self.ask("POST", path, {**good, "Content-Length": "5000"})[0], 409)
        # One that was killed or paused stays so; one that has much to do may be silent for a while.
        wait_for("all of them", PATIENCE, lambda: all(node["process"] == "up" for node in self.state()["nodes"]))
        status, told = self.ask("POST", "/write", {**good, "Sec-Fetch-Site": "same-origin"}, '{"key": "a b/c", "value": "d"}')
        self.assertEqual(status, 200, told)

    def test_a_cluster_to_play_with(self) -> None:
        self.leader()
        with Browser() as browser:
            browser.look_like(*SIZES[0], "light")
            browser.open(self.url)
            wait_for("the nodes", PATIENCE, lambda: browser.run("return document.querySelectorAll('.node').length") >= 3)
            self._write(browser)
            self._kill_and_restart(browser)
            self._pause_and_continue(browser)
            self._look(browser)
            self.assertEqual(browser.complaints(), [])

    def _write(self, browser: Browser) -> None:
        markup = "<img src=x onerror=alert(1)>"
        browser.type("#write-key", "colour")
        browser.type("#write-value", markup)
        browser.click("#write-button")

        def is_written() -> bool:
            told = browser.text("#told")
            if told not in ("", "…") and not told.startswith("Written: "):
                # A cluster that is busy electing refuses: who sits before the page tries again.
                browser.click("#write-button")
            return told.startswith(f"Written: colour = {markup}, revision ")

        wait_for("the write", PATIENCE, is_written)
        wait_for("its note", PATIENCE, lambda: markup in browser.text("#notes"))
        self.assertEqual(browser.run("return document.querySelectorAll('#notes img').length"), 0)

    def _badge(self, browser: Browser, node: int) -> str:
        place = 1 + [node["id"] for node in self.state()["nodes"]].index(node)
        return browser.text(f"#nodes > li:nth-child({place}) .badge")

    def _press(self, browser: Browser, node: int, button: str) -> None:
        place = 1 + [node["id"] for node in self.state()["nodes"]].index(node)
        browser.click(f"#nodes > li:nth-child({place}) .{button}")

    def _kill_and_restart(self, browser: Browser) -> None:
        leader = self.leader()
        wait_for("the leader's badge", PATIENCE, lambda: self._badge(browser, leader) == "leader")
        self._press(browser, leader, "kill")
        wait_for("a node that is down", PATIENCE, lambda: self._badge(browser, leader) == "down")
        wait_for("another leader", PATIENCE, lambda: self.state()["leader"] not in (0, leader))
        other = self.leader()
        wait_for("its badge", PATIENCE, lambda: self._badge(browser, other) == "leader")
        wait_for("the news of it", PATIENCE, lambda: f"Leader: node {other}," in browser.text("#spoken"))
        browser.shot(SHOTS / "node-down.png")
        self._press(browser, leader, "restart")
        wait_for("a node that is back", PATIENCE, lambda: self._badge(browser, leader) == "follower")

    def _pause_and_continue(self, browser: Browser) -> None:
        leader = self.leader()
        self._press(browser, leader, "pause")
        wait_for("a node that stands still", PATIENCE, lambda: self._badge(browser, leader) == "paused")
        wait_for("another leader", PATIENCE, lambda: self.state()["leader"] not in (0, leader))
        self._press(browser, leader, "pause")
        wait_for("a node that goes on", PATIENCE, lambda: self._badge(browser, leader) == "follower")

    def _look(self, browser: Browser) -> None:
        """Large and small, light and dark: nothing is cut off, all can be read, and what can be pressed has a name."""
        for width, height in SIZES:
            for scheme in ("light", "dark"):
                browser.look_like(width, height, scheme)
                time.sleep(0.3)  # for the eye only: nothing waits for it
                browser.shot(SHOTS / f"{scheme}-{width}.png")
                wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
                self.assertLessEqual(wide[0], wide[1])
                contrast, where = browser.run(CONTRASTS)
                self.assertGreaterEqual(contrast, 4.5, f"{where}, {scheme}")
        self.assertEqual(browser.run(NAMELESS), [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="+", metavar="SERVER")
    parser.add_argument("--shots", type=Path, default=Path("."))
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--no-browser", action="store_true", help="only what must be refused")
    args = parser.parse_args()
    global SHOTS
    SERVERS.extend(args.servers)
    MORE.extend(["--tls"] * args.tls)
    SHOTS = args.shots
    SHOTS.mkdir(parents=True, exist_ok=True)
    end_on_signals()
    if args.no_browser:
        del Page.test_a_cluster_to_play_with
    unittest.main(argv=[sys.argv[0]])


if __name__ == "__main__":
    main()
