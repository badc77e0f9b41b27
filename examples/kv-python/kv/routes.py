"""The routes, as an application of ASGI."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import rft
import rft.http

from kv import answers, book, change, state, status
from kv.answers import Answer, text
from kv.member_list import Reaching
from kv.node import Node
from kv.request import Disconnected, Receive, Request, parse_condition, parse_key

WAIT_SECONDS = 5.0
SMALL_BODY_MAX = 64 << 10
_KV, _TRANSFER = "/kv/", "/transfer/"
_LINGER_SECONDS = 1.0

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Answer]]


class Routes:
    """Answers requests to a node. Those of peers are taken by `rft.http.Inbound`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._inbound = rft.http.Inbound(
            node.engine, node.options.cluster_id, tls=node.options.tls is not None
        )
        self._table: dict[str, dict[str, Handler]] = {
            "/status": {"GET": self._status},
            "/members": {"POST": self._change_members, "PUT": self._set_members},
            "/snapshot": {"POST": self._snapshot},
            "/raft": {"POST": self._raft},
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        try:
            answer = await self._handler(request)(request)
        except Answer as refusal:
            answer = refusal
        except rft.NotLeaderError as error:
            answer = self._to_leader(request, error.leader_id)
        except rft.RaftError as error:
            answer = answers.of_error(error, is_read=request.method == "GET")
        except Disconnected:
            return
        headers = {"Content-Length": str(len(answer.body))} if answer.status != 204 else {}
        headers |= {"Connection": "close"} if request.owes_body else {}
        pairs = [
            (name.encode(), value.encode("latin-1")) for name, value in (headers | answer.headers).items()
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        if request.owes_body:
            # To close while the client still speaks would take the answer from it.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_hear_out(receive), _LINGER_SECONDS)
        await send({"type": "http.response.body"})

    def _handler(self, request: Request) -> Handler:
        if request.version not in ("1.0", "1.1"):
            raise text(505, "this is a server of HTTP/1.1")
        if request.path.startswith(_KV):
            methods: dict[str, Handler] = {"PUT": self._put, "DELETE": self._delete, "GET": self._get}
        elif request.path.startswith(_TRANSFER):
            methods = {"POST": self._transfer}
        else:
            methods = self._table.get(request.path, {})
        if not methods:
            raise text(404, "there is no such path")
        if request.method not in methods:
            raise text(405, f"this path takes {', '.join(methods)}", Allow=", ".join(methods))
        return methods[request.method]

    def _to_leader(self, request: Request, leader: int) -> Answer:
        address = self._node.address(leader)
        if address is None or leader == self._node.options.id:
            return text(503, "no leader is known; nothing was done")
        return Answer(307, headers={"Location": f"{self._node.options.scheme}://{address}{request.path}"})

    # ---- keys ----

    async def _put(self, request: Request) -> Answer:
        key, revision = parse_key(request.path[len(_KV) :]), parse_condition(request)
        return await self._write(state.put(key, await request.body(state.VALUE_MAX), revision))

    async def _delete(self, request: Request) -> Answer:
        key, revision = parse_key(request.path[len(_KV) :]), parse_condition(request)
        await request.body(0)
        return await self._write(state.delete(key, revision))

    async def _write(self, command: bytes) -> Answer:
        """Propose, at the leader wherever that is, and wait until the command is applied there."""
        outcome = await self._node.engine.propose(command, timeout=WAIT_SECONDS)
        written = state.Written.decode(outcome.answer)
        has_tag = written.revision != state.ABSENT
        if not written.done:
            refusal = text(412, "the key has another revision; nothing was done")
            refusal.headers |= answers.tag(written.revision) if has_tag else {}
            return refusal
        self._node.counters.writes += 1
        return Answer(204, headers=answers.tag(written.revision) if has_tag else {})

    async def _get(self, request: Request) -> Answer:
        key = parse_key(request.path[len(_KV) :])
        if not request.asks("stale=1"):
            # Once this returns, the state here holds all that was acknowledged anywhere before the call.
            await self._node.engine.read(timeout=WAIT_SECONDS)
        item = self._node.machine.get(key)
        self._node.counters.reads += 1
        if item is None:
            return text(404, "there is no such key")
        headers = {"Content-Type": "application/octet-stream"} | answers.tag(item.revision)
        return Answer(200, item.value, headers)

    # ---- the cluster ----

    async def _status(self, request: Request) -> Answer:
        node = self._node
        if request.asks("hash=0"):
            summary = node.machine.summary(with_hash=False)
        else:
            summary = await asyncio.to_thread(node.machine.summary, with_hash=True)
        return Answer(200, status.report(node, summary), {"Content-Type": "application/json"})

    async def _change_members(self, request: Request) -> Answer:
        asked = change.parse_change(await request.body(SMALL_BODY_MAX))
        try:
            book.follow(self._node.machine.members(), book.to_text(asked.context))
        except ValueError:
            raise text(409, "the address book has no room; nothing was done") from None
        await self._node.engine.change(asked.steps, context=asked.context, timeout=WAIT_SECONDS)
        return Answer(204)

    async def _set_members(self, request: Request) -> Answer:
        wanted = change.parse_list(await request.body(SMALL_BODY_MAX))
        return await Reaching(self._node, wanted, WAIT_SECONDS).run()

    async def _snapshot(self, request: Request) -> Answer:
        await request.body(SMALL_BODY_MAX)
        # It is asked for, and not waited for.
        with contextlib.suppress(rft.TimedOutError):
            await self._node.engine.snapshot(timeout=0)
        return text(202, "a snapshot is under way")

    async def _transfer(self, request: Request) -> Answer:
        await request.body(SMALL_BODY_MAX)
        try:
            to = book.parse_id(request.path[len(_TRANSFER) :])
        except ValueError:
            raise text(400, "the path ends with the id of the new leader") from None
        now = self._node.engine.status()
        if now.role != "leader":
            return self._to_leader(request, now.leader)
        with contextlib.suppress(rft.TimedOutError):
            await self._node.engine.transfer_leader(to, timeout=0)
        return text(202, "the transfer is under way")

    async def _raft(self, request: Request) -> Answer:
        refused = self._inbound.refuse(request.headers, request.certificate)
        if refused is None:
            body = await request.body(rft.http.BODY_MAX)
            refused = self._inbound.take(request.headers, body, request.certificate)
        code, why = refused
        return Answer(204) if code == 204 else text(code, why)


async def _hear_out(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass
