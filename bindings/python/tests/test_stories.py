"""The stories that every language tells in the same words, and the other examples."""

import subprocess
import sys
from pathlib import Path

import pytest
import simulator

HERE = Path(__file__).parent
STORIES = HERE / "../../conformance"


@pytest.mark.parametrize(("example", "story"), [("three_nodes.py", "node.txt"), ("story.py", "engine.txt")])
def test_a_story_is_told_to_the_letter(example: str, story: str) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", HERE / "../examples" / example],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout == (STORIES / story).read_text()
    assert run.returncode == 0


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_simulated_cluster_loses_nothing(seed: int, tmp_path: Path) -> None:
    count, _ = simulator.run(seed, 1000, tmp_path)
    assert count > 300


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    assert simulator.run(5, 500, tmp_path / "a") == simulator.run(5, 500, tmp_path / "b")
