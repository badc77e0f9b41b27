"""What run.py computes and how it fails: python3 -m unittest discover benches."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chart
import measure
import report
import run
from cell import Cell, Command, Context, Program

PYTHON = sys.executable


def result(better: str = "lower", **values: list[float]) -> report.Result:
    """A cell in which these were measured, an underscore for each blank."""
    names = {name.replace("_", " "): taken for name, taken in values.items()}
    contestants = {name: ["program"] for name in [*names, "absent"]}
    targets = {"peer": 2.0, "both": 1.5}
    best = {"both": ["mode a", "mode b"]}
    cell = Cell("cell", "ns", better, contestants, targets, best)  # type: ignore[arg-type]
    return report.Result(cell, {name: [{"value": value} for value in taken] for name, taken in names.items()})


def context(folder: str) -> Context:
    place = Path(folder)
    return Context(Path(run.HERE).parent, run.HERE, place, place, place, quick=False)


class Arithmetic(unittest.TestCase):
    def test_the_median_is_taken_of_each_figure(self) -> None:
        found = result(ours=[3, 1, 100])
        found.samples["ours"][0]["p50_us"] = 9
        self.assertEqual(found.measured("ours"), {"value": 3})  # what not every round told is not told
        for at, sample in enumerate(found.samples["ours"]):
            sample["p50_us"] = [9, 7, 8][at]
        self.assertEqual(found.measured("ours"), {"value": 3, "p50_us": 8})
        self.assertEqual(result(ours=[1, 2, 3, 10]).value("ours"), 2.5)

    def test_above_one_ours_is_better(self) -> None:
        self.assertEqual(result(ours=[10], peer=[30]).ratio("peer"), 3)
        self.assertEqual(result("higher", ours=[10], peer=[30]).ratio("peer"), 1 / 3)
        self.assertIsNone(result(ours=[10]).ratio("absent"))
        self.assertIsNone(result(peer=[10]).ratio("peer"))

    def test_modes_compete_as_one(self) -> None:
        found = result(ours=[10], mode_a=[40], mode_b=[20])
        self.assertEqual(found.peers()["both"], "mode b")
        self.assertEqual(result("higher", ours=[10], mode_a=[40], mode_b=[20]).peers()["both"], "mode a")
        self.assertEqual(result(ours=[10], mode_a=[40]).peers()["both"], "mode a")
        self.assertNotIn("both", result(ours=[10]).peers())

    def test_rows_have_what_is_promised(self) -> None:
        rows = {row["peer_name"]: row for row in result(ours=[10, 20, 30], peer=[50], mode_a=[10]).rows()}
        promised = {"name", "ours", "peer", "peer_name", "unit", "ratio", "better", "target"}
        self.assertTrue(all(promised <= set(row) for row in rows.values()))
        self.assertEqual(
            (rows["peer"]["ours"], rows["peer"]["ratio"], rows["peer"]["target"]), (20, 2.5, 2.0)
        )
        self.assertEqual(
            (rows["absent"]["peer"], rows["absent"]["ratio"], rows["absent"]["target"]), (None, None, None)
        )
        self.assertEqual((rows["both"]["peer_mode"], rows["both"]["ratio"]), ("mode a", 0.5))
        self.assertEqual(report.misses(list(rows.values())), (2, 1))

    def test_ours_alone_has_a_row_too(self) -> None:
        cell = Cell("alone", "ns", "lower", {"ours": ["program"], "ours, too": ["program"]})
        (row,) = report.Result(cell, {"ours": [{"value": 5}]}).rows()
        self.assertEqual((row["ours"], row["peer"], row["ratio"]), (5, None, None))

    def test_a_table_tells_who_is_behind_and_who_is_missing(self) -> None:
        found = result(ours=[10, 12, 11], peer=[15, 15, 15])
        found.failures["absent"] = "failed: it fell"
        text = report.table([found])
        self.assertRegex(text, r"peer +15\.0 +ns +0% +1\.36 x +2 MISSED")
        self.assertRegex(text, r"absent +- +failed: it fell")
        self.assertRegex(text, r"ours +11\.0 +ns +18%")


class Curves(unittest.TestCase):
    def test_a_slope_has_words(self) -> None:
        self.assertIn("stays level", chart.growth([(1, 5), (10, 5.1), (100, 5)]))
        self.assertIn("in proportion, as x^1.00", chart.growth([(1, 2), (2, 4), (4, 8)]))
        self.assertIn("faster than in proportion", chart.growth([(1, 1), (2, 4), (4, 16)]))
        self.assertIn("less than in proportion", chart.growth([(1, 1), (4, 2), (16, 4)]))
        self.assertIn("falls", chart.growth([(1, 4), (2, 2), (4, 1)]))

    def test_a_line_says_what_each_further_one_costs(self) -> None:
        cell = Cell("c", "KiB", "lower", {"ours": ["p"]}, curve="c", x=1, x_label="engines")
        words = chart.Line("ours", ((1, 30.0), (2, 50.0), (3, 70.0))).words(report.Result(cell))
        self.assertIn("30.0 KiB at 1, 70.0 KiB at 3 engines", words)
        self.assertIn("+20 KiB for each further one", words)

    def test_charts_are_drawn(self) -> None:
        points = []
        for x in (1, 3, 9):
            cell = Cell(f"n{x}", "ns", "lower", {"ours": ["p"]}, curve="cost & size", x=x, x_label="nodes")
            points.append(report.Result(cell, {"ours": [{"value": 10.0 * x}]}))
        with tempfile.TemporaryDirectory() as folder:
            told = chart.draw("suite", [result(ours=[10], peer=[30]), *points], Path(folder))
            names = {path.name for path in Path(folder).iterdir()}
            self.assertEqual(names, {"suite.svg", "suite-cost---size.svg"})
            self.assertIn("cost &amp; size", (Path(folder) / "suite-cost---size.svg").read_text())
        self.assertTrue(any("in proportion" in line for line in told))


class Samples(unittest.TestCase):
    def test_only_a_positive_value_is_a_result(self) -> None:
        self.assertEqual(measure.parse('noise\n{"value": 2, "p99_us": 3.5}\n'), {"value": 2, "p99_us": 3.5})
        for out in (
            "",
            "noise",
            "[1]",
            "{}",
            '{"value": 0}',
            '{"value": NaN}',
            '{"value": "x"}',
            '{"value": null}',
        ):
            with self.assertRaises(measure.SampleFailed, msg=out):
                measure.parse(out)

    def test_a_failure_says_why(self) -> None:
        with self.assertRaisesRegex(measure.SampleFailed, "ended with 3: it fell"):
            measure.run([PYTHON, "-c", "import sys; sys.stderr.write('it fell'); sys.exit(3)"], {}, 20)

    def test_a_program_that_is_not_there_is_a_failure(self) -> None:
        with self.assertRaisesRegex(measure.SampleFailed, "no-such-program"):
            measure.run(["/no-such-program"], {}, 20)

    def test_what_a_sample_left_behind_is_ended(self) -> None:
        starts = "import subprocess, sys; p = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL,"
        starts += " stderr=subprocess.DEVNULL); print(p.pid)"
        out, _ = measure.run([PYTHON, "-c", starts], {}, 20)
        self.assertTrue(gone(int(out)))

    def test_a_sample_that_hangs_is_ended(self) -> None:
        start = time.monotonic()
        with self.assertRaisesRegex(measure.SampleFailed, "longer than"):
            measure.run(["sleep", "600"], {}, 0.2)
        self.assertLess(time.monotonic() - start, 60)

    def test_a_run_that_is_ended_ends_its_sample(self) -> None:
        lines = [
            "import measure",
            "measure.SIGNALS.watch()",
            "measure.run(['sh', '-c', 'echo $$ >&3; exec sleep 600'], {}, 600)",
        ]
        reads, writes = os.pipe()
        keep = f"import os, subprocess; os.dup2({writes}, 3, inheritable=True)\n"
        keep += "started = subprocess.Popen\n"
        keep += "subprocess.Popen = lambda *a, **k: started(*a, **k, pass_fds=[3])\n"
        ended = subprocess.Popen([PYTHON, "-c", keep + "\n".join(lines)], cwd=run.HERE, pass_fds=[writes])
        os.close(writes)
        with os.fdopen(reads) as told:
            sleeper = int(told.readline())
        ended.terminate()
        self.assertEqual(ended.wait(timeout=60), 128 + 15)
        self.assertTrue(gone(sleeper))


def gone(pid: int) -> bool:
    """Whether a process has ended; it may take a moment to be collected."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class Rounds(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = Path(folder.name) / "log"
        self.script = Path(folder.name) / "script.py"
        self.script.write_text(
            "import json, os, sys\n"
            f"open({str(self.log)!r}, 'a').write(sys.argv[1] + os.environ['BENCH_DIR'][:0] + ' ')\n"
            "print(json.dumps({'value': float(sys.argv[2])})) if sys.argv[2] != 'fall' else sys.exit(1)\n"
        )

    def run_cell(self, rounds: int, **values: str) -> report.Result:
        contestants: dict[str, list[str | Path]] = {
            name: [PYTHON, self.script, name, value] for name, value in values.items()
        }
        cell = Cell("cell", "ns", "lower", contestants)
        programs = [Program("all", self.script)]
        with patch("builtins.print"):
            return run.run_cell(cell, programs, [], context(self.folder), rounds, False)

    def test_contestants_take_turns(self) -> None:
        self.run_cell(3, ours="1", a="2", b="3")
        self.assertEqual(self.log.read_text().split(), ["ours", "a", "b", "a", "b", "ours", "b", "ours", "a"])

    def test_who_fails_once_has_an_empty_row(self) -> None:
        found = self.run_cell(2, ours="1", a="fall")
        self.assertIsNone(found.value("a"))
        self.assertIn("ended with 1", found.failures["a"])
        self.assertEqual((found.value("ours"), found.rows()[0]["ratio"]), (1, None))
        self.assertEqual(self.log.read_text().split().count("a"), 1)

    def test_what_cannot_be_built_is_skipped_by_name(self) -> None:
        command = Command(["false"], Path(self.folder))
        lacks = Program("a peer", Path(self.folder) / "peer", [command])
        missing = Program("another", Path(self.folder) / "other", needs=["no-such-package"])
        unable = Program("a third", Path(self.folder) / "third", absent="no such processor")
        with patch("builtins.print") as told:
            self.assertFalse(run.prepare(lacks, context(self.folder)))
            self.assertFalse(run.prepare(missing, context(self.folder)))
            self.assertFalse(run.prepare(unable, context(self.folder)))
        said = " ".join(str(call) for call in told.call_args_list)
        self.assertIn("skipped: a peer (could not be built", said)
        self.assertIn("skipped: a third (no such processor)", said)

    def test_the_summary_keeps_other_suites(self) -> None:
        out = Path(self.folder)
        with patch("builtins.print"), patch.object(run, "SUITES", ["one", "two"]):
            run.summarize("one", [result(ours=[1], peer=[2])], out)
            run.summarize("two", [result(ours=[1], peer=[2])], out)
            run.summarize("one", [result(ours=[1], peer=[4])], out)
        rows = json.loads((out / "summary.json").read_text())
        ratios = {(row["suite"], row["peer_name"]): row["ratio"] for row in rows}
        self.assertEqual((ratios["one", "peer"], ratios["two", "peer"]), (4, 2))


class Suites(unittest.TestCase):
    def test_every_contestant_has_a_program_and_every_target_a_peer(self) -> None:
        for suite in run.SUITES:
            module = importlib.import_module(suite)
            with tempfile.TemporaryDirectory() as folder:
                place = context(folder)
                programs, cells = module.programs(place), module.cells(place)
            names = [cell.name for cell in cells]
            self.assertEqual(len(names), len(set(names)), suite)
            self.assertTrue(any(cell.quick for cell in cells), f"{suite} has nothing for a quick run")
            for cell in cells:
                self.assertIn("ours", cell.contestants, cell.name)
                for name, argv in cell.contestants.items():
                    known_program = measure.program_of(argv, programs) or shutil.which(str(argv[0]))
                    self.assertTrue(known_program, f"{cell.name}: {name}")
                known = {*cell.contestants, *cell.best}
                self.assertLessEqual(set(cell.targets), known, cell.name)
                self.assertLessEqual(
                    {mode for modes in cell.best.values() for mode in modes}, known, cell.name
                )


if __name__ == "__main__":
    os.chdir(run.HERE)
    unittest.main()
