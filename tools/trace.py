#!/usr/bin/python3
"""Runs VMs and writes a trace of all that they did, for ui.perfetto.dev and chrome://tracing.

    make trace RUN='vm guest -q --trace=16384 -c "io; hlt 3"'

A process of the trace is a VM, and a thread is a vCPU.  The slices of a thread are: guest; each exit,
named by its kind, as long as its handler ran; monitor; halted; paused; waiting for the CPU.  If no two
vCPUs ever ran at the same time, a process `host` shows which of them had the CPU.

Time is the host's time-stamp counter: a tick is shown as one nanosecond, whatever the
counter's frequency.  Under Bochs, and under QEMU with -icount, a tick is an instruction.
"""

import json
import pathlib
import sys

import recording

DEFAULT_RUN = 'vm guest -q --trace=16384 -c "io 10; hlt 3"'
HOST_PID = 65536  # no VM has this number
HOST = (HOST_PID, HOST_PID)
UNIT = "1 ns shown is 1 tick of the time-stamp counter; under an emulator, 1 instruction"
RUNNING = ("guest", "handler", "monitor")


def microseconds(ticks):
    """Converts ticks to the unit of the trace's format.  Thousandths stay exact for years of ticks."""
    return ticks / 1000


def track_of(vcpu):
    """Returns (process, thread) of a vCPU.  A process's first thread has the number of the process, and no
    two threads have the same number."""
    return vcpu.vm, vcpu.vm + 2 * HOST_PID * vcpu.index


def name_event(what, track, name):
    pid, tid = track
    return {"ph": "M", "name": f"{what}_name", "pid": pid, "tid": tid, "args": {"name": name}}


def slice_event(name, category, track, begin, end, args):
    pid, tid = track
    return {"ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid,
            "ts": microseconds(begin), "dur": microseconds(end - begin), "args": args}


def exit_args(one):
    return {"number": one.number, "rip": one.rip, "qualification": one.qualification,
            "key": one.key, "action": one.action, "raw reason": one.raw, "ticks": one.cycles}


def part_args(part):
    if part.exit is None:
        return {"before exit": 0}
    return {"before exit" if part.state == "guest" else "after exit": part.exit.number}


def vcpu_events(vcpu, origin):
    """Yields the events of one track: the vCPU's time, slice after slice."""
    track = track_of(vcpu)
    yield name_event("process", track, f"VM {vcpu.vm}: {vcpu.name}")
    yield name_event("thread", track, f"vCPU {vcpu.index}")
    slices = vcpu.slices()
    if vcpu.lost and slices:
        yield {"ph": "i", "s": "t", "name": f"{vcpu.lost} exits lost before this", "cat": "lost",
               "pid": track[0], "tid": track[1], "ts": microseconds(slices[0].begin - origin),
               "args": {"lost": vcpu.lost}}
    for part in slices:
        handler = part.state == "handler"
        yield slice_event(part.exit.exit if handler else part.state, part.state, track,
                          part.begin - origin, part.end - origin,
                          exit_args(part.exit) if handler else part_args(part))


def on_cpu(vcpus):
    """Returns [(vCPU, begin, end)] in the order of time, or None if two vCPUs ran at the same time."""
    spans = sorted(((part.begin, part.end, vcpu) for vcpu in vcpus for part in vcpu.slices()
                    if part.state in RUNNING), key=lambda span: span[:2])
    found = []
    for begin, end, vcpu in spans:
        if found and begin < found[-1][2]:
            return None
        if found and found[-1][0] is vcpu and found[-1][2] == begin:
            found[-1] = (vcpu, found[-1][1], end)
        else:
            found.append((vcpu, begin, end))
    return found


def host_events(vcpus, origin):
    switches = on_cpu(vcpus)
    if not switches:
        return
    yield name_event("process", HOST, "host")
    yield name_event("thread", HOST, "CPU 0")
    for vcpu, begin, end in switches:
        yield slice_event(vcpu.title, "cpu", HOST, begin - origin, end - origin,
                          {"vm": vcpu.vm, "vcpu": vcpu.index})


def trace_of(vcpus, commands):
    """Returns the whole trace, as an object for JSON."""
    begins = [vcpu.slices()[0].begin for vcpu in vcpus if vcpu.exits]
    origin = min(begins, default=0)
    events = [event for vcpu in vcpus for event in vcpu_events(vcpu, origin)]
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "unit": UNIT,
            "ticks per second": vcpus[0].hz,
            "first tick": origin,
            "workload": commands,
            "vCPUs": [{"vm": vcpu.vm, "vcpu": vcpu.index, "name": vcpu.name, "exits": vcpu.total,
                       "lost": vcpu.lost, "wall": vcpu.wall, **vcpu.times} for vcpu in vcpus],
        },
        "traceEvents": [*events, *host_events(vcpus, origin)],
    }


def summary(vcpus):
    for vcpu in vcpus:
        shares = ", ".join(f"{state} {vcpu.times[state] / vcpu.wall:.1%}"
                           for state in recording.STATES)
        yield f"{vcpu.title}, {vcpu.name}: {vcpu.total} exits in {vcpu.wall} ticks: {shares}"
        if vcpu.lost:
            yield (f"{vcpu.title}: the first {vcpu.lost} exits are LOST, the recorder had room for "
                   f"{len(vcpu.exits)}: start it with `vm --trace=16384`, or let it do less")
    vms = sorted({vcpu.vm for vcpu in vcpus})
    if vms != list(range(1, len(vms) + 1)):
        yield f"Only these VMs are in the trace: the kernel keeps the last {len(vms)} that ended"


def parse_args():
    parser = recording.run_arguments(__doc__, DEFAULT_RUN)
    parser.add_argument("--output", default="obj/trace.json", type=pathlib.Path)
    return parser.parse_args()


def main():
    args = parse_args()
    try:
        vcpus = recording.record(args.image, args.run, bed=args.bed, cpu=args.cpu)
    except recording.RecordingError as error:
        sys.exit(f"trace.py: {error}")
    args.output.write_text(json.dumps(trace_of(vcpus, args.run), indent=None) + "\n")
    print("\n".join(summary(vcpus)))
    print(f"{args.output}: open it in https://ui.perfetto.dev or chrome://tracing.\n{UNIT}.")


if __name__ == "__main__":
    main()
