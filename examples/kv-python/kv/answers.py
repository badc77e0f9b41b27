"""What is answered: a status, headers and a body."""

from __future__ import annotations

from dataclasses import dataclass, field

import rft

# Certain: nothing was done, so trying again is safe.
_NOTHING_DONE = ("BUSY", "DISK_FULL", "DROPPED")
_CHANGE_REFUSED = ("CONF_CHANGE", "QUORUM_AT_RISK", "LEARNER_BEHIND")
_NOBODY_KNOWS = ("TIMED_OUT", "UNKNOWN", "STOPPED")


@dataclass(eq=False)
class Answer(Exception):
    """An answer; raised where a request is refused."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def text(status: int, line: str, **headers: str) -> Answer:
    """An answer for people."""
    headers["Content-Type"] = "text/plain; charset=utf-8"
    if status == 503:
        headers["Retry-After"] = "1"
    return Answer(status, line.encode() + b"\n", headers)


def tag(revision: int) -> dict[str, str]:
    """The revision of a key, as a header."""
    return {"ETag": f'"{revision}"'}


def of_error(error: rft.RaftError, *, is_read: bool) -> Answer:
    """What a call of the library has ended with; `NotLeaderError` is for the caller, who knows the addresses."""
    if error.name in _NOTHING_DONE:
        status = 503
    elif error.name in _CHANGE_REFUSED:
        status = 409
    elif error.name == "TOO_LARGE":
        status = 413
    elif error.name == "INVALID_ARG":
        status = 400
    else:
        status = 504 if error.name in _NOBODY_KNOWS else 500
    # A writer has to learn that nobody can tell. A read changes nothing: it may simply be tried again.
    unknown = "the outcome is unknown: " if status in (500, 504) and not is_read else ""
    return text(status, f"{unknown}{error} ({name(error)})")


def name(error: rft.RaftError | None) -> str:
    """The name of an error, as C and the log know it."""
    return "RFT_OK" if error is None else f"RFT_E_{error.name}"
