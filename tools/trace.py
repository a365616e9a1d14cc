#!/usr/bin/python3
"""Runs VMs and writes all that they did as a trace that ui.perfetto.dev and chrome://tracing open.

    make trace RUN='vm guest -q --trace=16384 -c "io; hlt 3"'

A process is a VM, a thread a vCPU.  Its slices are: guest; each exit, named by its kind,
as long as its handler ran; monitor; halted; paused; waiting for the CPU.  Where no two vCPUs ever
ran at the same time, a process `host` shows which VM had the CPU.

Time is the host's time-stamp counter: a tick is shown as one nanosecond, whatever the
counter's frequency.  Under Bochs, and QEMU with -icount, a tick is an instruction.
"""

import argparse
import json
import pathlib
import sys

import recording

DEFAULT_RUN = 'vm guest -q --trace=16384 -c "io 10; hlt 3"'
HOST_PID = 65536  # not a VM's number
UNIT = "1 ns shown is 1 tick of the time-stamp counter; under an emulator, 1 instruction"
RUNNING = ("guest", "handler", "monitor")


def microseconds(ticks):
    """The format's unit.  Thousandths of it are exact to the last digit for years of ticks."""
    return ticks / 1000


def name_event(what, pid, name):
    return {"ph": "M", "name": f"{what}_name", "pid": pid, "tid": pid, "args": {"name": name}}


def slice_event(name, category, pid, begin, end, args):
    return {"ph": "X", "name": name, "cat": category, "pid": pid, "tid": pid,
            "ts": microseconds(begin), "dur": microseconds(end - begin), "args": args}


def exit_args(one):
    return {"number": one.number, "rip": one.rip, "qualification": one.qualification,
            "key": one.key, "action": one.action, "raw reason": one.raw, "ticks": one.cycles}


def part_args(part):
    if part.exit is None:
        return {"before exit": 0}
    return {"before exit" if part.state == "guest" else "after exit": part.exit.number}


def vm_events(vm, origin):
    """One track: the vCPU's time, slice after slice."""
    yield name_event("process", vm.id, f"VM {vm.id}: {vm.name}")
    yield name_event("thread", vm.id, "vCPU 0")
    slices = vm.slices()
    if vm.lost and slices:
        yield {"ph": "i", "s": "t", "name": f"{vm.lost} exits lost before this", "cat": "lost",
               "pid": vm.id, "tid": vm.id, "ts": microseconds(slices[0].begin - origin),
               "args": {"lost": vm.lost}}
    for part in slices:
        handler = part.state == "handler"
        yield slice_event(part.exit.exit if handler else part.state, part.state, vm.id,
                          part.begin - origin, part.end - origin,
                          exit_args(part.exit) if handler else part_args(part))


def on_cpu(vms):
    """[(VM, from, to)] in the order of time; None if two ran at the same time."""
    spans = sorted((part.begin, part.end, vm.id) for vm in vms for part in vm.slices()
                   if part.state in RUNNING)
    found = []
    for begin, end, vm in spans:
        if found and begin < found[-1][2]:
            return None
        if found and found[-1][0] == vm and found[-1][2] == begin:
            found[-1] = (vm, found[-1][1], end)
        else:
            found.append((vm, begin, end))
    return found


def host_events(vms, origin):
    switches = on_cpu(vms)
    if not switches:
        return
    yield name_event("process", HOST_PID, "host")
    yield name_event("thread", HOST_PID, "CPU 0")
    for vm, begin, end in switches:
        yield slice_event(f"VM {vm}", "cpu", HOST_PID, begin - origin, end - origin, {"vm": vm})


def trace_of(vms, commands):
    """The whole file, as an object."""
    begins = [vm.slices()[0].begin for vm in vms if vm.exits]
    origin = min(begins, default=0)
    events = [event for vm in vms for event in vm_events(vm, origin)]
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "unit": UNIT,
            "ticks per second": vms[0].hz,
            "first tick": origin,
            "workload": commands,
            "VMs": [{"vm": vm.id, "name": vm.name, "exits": vm.total, "lost": vm.lost,
                     "wall": vm.wall, **vm.times} for vm in vms],
        },
        "traceEvents": [*events, *host_events(vms, origin)],
    }


def summary(vms):
    for vm in vms:
        shares = ", ".join(f"{state} {vm.times[state] / vm.wall:.1%}" for state in recording.STATES)
        yield f"VM {vm.id}, {vm.name}: {vm.total} exits in {vm.wall} ticks: {shares}"
        if vm.lost:
            yield (f"VM {vm.id}: the first {vm.lost} exits are LOST, the recorder had room for "
                   f"{len(vm.exits)}: start it with `vm --trace=16384`, or let it do less")
    if [vm.id for vm in vms] != list(range(1, len(vms) + 1)):
        yield f"Only these VMs are in the trace: the kernel keeps the last {len(vms)} that ended"


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="obj/nestling.img", type=pathlib.Path)
    parser.add_argument("--output", default="obj/trace.json", type=pathlib.Path)
    parser.add_argument("--bed", choices=recording.BEDS, default="bochs-vmx")
    parser.add_argument("--cpu", help="CPU model, by the emulator's own name")
    parser.add_argument("--run", default=DEFAULT_RUN, metavar="COMMANDS")
    return parser.parse_args()


def main():
    args = parse_args()
    try:
        vms = recording.record(args.image, args.run, bed=args.bed, cpu=args.cpu)
    except recording.RecordingError as error:
        sys.exit(f"trace.py: {error}")
    args.output.write_text(json.dumps(trace_of(vms, args.run), indent=None) + "\n")
    print("\n".join(summary(vms)))
    print(f"{args.output}: open it in https://ui.perfetto.dev or chrome://tracing.\n{UNIT}.")


if __name__ == "__main__":
    main()
