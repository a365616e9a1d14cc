#!/usr/bin/python3
"""Puts real output into the labs: `make readme`.  usage: labs.py IMAGE FILE.md...

A comment says what to do, and the fenced block behind the comment is replaced by the output:

    <!-- lab machine: qemu --run 'vm guest' -->     starts a machine, with options of run.py; no block
    <!-- lab gdb: ... -->        commands for gdb, as started by `make gdb`
    <!-- lab monitor: ... -->    commands for QEMU's monitor
    <!-- lab console: -->        what the machine has printed since the last such block
    <!-- lab terminal: ... -->   lines typed at the machine's terminal, to the machine or to Bochs's
                                 debugger; ^A c and ^] stand for these keys
    <!-- lab shell: ... -->      commands in the source tree
    <!-- lab run: qemu --run 'vm guest -c cpuid' -->    a machine, with options of run.py, to its end

There is one command on a line.  A line that begins with @ concerns the command before it:

    @name REGEX     must match; keeps the first group, for {name} in later commands
    @only REGEX     shows the lines that match, and `...` for the others
    @until REGEX    terminal: the output ends with this match, not when nothing more comes
    @from REGEX     run: shows the output from this line on
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pexpect

from sessions import ROOT, SECONDS, Debuggers

BLOCK = re.compile(r"(<!-- lab (\w+):(.*?)-->\n)(?:(```\w*\n).*?^(```\n))?", re.S | re.M)
KEYS = {"^A c": "\x01c", "^]": "\x1d"}
QUIET_SECONDS = 1.0
RUN_SECONDS = 300


class Lab:
    """The machine and the debuggers that the blocks of one file talk to."""

    def __init__(self, image):
        self.image = pathlib.Path(image).resolve()
        self.objdir = self.image.parent
        self.names = {}
        self.debuggers = self.child = None
        self.open = {}

    def close(self):
        if self.debuggers:
            self.debuggers.__exit__()
        if self.child:
            self.child.terminate()
            self.child.wait()
        self.debuggers = self.child = None
        self.open = {}

    def block(self, match):
        head, session, text, fence, end = match.groups()
        output = getattr(self, session)(text)
        if output is None:
            return head
        body = "\n".join(line.rstrip() for line in output.replace("\r", "").split("\n")).strip("\n")
        return head + (fence or "```\n") + body + "\n" + (end or "```\n")

    def machine(self, text):
        self.close()
        emulator, *options = shlex.split(text)
        flags = ("--debugger",)
        if emulator == "qemu":
            self.debuggers = Debuggers(self.objdir)
            flags = self.debuggers.flags
        self.child = pexpect.spawn(
            sys.executable,
            [str(ROOT / "tools" / "run.py"), emulator, "--image", str(self.image), "--timeout",
             str(RUN_SECONDS), *flags, *options], encoding="utf-8", timeout=SECONDS, echo=False)
        self.child.delaybeforesend = None
        if emulator == "bochs":
            self.child.expect(r"Next at t=0\r\n[^\n]*\n")

    def commands(self, text):
        """Returns [(command, {directive: value})].  {name} is still as written."""
        found = []
        for line in text.strip("\n").split("\n"):
            if line.startswith("@"):
                name, _, value = line[1:].partition(" ")
                found[-1][1][name] = value
            elif line.strip():
                found.append((line, {}))
        return found

    def each(self, text, prompt, run):
        """Runs the commands; returns the transcript."""
        shown = ""
        for command, directives in self.commands(text):
            command = re.sub(r"\{(\w+)\}", lambda m: self.names[m.group(1)], command)
            output = run(command, directives).replace("\r", "")
            only = directives.pop("only", None)
            directives.pop("until", None)
            for name, pattern in directives.items():
                kept = re.search(pattern, output, re.M)
                if not kept:
                    raise LookupError(f"`{command}` says nothing like {pattern}:\n{output}")
                self.names[name] = kept.group(1)
            if prompt:
                shown += f"{prompt}{command}\n"
            elif only:  # at a terminal the command is the output's first line
                first, _, output = output.partition("\n")
                shown += first + "\n"
            shown += select_lines(output, only).rstrip("\n") + "\n" if output.strip() else ""
        return shown

    def tool(self, name):
        if name not in self.open:
            self.open[name] = getattr(self.debuggers, name)()
        return self.open[name]

    def gdb(self, text):
        return self.each(text, "(gdb) ", lambda c, _: self.tool("gdb").command(c))

    def monitor(self, text):
        return self.each(text, "(qemu) ", lambda c, _: self.tool("monitor").command(c))

    def console(self, text):
        self.child.expect([pexpect.TIMEOUT], timeout=QUIET_SECONDS)
        output = "\n".join(line for line in self.child.before.replace("\r", "").split("\n")
                           if not line.startswith("run.py: "))
        self.child.expect(r"(?s).*")
        return output

    def terminal(self, text):
        return self.each(text, "", self.type)

    def type(self, line, directives):
        self.child.send(KEYS.get(line, line + "\r"))
        until = directives.get("until")
        if until:
            self.child.expect(until)
            return self.child.before + self.child.after
        output = ""
        for name, pattern in directives.items():  # a busy machine may be quiet before these come
            if name != "only":
                self.child.expect(re.compile(pattern, re.M))
                output += self.child.before + self.child.after
        self.child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=QUIET_SECONDS)
        output += self.child.before
        self.child.expect(r"(?s).*")
        return output

    def run(self, text):
        ((line, directives),) = self.commands(text)
        emulator, *options = shlex.split(line)
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "run.py"), emulator, "--image", str(self.image),
             "--timeout", str(RUN_SECONDS), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        output = done.stdout.decode(errors="replace").replace("\r", "")
        begin = re.search(directives.get("from", ""), output, re.M)
        if not begin:
            raise LookupError(f"`{line}` says nothing like {directives['from']}:\n{output}")
        return select_lines(output[begin.start():], directives.get("only"))

    def shell(self, text):
        def run(command, _):
            here = os.path.relpath(self.objdir, ROOT)
            return subprocess.run(command.replace("obj/", f"{here}/"), shell=True, cwd=ROOT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout
        return self.each(text, "$ ", run)


def select_lines(output, only):
    """Returns the lines that match, with `...` in place of the others."""
    if only is None:
        return output
    lines = []
    for line in output.strip("\n").split("\n"):
        if re.search(only, line):
            lines.append(line)
        elif not lines or lines[-1] != "...":
            lines.append("...")
    return "\n".join(lines)


def regenerate(image, text):
    lab = Lab(image)
    try:
        return BLOCK.sub(lab.block, text)
    finally:
        lab.close()


def main():
    for name in sys.argv[2:]:
        path = pathlib.Path(name)
        path.write_text(regenerate(sys.argv[1], path.read_text()))


if __name__ == "__main__":
    main()
