#!/usr/bin/python3
"""Takes the flushes out of the code, one by one, and checks that a test fails each time.

usage: tools/mutants.py [--objdir DIR] [--only WORD] [--short] [--list]

Emulators flush their TLBs at every world switch and keep no VMCS in a processor, so a missing
flush or VMCLEAR breaks nothing there.  So the kernel keeps records, and panics if a flush is missing
(kern/mem/tlb.h, vmm/vtlb.c).  tools/mutantlist.py lists every such place: the change, and the test that
must fail.  Each mutant is built in a copy of the tree, and its test is run.  Before that, each test is run
once on the tree as it is, where it must pass.

The status is 1 if a mutant survives, and 2 if the list does not fit the code.
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from mutantlist import MUTANTS, TESTS

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD_SECONDS = 300
COPIED = ("GNUmakefile", "boot", "guest", "inc", "kern", "lib", "tests", "tools", "user", "vmm")

# state: PASSED, FAILED or NOT_BUILT; said: the reason.
PASSED, FAILED, NOT_BUILT = "passes", "fails", "does not build"
Result = collections.namedtuple("Result", "state said")


def mutate(text, mutant):
    """Returns the file's text with the mutant's change.  Raises ValueError unless the old text stands there
    exactly once."""
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has this {text.count(mutant.old)} times, "
                         f"not once:\n{mutant.old}")
    return text.replace(mutant.old, mutant.new)


def check_list():
    """Checks that each mutant's text stands in the code; returns the errors."""
    errors = []
    for mutant in MUTANTS:
        try:
            mutate((ROOT / mutant.file).read_text(), mutant)
        except ValueError as error:
            errors.append(str(error))
    return errors


class Copy:
    """A copy of the tree with its own object directory, in which only what changes is rebuilt."""

    def __init__(self, where, objdir):
        self.tree, self.objdir = where / "tree", where / "obj"
        self.tree.mkdir()
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, self.tree / name)
        if (ROOT / objdir).exists():
            shutil.copytree(ROOT / objdir, self.objdir)
        for depends in self.objdir.rglob("*.d"):  # they name the object directory that make knew
            depends.write_text(re.sub(rf"(?m)(^|\s){re.escape(objdir)}/", rf"\1{self.objdir}/",
                                      depends.read_text()))

    def make(self, target):
        """Builds a target; returns the compiler's first error, or None."""
        done = subprocess.run(
            ["make", "-s", "-j2", f"OBJDIR={self.objdir}", target], cwd=self.tree,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BUILD_SECONDS)
        error = re.search(r"error: .*", done.stdout)
        return None if done.returncode == 0 else error[0] if error else "error: make failed"

    def run(self, test):
        """Builds what the test needs, and runs the test."""
        error = self.make(str(self.objdir / test.target) if test.target else "all")
        if error:
            return Result(NOT_BUILT, error)
        command = [str(self.objdir / test.target)] if test.target else [
            sys.executable, "tools/run.py", *test.options, "--image",
            str(self.objdir / "nestling.img"), "--timeout", str(test.seconds), "--run", test.run]
        done = subprocess.run(command, cwd=self.tree, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode(errors="replace").replace("\r", "")
        said = re.search(r"nestling: panic: (.*)|^(FAIL .*)|^(audit: [a-z-]+: .*)"
                         r"|(\w+\.c:\d+: error: .*)|(Assertion .*)|(run\.py: .*)", output, re.M)
        return Result(FAILED if done.returncode else PASSED,
                      next(filter(None, said.groups())) if said else f"status {done.returncode}")

    def try_mutant(self, mutant):
        path = self.tree / mutant.file
        before = path.read_text()
        path.write_text(mutate(before, mutant))
        try:
            return self.run(TESTS[mutant.test])
        finally:
            path.write_text(before)


def run_all(mutants, objdir):
    """Tries all mutants and prints a table.  Returns how many survive, plus how many tests fail without a
    mutant."""
    survivors = broken = 0
    with tempfile.TemporaryDirectory(prefix="mutants.") as where:
        copy = Copy(pathlib.Path(where), objdir)
        for name in dict.fromkeys(m.test for m in mutants):
            result = copy.run(TESTS[name])
            broken += result.state != PASSED
            print(f"{'unchanged':24} {name:17} {result.state}"
                  + (f": {result.said}" if result.state != PASSED else ""), flush=True)
        for mutant in mutants if not broken else ():
            result = copy.try_mutant(mutant)
            survivors += result.state != FAILED
            verdict = {PASSED: "SURVIVED", FAILED: f"killed: {result.said}",
                       NOT_BUILT: f"SURVIVED, for it does not build: {result.said}"}[result.state]
            print(f"{mutant.name:24} {mutant.test:17} {verdict}", flush=True)
    if broken:
        print(f"mutants: {broken} tests fail on the code as it is")
    else:
        print(f"mutants: {len(mutants) - survivors} killed, {survivors} survived")
    return survivors + broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--objdir", default=os.environ.get("OBJDIR", "obj"),
                        help="what was built, to start from")
    parser.add_argument("--only", default="", metavar="WORD",
                        help="those with this in the name or that test")
    parser.add_argument("--short", action="store_true", help="a few that take no emulator")
    parser.add_argument("--list", action="store_true", help="print the list and check it")
    args = parser.parse_args()
    errors = check_list()
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 2
    mutants = [m for m in MUTANTS if args.only in (m.test, "") or args.only in m.name]
    if args.short:
        mutants = [m for m in mutants if TESTS[m.test].target][:3]
    if args.list:
        for m in mutants:
            print(f"{m.name:24} {m.test:17} {m.file}: {m.why}")
        return 0
    return 1 if run_all(mutants, args.objdir) else 0


if __name__ == "__main__":
    sys.exit(main())
