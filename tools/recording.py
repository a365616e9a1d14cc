"""Runs VMs and reads their accounts: the tables of `exits --tsv`, and the flight recorders of
`trace --all --tsv` with their timeline."""

import argparse
import dataclasses
import pathlib
import subprocess
import sys

from beds import BEDS, ON_BOCHS

ROOT = pathlib.Path(__file__).resolve().parent.parent
STATES = ["guest", "handler", "monitor", "halted", "paused", "waiting"]
AWAY = "away"  # in one of the last four states, but nobody knows in which: see user/trace.c
VCPU_COLUMNS = ["vm", "vcpus", "vcpu", "name", "hz", "exits", "wall", *STATES]
FIRST_COLUMNS = {"reason", "time", "from", "exit", "number", "vm", "memory"}  # how a table begins
EXIT_COLUMNS = ["number", "tsc", "exit", "raw", "rip", "qualification", "key", "action", "cycles",
                "away", "spent"]


class RecordingError(Exception):
    """There is no recording; the text is for the user."""


@dataclasses.dataclass
class Exit:
    """One VM exit.  Times are ticks of the host's time-stamp counter."""
    number: int
    tsc: int
    exit: str
    raw: str
    rip: str
    qualification: str
    key: str
    action: str
    cycles: int
    away: int
    spent: list  # (state, ticks) of the time away, in order

    @classmethod
    def parse(cls, cells):
        values = dict(zip(EXIT_COLUMNS, cells))
        for name in ("number", "tsc", "cycles", "away"):
            values[name] = int(values[name])
        return cls(**values | {"spent": parse_spent(values["spent"])})


@dataclasses.dataclass
class Slice:
    """A span of time in which a vCPU was in one state.  exit: the one that is handled, or that came before."""
    state: str
    begin: int
    end: int
    exit: Exit | None = None


@dataclasses.dataclass
class Vcpu:
    """A vCPU's recorder, which has its last exits, and its accounts, which count all exits."""
    vm: int
    siblings: int  # number of the VM's vCPUs, this one included
    index: int
    name: str  # of the VM
    hz: int
    total: int  # number of all exits
    wall: int
    times: dict  # {state: ticks}
    exits: list  # the recorded ones, without gaps
    start: list | None = None  # slices before the first exit, if recorded

    @property
    def title(self):
        """The vCPU's name, for messages."""
        return f"VM {self.vm}" + (f" vCPU {self.index}" if self.siblings > 1 else "")

    @property
    def lost(self):
        """The number of exits that the recorder had no room for."""
        return self.total - len(self.exits)

    def slices(self):
        """Returns the vCPU's time as slices without gaps: all of it, or from the first recorded exit on."""
        found = list(self.start or ())
        at = found[-1].end if found else None
        for one in self.exits:
            if at is not None:
                found.append(Slice("guest", at, one.tsc, one))
            at = one.tsc + one.cycles
            found.append(Slice("handler", one.tsc, at, one))
            for state, ticks in one.spent:
                found.append(Slice(state, at, at + ticks, one))
                at += ticks
        return found

    def check(self):
        """Raises RecordingError if the timeline contradicts the accounts."""
        if not self.exits:
            return
        numbers = [one.number for one in self.exits]
        if numbers != list(range(self.lost, self.total)):
            raise RecordingError(f"{self.title}: there are {self.total} exits, but the rows are "
                                 f"not the last {len(self.exits)} of them")
        for one in self.exits:
            if sum(ticks for _, ticks in one.spent) != one.away:
                raise RecordingError(f"{self.title}: exit {one.number} was away for {one.away} "
                                     "ticks, but its parts are not")
        if self.start is None:
            return
        sums = dict.fromkeys([*STATES, AWAY], 0)
        for part in self.slices():
            sums[part.state] += part.end - part.begin
        if not sums[AWAY] and any(sums[state] != self.times[state] for state in STATES):
            raise RecordingError(f"{self.title}: the exits give {sums}, the accounts {self.times}")


def parse_spent(text):
    return [(state, int(ticks)) for state, _, ticks in
            (part.partition(":") for part in text.split(",") if text != "-")]


def parse_start(cells):
    """Returns the slices before the first exit."""
    values = dict(zip(EXIT_COLUMNS, cells))
    at, found = int(values["tsc"]), []
    for state, ticks in parse_spent(values["spent"]):
        found.append(Slice(state, at, at + ticks))
        at += ticks
    return found


def parse(output):
    """Returns the vCPUs in a console's text, each checked, sorted by VM and index."""
    vcpus, lines = [], iter(output.replace("\r", "").split("\n"))
    for line in lines:
        cells = line.split("\t")
        if cells == VCPU_COLUMNS:
            vm, siblings, index, name, *numbers = next(lines, "").split("\t")
            hz, total, wall, *times = map(int, numbers)
            vcpus.append(Vcpu(int(vm), int(siblings), int(index), name, hz, total, wall,
                              dict(zip(STATES, times)), []))
        elif vcpus and len(cells) == len(EXIT_COLUMNS) and cells != EXIT_COLUMNS:
            if cells[0] == "-":
                vcpus[-1].start = parse_start(cells)
            else:
                vcpus[-1].exits.append(Exit.parse(cells))
    for vcpu in vcpus:
        vcpu.check()
    return sorted(vcpus, key=lambda vcpu: (vcpu.vm, vcpu.index))


def tables(output):
    """Returns each table that `--tsv` printed, as a list of rows {name in the table's first line: text}."""
    found, columns = [], None
    for line in output.split("\n"):
        cells = line.split("\t")
        if cells[0] in FIRST_COLUMNS and len(cells) > 1:
            columns = cells
            found.append([])
        elif columns and len(cells) == len(columns):
            found[-1].append(dict(zip(columns, cells)))
        else:
            columns = None
    return found


def arguments(doc):
    """Returns a parser of a tool's arguments, which knows --image."""
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="obj/nestling.img", type=pathlib.Path)
    return parser


def report_arguments(doc, how_many):
    """Returns a parser for a tool that compares beds, args.beds.  how_many: a text for the help."""
    parser = arguments(doc)
    parser.add_argument("--bed", choices=BEDS, action="append", dest="beds",
                        help=f"{how_many}; {' and '.join(ON_BOCHS)} if not given")
    return parser


def run_arguments(doc, commands):
    """Returns a parser for a tool that looks at one run, by default of these commands."""
    parser = arguments(doc)
    parser.add_argument("--bed", choices=BEDS, default="bochs-vmx")
    parser.add_argument("--cpu", help="CPU model, by the emulator's own name")
    parser.add_argument("--run", default=commands, metavar="COMMANDS")
    return parser


def run(image, commands, *, bed, cpu=None, timeout=600):
    """Runs shell commands on a bed; returns the console's text.  All commands must succeed."""
    options = [*BEDS[bed].arguments(exact=True), *(("--cpu", cpu) if cpu else ())]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run.py"), *options, "--image", str(image),
         "--timeout", str(timeout), "--run", commands],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False)
    output = done.stdout.replace("\r", "")
    if done.returncode:
        tail = "\n".join(output.rstrip().split("\n")[-10:])
        raise RecordingError(f"{bed}: `{commands}` ended with status {done.returncode}, the "
                             f"console's end:\n{tail}")
    return output


def record(image, commands, **options):
    """Runs shell commands; returns the vCPUs of the VMs that ended last."""
    vcpus = parse(run(image, f"{commands}; trace --all --tsv", **options))
    if not vcpus:
        raise RecordingError(f"`{commands}` ran no VM; try `vm guest -q --trace=16384 -c io`")
    return vcpus
