"""tools/circles.py: it finds the circles in object files, and reports those that the table does not allow."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import circles  # noqa: E402

# Two circles of two files each, and a file that uses both and that nobody uses.
SOURCES = {
    "kern/sched.c": "int env_next(void);\nint\nsched_pick(void)\n{\n\treturn env_next();\n}\n",
    "kern/sys/env.c": "int sched_pick(void);\nint\nenv_next(void)\n{\n\treturn sched_pick();\n}\n",
    "vmm/run.c": "extern int exits;\nint runs;\nint\nrun(void)\n{\n\treturn exits;\n}\n",
    "vmm/exit.c": "extern int runs;\nint exits;\nint\nexit_handle(void)\n{\n\treturn runs;\n}\n",
    "vmm/entry.S": ".globl enter\nenter:\n\tcall sched_pick\n\tjmp run\n",
}
HOST, LOOP = {"kern/sched.c", "kern/sys/env.c"}, {"vmm/run.c", "vmm/exit.c"}


def graph_of(*edges):
    graph = {file: {} for edge in edges for file in edge}
    for file, other in edges:
        graph[file][other] = [f"{other}_symbol"]
    return graph


def row(*files):
    return circles.Allowed("a reason", files)


def test_object_files(tmp_path):
    for name, text in SOURCES.items():
        source, built = tmp_path / name, (tmp_path / "obj" / name).with_suffix(".o")
        for path in (source, built):
            path.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        subprocess.run(["gcc", "-O2", "-ffreestanding", "-c", "-o", built, source], check=True)
    graph = circles.uses(tmp_path, tmp_path / "obj")
    assert graph["vmm/entry.S"] == {"kern/sched.c": ["sched_pick"], "vmm/run.c": ["run"]}
    assert graph["vmm/run.c"] == {"vmm/exit.c": ["exits"]}
    assert circles.circles(graph) == [HOST, LOOP]
    assert not list(circles.problems(graph, [row(*HOST), row(*LOOP)]))
    (said,) = circles.problems(graph, [row(*HOST)])
    assert said.startswith("new in a circle: vmm/exit.c, vmm/run.c: "
                           "vmm/exit.c -> vmm/run.c: runs; vmm/run.c -> vmm/exit.c: exits; ")


def test_nothing_was_built(tmp_path):
    (tmp_path / "kern").mkdir()
    (tmp_path / "kern" / "sched.c").touch()
    with pytest.raises(circles.CirclesError, match="sched.o is not there: run `make` first"):
        circles.uses(tmp_path, tmp_path / "obj")


def test_no_circle():
    graph = graph_of("ab", "bc", "ac")
    assert not circles.circles(graph) and not list(circles.problems(graph, []))


def test_a_file_that_joins_a_circle():
    graph = graph_of("ab", "ba", "bc", "cd", "da")
    (said,) = circles.problems(graph, [row("a", "b")])
    assert said.startswith("new in a circle: c, d: "
                           "c -> d: d_symbol; d -> a: a_symbol; a -> b: b_symbol; b -> c: c_symbol; ")


def test_two_circles_that_become_one():
    graph = graph_of("ab", "ba", "cd", "dc", "bc")
    allowed = [row("a", "b"), row("c", "d")]
    assert not list(circles.problems(graph, allowed))
    (said,) = circles.problems(graph_of("ab", "ba", "cd", "dc", "bc", "da"), allowed)
    assert said.startswith("new in a circle: ")


def test_a_circle_that_was_taken_apart():
    graph = graph_of("ab", "ba", "bc")
    assert not list(circles.problems(graph, [row("a", "b")]))
    (said,) = circles.problems(graph, [row("a", "b", "c")])
    assert said.startswith("in no circle any more: c; take them out of ALLOWED")


def test_a_circle_that_fell_apart():
    """The parts of an allowed circle may be circles."""
    graph = graph_of("ab", "ba", "bc", "cd", "dc")
    assert not list(circles.problems(graph, [row("a", "b", "c", "d")]))


def test_list(capsys):
    circles.print_circles(graph_of("ab", "bc", "ca", "ad"))
    said = capsys.readouterr().out
    assert "3 files in a circle" in said and "  a -> b: b_symbol\n" in said
    assert "    3  a -> b: b_symbol\n" in said
    assert said.endswith("3 of 4 files are in a circle\n")


def test_tree(objdir):
    assert not list(circles.problems(circles.uses(ROOT, objdir), circles.ALLOWED))
