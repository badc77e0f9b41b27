"""The program."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
import time

import rft
import rft.http

from kv import answers
from kv.node import Node, contexts_of
from kv.options import Options, parse
from kv.routes import Routes
from kv.server import Server, listen_on

log = logging.getLogger("kv")
_STOP_SECONDS = 10.0


def main() -> int:
    """Serve until SIGTERM or SIGINT. The process's status: 0 for that, 1 for what went wrong."""
    options = parse(sys.argv[1:])
    _log_to_stderr(verbose=options.verbose)
    # A connection is a file, and the log must never lack one.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        asyncio.run(_run(options))
    except rft.RaftError as error:
        log.error("%s: %s (%s)", options.dir, error, answers.name(error))
        return 1
    except OSError as error:
        log.error("%s", error)
        return 1
    return 0


async def _run(options: Options) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    contexts = contexts_of(options)
    node = await Node.open(options, contexts)
    try:
        listening = listen_on(options.address)
        server = Server(Routes(node), listening, None if contexts is None else contexts.server)
        serving = asyncio.ensure_future(server.serve())
        log.info("node %d answers on %s://%s", options.id, options.scheme, options.address)
        await stopping.wait()
        log.info("stopping")
    finally:
        # The engine first: it answers the requests that wait, and the server can end.
        await node.engine.close(_STOP_SECONDS)
    server.should_exit = True
    await serving


def _log_to_stderr(*, verbose: bool) -> None:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    # The client's line for each request would be hundreds in a second.
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
