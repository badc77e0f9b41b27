"""Three nodes in one thread, in memory: processor time of a proposal until all of them have applied it."""

from __future__ import annotations

from cell import Cell, Context, Program


def programs(context: Context) -> list[Program]:
    return [Program("ours", context.built / "bench-core", [context.cargo("bench-core")], ["cargo"], instructions=True)]


def cells(context: Context) -> list[Cell]:
    found = []
    for size in (16, 256, 4096):
        for batch in (1, 64):
            for wire in ("", "-wire"):
                ours = [context.built / "bench-core", f"ours{wire}", str(size), str(batch)]
                name = f"core{wire}/{size}B/{batch}"
                found.append(Cell(name, "ns", "lower", {"ours": ours}, quick=True))
    return found
