#!/usr/bin/python3
"""Finds the files of kern and vmm that call each other in a circle.

usage: tools/circles.py [--list] [--objdir DIR] [--nm NM]

A file uses another file if its object file needs a function or a variable that the other's object file
defines.  A call through a function pointer that is set at run time does not count.  Files that all use each
other, directly or by way of others, form a circle: none of them can be understood, tested or replaced
without the rest.

The circles must be those of ALLOWED: a new one is an error, and so is a file that has left its circle.
--list prints all circles, and the uses that keep them together.
"""

import argparse
import collections
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIRECTORIES = ("kern", "vmm")

# Circles that may be: the reason, and the files.
Allowed = collections.namedtuple("Allowed", "reason files")

ALLOWED = ()  # there is none
SOURCES = (".c", ".S")


class CirclesError(Exception):
    """The object files are missing; the text is for the user."""


def objects(root, objdir):
    """Returns {source, as a path from the top of the tree: its object file}."""
    sources = [path.relative_to(root) for name in DIRECTORIES for path in (root / name).rglob("*")
               if path.suffix in SOURCES]
    found = {str(source): objdir / source.with_suffix(".o") for source in sorted(sources)}
    missing = [path for path in found.values() if not path.exists()]
    if missing:
        raise CirclesError(f"{missing[0]} is not there: run `make` first")
    return found


def symbols(nm, path):
    """Returns the global symbols that an object file defines, and the ones that it needs."""
    done = subprocess.run([nm, "-g", str(path)], stdout=subprocess.PIPE, text=True, check=True)
    defined, needed = set(), set()
    for line in done.stdout.splitlines():
        kind, name = line.split()[-2:]
        (needed if kind in "Uwv" else defined).add(name)
    return defined, needed


def uses(root, objdir, nm="nm"):
    """Returns {file: {other file: sorted symbols of the other file that the first one uses}}."""
    known = {source: symbols(nm, path) for source, path in objects(root, objdir).items()}
    definer = {name: source for source, (defined, _) in known.items() for name in defined}
    graph = {}
    for source, (_, needed) in known.items():
        graph[source] = collections.defaultdict(list)
        for name in sorted(needed & definer.keys()):
            graph[source][definer[name]].append(name)
    return graph


def reachable(graph, start):
    """Returns all files that this one uses, directly or by way of others; itself only if it is in a circle."""
    found, waiting = set(), [start]
    while waiting:
        for other in graph[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def circles(graph):
    """Returns the sets of files that reach each other, the largest first."""
    reach = {file: reachable(graph, file) for file in graph}
    found = {frozenset(other for other in reach[file] if file in reach[other])
             for file in graph if file in reach[file]}
    return sorted(found, key=lambda circle: (-len(circle), min(circle)))


def without(graph, file, other):
    """Returns the graph without the uses of `other` by `file`."""
    return {**graph, file: {to: names for to, names in graph[file].items() if to != other}}


def members(graph):
    """Returns all files that are in a circle."""
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


def shortest_circle(graph, start):
    """Returns the files on a shortest way around a circle, with `start` at both ends."""
    came_from, waiting = {}, collections.deque([start])
    while start not in came_from:
        file = waiting.popleft()
        for other in graph[file]:
            if other not in came_from:
                came_from[other] = file
                waiting.append(other)
    way = [start]
    while len(way) == 1 or way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def describe(graph, way):
    """Returns a text with each use on a way, and one symbol of each."""
    return "; ".join(f"{file} -> {other}: {graph[file][other][0]}" for file, other in zip(way, way[1:]))


def problems(graph, allowed):
    """Yields lines of text: one for each circle with files that may not be in it, and one for each row of
    the table with files that are in no circle."""
    found = circles(graph)
    for circle in found:
        new = min((circle.difference(row.files) for row in allowed), key=len, default=circle)
        if new:
            way = shortest_circle(graph, min(new))
            yield (f"new in a circle: {', '.join(sorted(new))}: {describe(graph, way)}; turn one of these uses "
                   "around, by an argument or a call-back")
    for row in allowed:
        left = sorted(set(row.files).difference(*found))
        if left:
            yield f"in no circle any more: {', '.join(left)}; take them out of ALLOWED in tools/circles.py"


def parse_args():
    parser = argparse.ArgumentParser(description="finds files that call each other in a circle")
    parser.add_argument("--list", action="store_true",
                        help="print the circles and what keeps them together")
    parser.add_argument("--objdir", type=pathlib.Path, default=ROOT / "obj", help="what was built")
    parser.add_argument("--nm", default="nm")
    return parser.parse_args()


def main():
    args = parse_args()
    try:
        graph = uses(ROOT, args.objdir, args.nm)
    except CirclesError as error:
        sys.exit(f"circles: {error}")
    if args.list:
        print_circles(graph)
        return
    found = list(problems(graph, ALLOWED))
    for line in found:
        print(f"circles: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
