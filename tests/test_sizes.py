"""tools/sizes.py: it reports files and folders that are too large, and the tree has none."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def check(root):
    return subprocess.run([sys.executable, ROOT / "tools/sizes.py", "--root", root],
                          capture_output=True, text=True, check=False)


def plant(root, path, lines=1):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("/* A line. */\n" * lines)


def test_long_file(tmp_path):
    plant(tmp_path, "kern/long.c", 501)
    plant(tmp_path, "tools/long.py", 600)
    plant(tmp_path, "vmm/short.S", 500)
    plant(tmp_path, "docs/long.md", 501)
    plant(tmp_path, "obj/kern/long.c", 501)
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "kern/long.c: 501 lines, expected at most 500; split it by subject",
        "tools/long.py: 600 lines, expected at most 500; split it by subject"]


def test_full_folder(tmp_path):
    for number in range(46):
        plant(tmp_path, f"vmm/file{number}.c")
        plant(tmp_path, f"guest/t/test{number}.S")
        plant(tmp_path, f"tests/unit/test{number}.c")
    for number in range(45):
        plant(tmp_path, f"kern/file{number}.h")
        plant(tmp_path, f"kern/sys/file{number}.h")
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stderr == ("vmm: 46 source files, expected at most 45; "
                             "move those of one subject to a folder of their own\n")


def test_tree():
    result = check(ROOT)
    assert (result.returncode, result.stderr) == (0, "")
