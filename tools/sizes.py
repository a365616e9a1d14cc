#!/usr/bin/python3
"""Checks that source files and folders stay small enough to be read.

usage: tools/sizes.py [--root DIR]
"""

import argparse
import collections
import pathlib
import sys

SUFFIXES = {".c", ".h", ".S", ".py", ".def"}
SKIPPED = {"obj", ".git"}
LINES_MAX = 500
FILES_MAX = 45
# Folders that nobody reads as a whole: each file stands alone.
ANY_NUMBER = {"guest/t", "tests/boot", "tests/unit"}


def sources(root):
    """Yields the source files, as paths from the top of the tree."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.suffix in SUFFIXES and relative.parts[0] not in SKIPPED:
            yield relative


def problems(root):
    """Yields lines of text, one for each file and each folder that is too large."""
    folders = collections.Counter()
    for path in sources(root):
        folders[path.parent.as_posix()] += 1
        lines = (root / path).read_text().count("\n")
        if lines > LINES_MAX:
            yield f"{path}: {lines} lines, expected at most {LINES_MAX}; split it by subject"
    for folder, files in folders.items():
        if files > FILES_MAX and folder not in ANY_NUMBER:
            yield (f"{folder}: {files} source files, expected at most {FILES_MAX}; "
                   "move those of one subject to a folder of their own")


def main():
    parser = argparse.ArgumentParser(description="checks that files and folders stay small")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(parser.parse_args().root))
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
