"""Runs a check of the source tree, for tools that each check one thing."""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(name, description, problems, verdict):
    """Checks the tree at --root.  problems(root) yields lines of text; if there are any, they are printed
    and the status is 1.  verdict: a text that goes behind their number."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    found = list(problems(parser.parse_args().root.resolve()))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        sys.exit(f"{name}: {len(found)} {verdict}")
