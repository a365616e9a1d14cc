#!/usr/bin/python3
"""Compares nested with shadow paging: `make paging-report`.

Runs a guest with the same commands in both ways, on VMX and on SVM.  Prints which exits come and which go,
beside those of Linux on KVM; then the exits, ticks and memory that each workload takes.
"""

import collections
import concurrent.futures
import dataclasses
import re
import sys

import bench
import recording
from beds import BEDS, ON_BOCHS

REFERENCE = bench.ROOT / "docs" / "reference-paging.tsv"
PAGINGS = ["nested", "shadow"]
NO_CACHE = "shadow,nocache"  # all shadow tables are made anew when the guest loads CR3
# {workload: commands of the guest}.  The costs of the boot are subtracted from those of the others.
WORKLOADS = {"boot": " ", "procs": "procs 30", "pgfault": "pgfault", "mem": "mem 4"}
NO_CACHE_WORKLOADS = ["boot", "procs"]
CACHE_TARGET = 1 / 3  # the most exits that procs may take, in those that it takes without a cache
TOTAL = "-"  # stands for the reason in the row of totals
ANSWER = re.compile(r"^\w+: .*checksum [0-9a-f]{8}$", re.M)


class PagingError(Exception):
    """There is no report; the text is for the user."""


@dataclasses.dataclass
class Account:
    """What a workload cost."""
    exits: collections.Counter  # by (reason, name), both texts
    ticks: int  # in the guest and in exit handlers
    tables: int  # page tables, in KiB

    @classmethod
    def parse(cls, output):
        exits, times, memory = recording.tables(output)
        ticks = {row["time"]: int(row["ticks"]) for row in times}
        counts = {(row["reason"], row["name"]): int(row["count"])
                  for row in exits if row["name"] != "total"}
        return cls(collections.Counter(counts), ticks["guest"] + ticks["handler"],
                   int(memory[0]["pages"]) * 4)

    def after(self, boot):
        return Account(self.exits - boot.exits, self.ticks - boot.ticks, self.tables)


def measure(image, bed, paging):
    """Returns {workload: Account}, and the set of lines with the results that the workloads printed."""
    names = NO_CACHE_WORKLOADS if paging == NO_CACHE else WORKLOADS
    output = recording.run(image, "; ".join(
        f"echo @{name}; vm guest -q --paging={paging} -c '{WORKLOADS[name]}'; exits --tsv"
        for name in names), bed=bed)
    _, *parts = re.split(r"^@(\w+)$", output, flags=re.M)
    accounts = {name: Account.parse(text) for name, text in zip(parts[::2], parts[1::2])}
    boot = accounts["boot"]
    return ({name: account if name == "boot" else account.after(boot)
             for name, account in accounts.items()}, set(ANSWER.findall(output)))


def measure_all(image, beds):
    """Returns {bed: {paging: {workload: Account}}}, and the lines with the results, which all runs share."""
    runs = [(bed, paging) for bed in beds for paging in [*PAGINGS, NO_CACHE]]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda run: measure(image, *run), runs))
    results = {bed: {} for bed in beds}
    answers = found[0][1]
    for (bed, paging), (accounts, said) in zip(runs, found):
        if not said or not said <= answers:
            raise PagingError(f"{bed}, {paging}: the guest computes {said}, not {answers}")
        results[bed][paging] = accounts
    return results, sorted(answers)


def ratio(before, after):
    if before == 0:
        return "new" if after else "-"
    if after == 0:
        return "gone"
    return bench.number(after / before) if after / before >= 1000 else f"{after / before:.3g}"


def compare(before, after):
    return [f"{before:,}", f"{after:,}", ratio(before, after)]


def read_reference():
    """Returns {reason or TOTAL: (nested, shadow)} of KVM."""
    _, rows = bench.read_tsv(REFERENCE)
    return {row["reason"]: (int(row["nested"]), int(row["shadow"])) for row in rows}


def session(accounts):
    """Returns the exits of all workloads together."""
    return sum((account.exits for account in accounts.values()), collections.Counter())


def print_exits(pagings):
    kvm = read_reference()
    nested, shadow = (session(pagings[name]) for name in PAGINGS)
    lines = [["reason", "exit", "nested", "shadow", "ratio", "KVM nested", "KVM shadow", "ratio"]]
    for reason, name in pagings["nested"]["boot"].exits:
        ours = nested[reason, name], shadow[reason, name]
        if any(ours) or reason in kvm and reason != TOTAL:
            lines.append([reason, name, *compare(*ours),
                          *(compare(*kvm[reason]) if reason in kvm else [""] * 3)])
    lines.append(["", "total", *compare(nested.total(), shadow.total()), *compare(*kvm[TOTAL])])
    bench.print_table(lines, words={1})


def print_costs(pagings):
    lines = [["", "exits nested", "shadow", "ratio", "ticks nested", "shadow", "ratio",
              "KiB nested", "shadow"]]
    for name in WORKLOADS:
        nested, shadow = (pagings[paging][name] for paging in PAGINGS)
        lines.append([name, *compare(nested.exits.total(), shadow.exits.total()),
                      *compare(nested.ticks, shadow.ticks), str(nested.tables), str(shadow.tables)])
    bench.print_table(lines, words={0})


def cached_share(pagings):
    """Returns the exits of procs with cached shadow tables, divided by those without a cache."""
    return pagings["shadow"]["procs"].exits.total() / pagings[NO_CACHE]["procs"].exits.total()


def print_cache(pagings):
    cached, not_cached = pagings["shadow"]["procs"], pagings[NO_CACHE]["procs"]
    lines = [["procs", "cached", "not cached", "ratio", "target"]]
    for what, ours, theirs, target in (
            ("exits", cached.exits.total(), not_cached.exits.total(), f"{CACHE_TARGET:.3g}"),
            ("ticks", cached.ticks, not_cached.ticks, ""),
            ("tables, KiB", cached.tables, not_cached.tables, "")):
        lines.append([what, f"{ours:,}", f"{theirs:,}", ratio(theirs, ours), target])
    bench.print_table(lines, words={0})


def print_report(results, answers):
    for bed, pagings in results.items():
        print(f"{BEDS[bed].title}: a guest's {', '.join(WORKLOADS)}; "
              "on KVM, a boot of Linux\n")
        print_exits(pagings)
        print()
        print_costs(pagings)
        print("\nShadow tables that are kept when the guest loads CR3, and that are not kept "
              f"(--paging={NO_CACHE})")
        print_cache(pagings)
        print()
    print("In each run:", *answers, sep="\n  ")
    print("Ticks are of the guest and of exit handlers, without the monitor.  KiB are of the page tables "
          "at\nthe end, nested and shadow.  KVM: docs/reference-paging.tsv.")


def main():
    args = recording.report_arguments(__doc__, "one or more").parse_args()
    try:
        results, answers = measure_all(args.image, args.beds or ON_BOCHS)
    except (PagingError, recording.RecordingError) as error:
        sys.exit(f"paging.py: {error}")
    print_report(results, answers)
    missed = [bed for bed, pagings in results.items() if cached_share(pagings) > CACHE_TARGET]
    if missed:
        sys.exit(f"paging.py: caching saves procs too few exits on {', '.join(missed)}")


if __name__ == "__main__":
    main()
