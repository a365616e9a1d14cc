#!/usr/bin/python3
"""Turns what `make -n` would run (standard input) into compile_commands.json."""

import json
import os
import shlex
import sys

SOURCES = (".c", ".S")


def entries(lines, directory):
    """Yields an entry for each line that compiles a source file."""
    for line in lines:
        try:
            words = shlex.split(line)
        except ValueError:  # a shell construct, not a compiler's command line
            continue
        files = [word for word in words if word.endswith(SOURCES)]
        if "-c" in words and "-o" in words and len(files) == 1 and os.path.exists(files[0]):
            yield {"directory": directory, "file": files[0], "arguments": words,
                   "output": words[words.index("-o") + 1]}


def main():
    json.dump(list(entries(sys.stdin, os.getcwd())), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
