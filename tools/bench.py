#!/usr/bin/python3
"""Measures what exits cost on each emulator, beside KVM, targets and recorded figures.

The guest's command `bench` does the timing.  The results go to --output and are
compared with the recorded ones of docs/bench.tsv.  If compiler and emulator are the
recorded ones, a row that got slower by more than 2 % is a failure; else the
difference is only printed.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

import profile_exit
from beds import BEDS, ON_BOCHS

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "bench.tsv"
KVM = ROOT / "docs" / "bench-kvm.tsv"
TOLERANCE = 0.02
SLOWER_BEDS = 1.5  # the other beds may take so many times the target
TIMEOUT = 300  # seconds, for one bed

MEMORY = profile_exit.MEMORY

EMULATOR_PACKAGE = {"bochs": "bochs", "qemu": "qemu-system-x86"}

ROWS = {
    "cpuid_0": "CPUID leaf 0",
    "cpuid_4fffffff": "CPUID leaf 4FFFFFFFh, total exits",
    "hypercall": "hypercall, unknown number",
    "yield": "hypercall that yields, alone",
    "switch": "switch from one VM to another",
    "rdmsr": "RDMSR, emulated (1Bh)",
    "wrmsr": "WRMSR, emulated (8Bh)",
    "cr0": "MOV to CR0 that exits",
    "out": "OUT to the monitor",
    "in": "IN from the monitor",
    "outs_byte": "rep OUTS, a byte",
    "mmio_write": "device memory, write, to the monitor",
    "mmio_read": "device memory, read, from the monitor",
    "irq": "interrupt, from STI to handler",
    "hlt": "HLT with the wake-up pending",
    "hlt_timer": "HLT ended by the timer, latency",
    "touch_4k_present": "nested fault, 4 KiB, present",
    "touch_4k": "nested fault, 4 KiB, allocated",
    "touch_2m_present": "nested fault, 2 MiB, present",
    "touch_2m": "nested fault, 2 MiB, allocated",
}

# Shell commands, and {row of `bench`: row of the results}.
RUNS = [
    (f'vm guest -q -m {MEMORY} -c bench',
     {name: name for name in ROWS if name != "switch" and not name.endswith("_present")}),
    (f'vm guest -q -m {MEMORY} -p -c bench',
     {"touch_4k": "touch_4k_present", "touch_2m": "touch_2m_present"}),
    # The first VM still yields when the second is done.
    ("together \"vm guest -q -c 'bench yield 10000'\" \"vm guest -q -c 'bench switch'\"",
     {"switch": "switch"}),
]

ROW = re.compile(r"^(\w+)" + r" +(\d+)" * 8 + "$", re.M)
COLUMNS = ["bed", "row", "median", "min", "p95", "vmreads", "vmwrites"]


class BenchError(Exception):
    """There are no figures; the text is for the user."""


@dataclasses.dataclass
class Figures:
    """One row: ticks of an operation; VMREADs and VMWRITEs of an exit."""
    median: float
    min: float
    p95: float
    vmreads: float
    vmwrites: float

    @classmethod
    def of_counts(cls, runs, per, median, low, p95, exits, vmreads, vmwrites):
        del runs
        return cls(median / per, low / per, p95 / per, vmreads / exits, vmwrites / exits)


def parse_guest(text):
    """Returns {row: Figures} from what one guest's `bench` printed."""
    return {name: Figures.of_counts(*map(int, numbers)) for name, *numbers in ROW.findall(text)}


def run_bed(bed, image):
    """Measures all rows on one bed; returns {row: Figures}."""
    rows = {}
    for command, names in RUNS:
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "run.py"), *BEDS[bed].arguments(exact=True),
             "--image", str(image),
             "--timeout", str(TIMEOUT), "--run", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False)
        output = done.stdout.replace("\r", "")
        found = parse_guest(output)
        if done.returncode or not names.keys() <= found.keys():
            tail = "\n".join(output.rstrip().split("\n")[-10:])
            raise BenchError(f"{bed}: `{command}` ended with status {done.returncode} and "
                             f"{len(found)} rows, the console's end:\n{tail}")
        rows |= {ours: found[name] for name, ours in names.items()}
    return {name: rows[name] for name in ROWS}


def read_tsv(path):
    """Returns the comments {name: value} and the rows [{column: text}]; ({}, []) if there is no such file."""
    comments, rows, head = {}, [], None
    for line in path.read_text().split("\n") if path.exists() else []:
        if line.startswith("#"):
            name, _, value = line[1:].strip().partition(": ")
            comments[name] = value
        elif head is None:
            head = line.split("\t")
        elif line:
            rows.append(dict(zip(head, line.split("\t"))))
    return comments, rows


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return done.stdout.split("\n", 1)[0].strip() or "unknown"


def versions(compiler):
    """Returns the versions of compiler and emulators, on which the figures depend."""
    found = {"compiler": first_line([*compiler.split(), "--version"])}
    for emulator, package in EMULATOR_PACKAGE.items():
        found[emulator] = (first_line(["dpkg-query", "-W", "-f", "${Version}", package])
                           if shutil.which("dpkg-query") else "unknown")
    return found


def number(value):
    return f"{value:.0f}" if value >= 1000 or value == int(value) else f"{value:.1f}"


def write_tsv(path, results, found):
    lines = [f"# {name}: {value}" for name, value in found.items()]
    lines.append("\t".join(COLUMNS))
    for bed, rows in results.items():
        for name, figures in rows.items():
            values = [f"{value:.4g}" if value < 1000 else f"{value:.0f}"
                      for value in dataclasses.astuple(figures)]
            lines.append("\t".join([bed, name, *values]))
    path.write_text("\n".join(lines) + "\n")


