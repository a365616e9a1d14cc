#!/usr/bin/python3
"""Puts real output into README.md and docs: `make readme`.  usage: readme.py IMAGE FILE.md...

A comment says what to run, and the fenced block behind it is replaced by what that prints now:

    <!-- bochs: shell commands -->
    <!-- bochs --cpu zambezi: shell commands -->    with options of tools/run.py; qemu likewise
"""

import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- (bochs|qemu)([^:\n]*): (.*?) -->\n```\n).*?(^```\n)", re.S | re.M)


def output(emulator, options, commands):
    run = subprocess.run([sys.executable, ROOT / "tools" / "run.py", emulator, *shlex.split(options),
                          "--image", sys.argv[1], "--run", commands, "--timeout", "120"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         check=False)
    lines = [line.rstrip() for line in run.stdout.decode().replace("\r", "").split("\n")]
    return "\n".join(line for line in lines if not line.startswith("run.py: ")).strip("\n") + "\n"


def main():
    for name in sys.argv[2:]:
        path = pathlib.Path(name)
        path.write_text(BLOCK.sub(
            lambda m: m.group(1) + output(m.group(2), m.group(3), m.group(4)) + m.group(5),
            path.read_text()))


if __name__ == "__main__":
    main()
