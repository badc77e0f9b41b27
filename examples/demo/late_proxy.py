#!/usr/bin/env python3
"""A network that is late: takes what one node posts to the others, says yes, and hands it on when it likes, in an order
of its own, some of it twice and some of it never. Raft has to bear all of that.

usage: late_proxy.py SEED PORT ID=HOST:PORT...      started by netns.py inside of the node's namespace

It listens on PORT + ID for what is meant for node ID. The kernel leads the node's connections here; those that this
program makes itself carry a mark, by which the kernel lets them pass. What it does is said on its standard input, a
line each time: LATEST_MS DOUBLE_PERCENT LOST_PERCENT. All 0 is a network as it should be."""

import asyncio
import random
import socket
import sys
from typing import Dict, Tuple

MARK = 7
PENDING_MAX = 2000


class Link:
    """What one node sends to another."""

    def __init__(self, chance: random.Random, host: str, port: int):
        self._chance = chance
        self._to = (host, port)
        self._pending = 0
        self.latest_ms = self.double = self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_request(reader)
                writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                self._hand_on(request)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            writer.close()

    def _hand_on(self, request: bytes) -> None:
        copies = 0 if self._draw(self.lost) else 2 if self._draw(self.double) else 1
        for _ in range(copies):
            if self._pending < PENDING_MAX:
                self._pending += 1
                asyncio.ensure_future(self._deliver(request))

    def _draw(self, percent: int) -> bool:
        return self._chance.randrange(100) < percent

    async def _deliver(self, request: bytes) -> None:
        try:
            if self.latest_ms:
                await asyncio.sleep(self._chance.uniform(0, self.latest_ms / 1000))
            with socket.socket() as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
                made.setblocking(False)
                loop = asyncio.get_running_loop()
                await asyncio.wait_for(loop.sock_connect(made, self._to), 1.0)
                await asyncio.wait_for(loop.sock_sendall(made, request), 2.0)
                await asyncio.wait_for(loop.sock_recv(made, 4096), 2.0)
        except (OSError, asyncio.TimeoutError):
            pass  # lost
        finally:
            self._pending -= 1


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":", 1)[1])
    return head + await reader.readexactly(length)


async def main() -> None:
    chance = random.Random(int(sys.argv[1]))
    links: Dict[int, Tuple[Link, asyncio.AbstractServer]] = {}
    for member in sys.argv[3:]:
        node_id, _, address = member.partition("=")
        host, _, port = address.partition(":")
        link = Link(chance, host, int(port))
        server = await asyncio.start_server(link.serve, "0.0.0.0", int(sys.argv[2]) + int(node_id), limit=1 << 16)
        links[int(node_id)] = (link, server)
    print("ready", flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        for link, _ in links.values():
            link.latest_ms, link.double, link.lost = map(int, line.split())


if __name__ == "__main__":
    asyncio.run(main())
