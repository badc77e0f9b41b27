"""What a person sees: one line that moves on a terminal, one line a phase elsewhere, and a table."""

import os
import sys
from typing import List, Tuple


class Progress:
    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._shown = 0

    def phase(self, text: str) -> None:
        """A new step. Off a terminal this is the only thing shown."""
        if self._live:
            self.update(text)
        else:
            print(text, flush=True)

    def update(self, text: str) -> None:
        """News of the same step, for a terminal only."""
        if self._live:
            text = text[:100]
            print("\r" + text.ljust(self._shown), end="", flush=True)
            self._shown = len(text)

    def done(self) -> None:
        if self._live and self._shown:
            print("\r" + " " * self._shown + "\r", end="", flush=True)
            self._shown = 0


def print_table(rows: List[Tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name.ljust(width)}  {value}")


def skip(what: str) -> None:
    """Says what is left out, also into the file that RFT_SKIPPED names."""
    line = f"skipped: {what}"
    print(line, flush=True)
    if "RFT_SKIPPED" in os.environ:
        with open(os.environ["RFT_SKIPPED"], "a") as file:
            file.write(line + "\n")
