#!/usr/bin/python3
"""Finds the files of kern and vmm that call each other in a circle.

usage: tools/circles.py --list [--objdir DIR] [--nm NM]

A file uses another if its object file needs a symbol that the other's object file defines: a function or
a variable.  A function pointer that is set at run time is no use.  Files from each of which a way leads to
each other one form a circle: none of them can be understood, tested or replaced without all the others.
"""

import argparse
import collections
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIRECTORIES = ("kern", "vmm")
SOURCES = (".c", ".S")


class CirclesError(Exception):
    """There is nothing to look at; the text is for the user."""


def objects(objdir):
    """{source, as a path from the top of the tree: its object file}"""
    sources = [path.relative_to(ROOT) for name in DIRECTORIES for path in (ROOT / name).rglob("*")
               if path.suffix in SOURCES]
    found = {str(source): objdir / source.with_suffix(".o") for source in sorted(sources)}
    missing = [path for path in found.values() if not path.exists()]
    if missing:
        raise CirclesError(f"{missing[0]} is not there: run `make` first")
    return found


def symbols(nm, path):
    """The global symbols that an object file defines, and those that it needs."""
    done = subprocess.run([nm, "-g", str(path)], stdout=subprocess.PIPE, text=True, check=True)
    defined, needed = set(), set()
    for line in done.stdout.splitlines():
        kind, name = line.split()[-2:]
        (needed if kind in "Uwv" else defined).add(name)
    return defined, needed


def uses(nm, objdir):
    """{file: {other file: sorted symbols of the other that it uses}}"""
    known = {source: symbols(nm, path) for source, path in objects(objdir).items()}
    definer = {name: source for source, (defined, _) in known.items() for name in defined}
    graph = {}
    for source, (_, needed) in known.items():
        graph[source] = collections.defaultdict(list)
        for name in sorted(needed & definer.keys()):
            graph[source][definer[name]].append(name)
    return graph


def reachable(graph, start):
    """All files to which a way leads from this one; itself only if it is in a circle."""
    found, waiting = set(), [start]
    while waiting:
        for other in graph[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def circles(graph):
    """The sets of files that reach each other, the largest first."""
    reach = {file: reachable(graph, file) for file in graph}
    found = {frozenset(other for other in reach[file] if file in reach[other])
             for file in graph if file in reach[file]}
    return sorted(found, key=lambda circle: (-len(circle), min(circle)))


def without(graph, file, other):
    """The graph without the uses of one file by another."""
    return {**graph, file: {to: names for to, names in graph[file].items() if to != other}}


def members(graph):
    """All files that are in a circle."""
    return set().union(*circles(graph))


def print_circles(graph):
    for circle in circles(graph):
        print(f"{len(circle)} files in a circle, and what they use of each other:")
        inside = {file: {other: names for other, names in graph[file].items() if other in circle}
                  for file in sorted(circle)}
        leaving = {}
        for file, others in inside.items():
            for other, names in others.items():
                print(f"  {file} -> {other}: {', '.join(names)}")
                leaving[file, other] = len(circle) - len(members(without(inside, file, other)))
        print("How many files would be in no circle any more without one of these uses:")
        for (file, other), count in sorted(leaving.items(), key=lambda item: -item[1]):
            if count:
                print(f"  {count:3}  {file} -> {other}: {', '.join(inside[file][other])}")
    print(f"{len(members(graph))} of {len(graph)} files are in a circle")


def parse_args():
    parser = argparse.ArgumentParser(description="finds files that call each other in a circle")
    parser.add_argument("--list", action="store_true", required=True,
                        help="print the circles and what keeps them together")
    parser.add_argument("--objdir", type=pathlib.Path, default=ROOT / "obj", help="what was built")
    parser.add_argument("--nm", default="nm")
    return parser.parse_args()


def main():
    args = parse_args()
    try:
        print_circles(uses(args.nm, args.objdir))
    except CirclesError as error:
        sys.exit(f"circles: {error}")


if __name__ == "__main__":
    main()