def read_kvm():
    """Returns KVM's figures and our targets: {row: {column: number or None}}."""
    _, rows = read_tsv(KVM)
    return {row.pop("row"): {column: None if value == "-" else int(value)
                             for column, value in row.items()} for row in rows}


def target_of(known, bed):
    target = known.get("target")
    return target if target is None or bed == "bochs-vmx" else target * SLOWER_BEDS


def verdict(figures, known, bed):
    """Returns whether the figures meet the target: "met", "missed", or "" without a target."""
    target = target_of(known, bed)
    if target is None:
        return ""
    met = figures.median <= target
    if bed == "bochs-vmx":
        for counted, column in ((figures.vmreads, "reads"), (figures.vmwrites, "writes")):
            met = met and (known[column] is None or round(counted, 1) <= known[column])
    return "met" if met else "missed"


def table_line(bed, name, figures, known):
    counts = ["-", "-"]
    if bed.endswith("vmx"):
        counts = [f"{figures.vmreads:.1f}", f"{figures.vmwrites:.1f}"]
    kvm, target = known.get(bed), target_of(known, bed)
    return [bed, ROWS[name], number(figures.median), number(figures.min), number(figures.p95),
            *counts, "-" if kvm is None else str(kvm),
            "-" if kvm is None else f"{kvm / figures.median:.1f}",
            "-" if target is None else number(target), verdict(figures, known, bed)]


HEAD = ["back end", "exit", "median", "min", "p95", "VMREADs", "VMWRITEs", "KVM", "ratio", "target",
        ""]


def print_table(lines, words):
    """Prints a table.  words: the columns that are aligned to the left; numbers go to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        cells = [text.ljust(width) if i in words else text.rjust(width)
                 for i, (text, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def print_results(results):
    known = read_kvm()
    lines = [HEAD]
    for bed, rows in results.items():
        lines += [table_line(bed, name, figures, known.get(name, {}))
                  for name, figures in rows.items()]
    print_table(lines, words={0, 1, len(HEAD) - 1})
    print("Ticks are instructions that the emulator counts; VMREADs and VMWRITEs are per exit, on "
          "VMX.\nKVM: docs/bench-kvm.tsv; ratio: how many times as much it takes.")


def print_split(objdir):
    """Prints what a CPUID exit's instructions are for, as Bochs's debugger counts them."""
    parts = [part for part in profile_exit.CATEGORIES if part not in ("kernel", "monitor")]
    lines = [["CPUID leaf 0", *parts, "sum"]]
    for bed in ON_BOCHS:
        functions = profile_exit.profile(objdir, "cpuid_0", cpu=BEDS[bed].cpu)
        split = profile_exit.by_category(functions)
        lines.append([bed, *(str(split[part]) for part in parts), str(sum(split.values()))])
    print()
    print_table(lines, words={0})
    print("Instructions of the host from one VM exit to the next, by what they are for.")


def compare(results, found):
    """Prints what changed since the record; returns the rows that are a failure."""
    if not RECORD.exists():
        print(f"\nNo recorded figures to compare with: {RECORD.relative_to(ROOT)} is not there; "
              "`make bench RECORD=1` writes it.")
        return []
    recorded, rows = read_tsv(RECORD)
    before = {(row["bed"], row["row"]): float(row["median"]) for row in rows}
    regressions, lines = [], [["back end", "exit", "recorded", "now", "change", ""]]
    for bed, figures in results.items():
        same = all(recorded.get(name) == found[name] for name in ("compiler", BEDS[bed].emulator))
        for name, now in figures.items():
            old = before.get((bed, name))
            if old is None or f"{old:.4g}" == f"{now.median:.4g}":
                continue
            change = now.median / old - 1
            worse = same and now.median - old > old * TOLERANCE
            if worse:
                regressions.append(f"{bed} {name}")
            lines.append([bed, ROWS[name], number(old), number(now.median), f"{change:+.1%}",
                          "REGRESSION" if worse else ""])
    print()
    for name, value in found.items():
        if recorded.get(name) != value:
            print(f"{name} differs from the recorded one: {value}, not {recorded.get(name)}")
    if len(lines) == 1:
        print("All medians are those recorded.")
        return []
    print_table(lines, words={0, 1, 5})
    return regressions


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objdir", default="obj", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, help="default: OBJDIR/bench.tsv")
    parser.add_argument("--compiler", default=os.environ.get("CC", "gcc"))
    parser.add_argument("--bed", choices=BEDS, action="append", help="only this one")
    parser.add_argument("--record", action="store_true", help="write docs/bench.tsv too")
    return parser.parse_args()


def main():
    args = parse_args()
    found = versions(args.compiler)
    beds = args.bed or list(BEDS)
    image = args.objdir / "nestling.img"
    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            results = dict(zip(beds, pool.map(lambda bed: run_bed(bed, image), beds)))
        print_results(results)
        if not args.bed:
            print_split(args.objdir)
        write_tsv(args.output or args.objdir / "bench.tsv", results, found)
        regressions = compare(results, found)
        if args.record:
            write_tsv(RECORD, results, found)
    except (BenchError, profile_exit.ProfileError) as error:
        sys.exit(f"bench.py: {error}")
    if regressions and not args.record:
        sys.exit(f"bench.py: slower by more than {TOLERANCE:.0%}: {', '.join(regressions)}")


if __name__ == "__main__":
    main()
