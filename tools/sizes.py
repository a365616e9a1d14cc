#!/usr/bin/python3
"""Checks that source files, folders and the central structures stay small enough to be read.

usage: tools/sizes.py [--root DIR]
"""

import collections
import re

import treecheck

SUFFIXES = {".c", ".h", ".S", ".py", ".def"}
SKIPPED = {"obj", ".git"}
LINES_MAX = 500
FILES_MAX = 45
# Folders that nobody reads as a whole: each file stands alone.
ANY_NUMBER = {"guest/t", "tests/boot", "tests/unit"}
# The central structures: {(header, structure): the most members that it may have}.
MEMBERS_MAX = {("vmm/vcpu.h", "vcpu"): 20, ("vmm/ops.h", "hv_ops"): 30}

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
BRACKETS = re.compile(r"\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]")


def sources(root):
    """Yields the source files, as paths from the top of the tree."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.suffix in SUFFIXES and relative.parts[0] not in SKIPPED:
            yield relative


def count_members(text, name):
    """Returns how many direct members a structure has, or None if the text does not define it."""
    body = re.search(rf"^struct {name} \{{\n(.*?)^\}}", COMMENT.sub("", text), re.M | re.S)
    if not body:
        return None
    # Without what stands in brackets, a ; ends a declaration and a , separates its members.
    declarations, count = body[1], 1
    while count:
        declarations, count = BRACKETS.subn("", declarations)
    return declarations.count(";") + declarations.count(",")


def structure_problems(root):
    """Yields lines of text, one for each central structure that has too many members, or is gone."""
    for (header, name), most in MEMBERS_MAX.items():
        path = root / header
        members = count_members(path.read_text(), name) if path.exists() else None
        if members is None:
            yield f"{header}: there is no struct {name}; correct MEMBERS_MAX in tools/sizes.py"
        elif members > most:
            yield (f"{header}: struct {name} has {members} members, expected at most {most}; "
                   "put those of one subject into a structure of their own")


def file_problems(root):
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


def problems(root):
    yield from file_problems(root)
    yield from structure_problems(root)


if __name__ == "__main__":
    treecheck.main("sizes", "checks that files, folders and structures stay small", problems, "sizes exceed their limits")
