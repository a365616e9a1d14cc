#!/usr/bin/python3
"""Draws which exits there are and what they cost: `make plots`.

Runs a guest on each bed and reads `exits --tsv`, `exits --hist` and `trace --tsv`.  Writes
tables of figures to --data, of which gnuplot makes the pictures (tools/plots/*.gp).
"""

import collections
import pathlib
import subprocess
import sys

import recording
from beds import BEDS, ON_BOCHS

GNUPLOT = recording.ROOT / "tools" / "plots"
# Makes each kind of exit that a common guest makes, some hundred times.
WORK = ('vm guest -q -c "cpuid 500; io; hlt; touch; int; bench rdmsr 300; bench wrmsr 200; '
        'bench cr0 100"')
BOOT = 'vm guest -q --trace=4096 -c " "'
HISTOGRAMS = ["IO_INSTRUCTION", "CPUID", "EPT_VIOLATION", "VMCALL", "RDMSR", "WRMSR", "CR_ACCESS",
              "HLT", "EXTERNAL_INTERRUPT"]
BOOT_BINS = 72
BOOT_KINDS = ["IO_INSTRUCTION", "EPT_VIOLATION", "CPUID", "CR_ACCESS"]
KERNEL = 0xffffffffc0100000  # guest/kernel/kernel.ld; boot sector and loader are below


class Bed:
    """The figures of one bed."""

    def __init__(self, bed, image):
        self.name = BEDS[bed].title
        asked = "; ".join(f"exits --hist {kind} --tsv" for kind in HISTOGRAMS)
        exits, _, _, *histograms = recording.tables(recording.run(
            image, f"{WORK}; exits --tsv; {asked}", bed=bed))
        self.exits = {row["name"]: {name: int(row[name]) for name in ("count", "cycles", "monitor")}
                      for row in exits if row["name"] != "total" and int(row["count"])}
        self.histograms = {kind: {int(row["from"]): int(row["count"]) for row in rows}
                           for kind, rows in zip(HISTOGRAMS, histograms, strict=True)}
        (self.boot,) = recording.record(image, BOOT, bed=bed)


def write(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


def sorted_kinds(beds, column):
    """Returns the kinds of exits of all beds, the least first: the first row of a table is drawn lowest."""
    kinds = {kind for bed in beds for kind in bed.exits}
    return sorted(kinds, key=lambda kind: max(bed.exits[kind][column] for bed in beds
                                              if kind in bed.exits))


def data_exits(beds, data):
    """Writes rows of: kind; then count, cycles and monitor for each bed, or NaN if the kind did not come."""
    for name, column in (("counts", "count"), ("cycles", "cycles")):
        nothing = dict.fromkeys(("count", "cycles", "monitor"), "NaN")
        write(data / f"{name}.tsv",
              [[kind, *(value for bed in beds for value in bed.exits.get(kind, nothing).values())]
               for kind in sorted_kinds(beds, column)])


def data_costs(beds, data):
    """Writes rows of: bed, row, kind, log2 of the bucket, share of the kind's exits.  Writes the names of
    the rows, too."""
    kinds = [kind for kind in reversed(HISTOGRAMS) if any(bed.histograms[kind] for bed in beds)]
    rows = []
    for number, bed in enumerate(beds):
        for row, kind in enumerate(kinds):
            total = sum(bed.histograms[kind].values())
            rows += [[number, row, kind, bucket.bit_length() - 1, count / total]
                     for bucket, count in bed.histograms[kind].items() if count]
    write(data / "costs.tsv", rows)
    write(data / "costs-kinds.tsv", [[kind] for kind in kinds])


def who(one):
    """Returns whose code made an exit."""
    return "kernel" if int(one.rip, 0) >= KERNEL else "boot sector and loader"


def data_boot(beds, data):
    """Writes a file for each bed, with a row for each bin of time: its middle, then the number of exits of
    each kind, and of all others.  Writes when each program begins, too.  Time begins with the first exit,
    in millions of ticks."""
    span = max(vm.exits[-1].tsc - vm.exits[0].tsc for vm in (bed.boot for bed in beds))
    width = span // BOOT_BINS + 1
    for number, bed in enumerate(beds):
        bins, phases = collections.Counter(), {}
        for one in bed.boot.exits:
            at = one.tsc - bed.boot.exits[0].tsc
            bins[at // width, one.exit if one.exit in BOOT_KINDS else "others"] += 1
            phases.setdefault(who(one), at / 1e6)
        write(data / f"boot{number}.tsv",
              [[(at + 0.5) * width / 1e6, *(bins[at, kind] for kind in [*BOOT_KINDS, "others"])]
               for at in range(BOOT_BINS)])
        write(data / f"phases{number}.tsv", phases.items())


PICTURES = {"counts": data_exits, "cycles": data_exits, "costs": data_costs, "boot": data_boot}


def draw(name, beds, data, output):
    settings = "".join(f"bed{i} = '{bed.name}'; " for i, bed in enumerate(beds))
    settings += (f"beds = {len(beds)}; data = '{data}'; kinds = '{' '.join(BOOT_KINDS)} others'; "
                 f"output = '{output}'")
    subprocess.run(["gnuplot", "-e", settings, "-c", str(GNUPLOT / f"{name}.gp")], check=True,
                   cwd=GNUPLOT)


def parse_args():
    parser = recording.report_arguments(__doc__, "one or two")
    parser.add_argument("--data", default="obj/plots", type=pathlib.Path)
    parser.add_argument("--output", default="docs/img", type=pathlib.Path)
    return parser.parse_args()


def main():
    args = parse_args()
    for directory in (args.data, args.output):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        beds = [Bed(bed, args.image) for bed in args.beds or ON_BOCHS]
    except recording.RecordingError as error:
        sys.exit(f"plots.py: {error}")
    for make_data in dict.fromkeys(PICTURES.values()):
        make_data(beds, args.data)
    for name in PICTURES:
        path = args.output / f"{name}.svg"
        draw(name, beds, args.data.resolve(), path.resolve())
        print(path)


if __name__ == "__main__":
    main()
