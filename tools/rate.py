#!/usr/bin/python3
"""Counts a VM's exits window by window, to show whether their number rises at a stable rate.

    make rate RUN='vm guest -q --trace=16384 -c "cpuid; hlt 3; touch"'

Runs the commands.  For each window of some milliseconds by the host's time-stamp counter, prints how many
exits the newest VM made and which kind came most often.  Neighbouring windows that are alike share a row.
"""

import collections
import sys

import recording

DEFAULT_RUN = 'vm guest -q --trace=16384 -c "cpuid; hlt 3; touch"'
BAR_MAX = 40
WINDOW_MS = 2
QUIET = 4  # exits a millisecond: neighbouring windows without more share a row, whatever the kinds


def windows(exits, hz):
    """Returns a counter of kinds for each window, from the first exit on."""
    ticks = max(1, hz * WINDOW_MS // 1000)
    first = exits[0].tsc
    found = [collections.Counter() for _ in range((exits[-1].tsc - first) // ticks + 1)]
    for one in exits:
        found[(one.tsc - first) // ticks][one.exit] += 1
    return found


def most(counter):
    return counter.most_common(1)[0][0] if counter else "-"


def alike(one, other):
    quiet = [counter.total() <= QUIET * WINDOW_MS for counter in (one, other)]
    return all(quiet) or (most(one) == most(other) and
                          abs(one.total() - other.total()) <= one.total() / 10)


def rows(found):
    """Returns [(first window, last window, sum of their counters)]: neighbours that are alike are joined."""
    joined = []
    for at, counter in enumerate(found):
        if at and alike(found[at - 1], counter):
            joined[-1] = (joined[-1][0], at, joined[-1][2] + counter)
        else:
            joined.append((at, at, counter))
    return joined


def report(vcpus):
    """Yields the lines of the report on one VM; its vCPUs are counted together."""
    exits = sorted((one for vcpu in vcpus for one in vcpu.exits), key=lambda one: one.tsc)
    found = rows(windows(exits, vcpus[0].hz))
    total, lost = sum(vcpu.total for vcpu in vcpus), sum(vcpu.lost for vcpu in vcpus)
    yield f"VM {vcpus[0].vm}, {vcpus[0].name}: {total} exits" + (
        f", of which the first {lost} are not recorded" if lost else "")
    yield f"{'ms':>9}  {'exits':>6}  {'per ms':>6}  most of them"
    rates = [counter.total() / WINDOW_MS / (last - first + 1) for first, last, counter in found]
    for (first, last, counter), rate in zip(found, rates):
        span = f"{first * WINDOW_MS}-{(last + 1) * WINDOW_MS - 1}"
        bar = "#" * round(rate * BAR_MAX / max(rates))
        yield f"{span:>9}  {counter.total():>6}  {rate:>6.1f}  {most(counter):<18}  {bar}".rstrip()


def main():
    args = recording.run_arguments(__doc__, DEFAULT_RUN).parse_args()
    try:
        vcpus = recording.record(args.image, args.run, bed=args.bed, cpu=args.cpu)
    except recording.RecordingError as error:
        sys.exit(f"rate.py: {error}")
    newest = [vcpu for vcpu in vcpus if vcpu.vm == vcpus[-1].vm]
    if not any(vcpu.exits for vcpu in newest):
        sys.exit(f"rate.py: VM {newest[0].vm} made no exit")
    print("\n".join(report(newest)))


if __name__ == "__main__":
    main()
