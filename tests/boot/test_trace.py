"""The trace for Perfetto and Chrome is well-formed, has no gaps, and agrees with the accounts."""

import json
import subprocess
import sys

import pytest

from conftest import IMAGE, PATIENCE, PATIENCE_LONG, ROOT
import recording
import trace

# The runs are short, for Bochs prints 5 KB a second.
ONE = 'vm guest -q --trace=1024 -c "hlt 2"'
TWO = ("together \"vm guest -q --trace=4096 -c 'bench yield 20; hlt 2'\" "
       "\"vm guest -q --trace=4096 -c 'cpuid 20; hlt 1'\"")
SMP = 'vm guest -q --cpus=2 --trace=4096 -c cpus'
LOST = 'vm t/counts -q --trace=100'
RECORDED = 128  # exits: 100, rounded up to whole pages of 64

KEYS = {
    "M": {"ph", "name", "pid", "tid", "args"},
    "X": {"ph", "name", "cat", "pid", "tid", "ts", "dur", "args"},
    "i": {"ph", "name", "cat", "pid", "tid", "ts", "s", "args"},
}
EXIT_KEYS = {"number", "rip", "qualification", "key", "action", "raw reason", "ticks"}


def ticks(microseconds):
    whole = round(microseconds * 1000)
    assert abs(whole - microseconds * 1000) < 1e-3, "times are whole ticks"
    return whole


def check_event(event):
    assert event.keys() == KEYS[event["ph"]], event
    assert isinstance(event["name"], str) and event["name"]
    assert all(isinstance(event[name], int) for name in ("pid", "tid"))
    if event["ph"] == "M":
        assert event["name"] in ("process_name", "thread_name")
        assert event["args"].keys() == {"name"}
    else:
        assert event["ts"] >= 0
    if event["ph"] == "X":
        assert event["dur"] >= 0
    if event.get("cat") == "handler":
        assert event["args"].keys() == EXIT_KEYS and event["name"].isupper()


def tracks(data):
    """Checks each event; returns {(pid, tid): [(name, category, begin, end)]}, in the file's order."""
    assert data.keys() == {"displayTimeUnit", "otherData", "traceEvents"}
    named, found = set(), {}
    for event in data["traceEvents"]:
        check_event(event)
        track = (event["pid"], event["tid"])
        if event["ph"] == "M":
            named.add((event["name"], track))
        elif event["ph"] == "X":
            begin = ticks(event["ts"])
            found.setdefault(track, []).append(
                (event["name"], event["cat"], begin, begin + ticks(event["dur"])))
    for track, slices in found.items():
        assert {("process_name", track), ("thread_name", track)} <= named
        for (*_, end), (_, _, begin, _) in zip(slices, slices[1:]):
            assert end <= begin, "slices of a track stand in their order and do not overlap"
    return found


def check_vcpu(slices, vcpu):
    """Checks the track of a vCPU whose exits are all recorded."""
    assert all(a[3] == b[2] for a, b in zip(slices, slices[1:])), "time has no gaps"
    assert slices[-1][3] - slices[0][2] == vcpu["wall"]
    assert sum(category == "handler" for _, category, *_ in slices) == vcpu["exits"]
    for state in recording.STATES:
        spent = sum(end - begin for _, category, begin, end in slices if category == state)
        assert spent == vcpu[state], state


def run(tmp_path, bed, commands):
    """Returns the trace that `make trace` writes, and what it prints."""
    path = tmp_path / "trace.json"
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "trace.py", "--image", IMAGE, "--output", path,
         "--bed", bed, "--run", commands],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_LONG,
        check=False)
    assert done.returncode == 0, done.stdout
    return json.loads(path.read_text()), done.stdout


@pytest.mark.early
@pytest.mark.parametrize("bed", ["bochs-vmx", "qemu-svm"])
def test_trace_of_one_vm(tmp_path, bed):
    data, said = run(tmp_path, bed, ONE)
    found = tracks(data)
    (vcpu,) = data["otherData"]["vCPUs"]
    check_vcpu(found[1, 1], vcpu)
    names = {name for name, *_ in found[1, 1]}
    assert {"guest", "monitor", "halted", "waiting", "HLT", "CPUID", "IO_INSTRUCTION",
            "EPT_VIOLATION"} <= names
    assert vcpu["lost"] == 0 and "LOST" not in said
    assert "instruction" in data["otherData"]["unit"] and data["otherData"]["unit"] in said
    assert {name for name, *_ in found[trace.HOST]} == {"VM 1"}


def test_trace_of_two_vms(tmp_path):
    """While one vCPU has the CPU, the other waits or is halted."""
    data, _ = run(tmp_path, "qemu-svm", TWO)
    found = tracks(data)
    for vcpu in data["otherData"]["vCPUs"]:
        check_vcpu(found[vcpu["vm"], vcpu["vm"]], vcpu)
    on_cpu = [name for name, *_ in found[trace.HOST]]
    assert set(on_cpu) == {"VM 1", "VM 2"}
    switches = sum(a != b for a, b in zip(on_cpu, on_cpu[1:]))
    assert switches >= 4
    assert len(found) == 3


def test_trace_of_two_vcpus(tmp_path):
    """Each vCPU has a track, and both are whole.  On one CPU the vCPUs take turns."""
    data, said = run(tmp_path, "qemu-svm", SMP)
    found = tracks(data)
    vcpus = data["otherData"]["vCPUs"]
    assert [(vcpu["vm"], vcpu["vcpu"]) for vcpu in vcpus] == [(1, 0), (1, 1)]
    of_vm = [slices for (pid, _), slices in found.items() if pid == 1]
    assert len(of_vm) == 2
    for slices, vcpu in zip(of_vm, vcpus):
        check_vcpu(slices, vcpu)
        assert f"VM 1 vCPU {vcpu['vcpu']}, guest: {vcpu['exits']} exits" in said
    names = {event["args"]["name"] for event in data["traceEvents"]
             if event["ph"] == "M" and event["name"] == "thread_name"}
    assert names == {"vCPU 0", "vCPU 1", "CPU 0"}
    assert {name for name, *_ in found[trace.HOST]} == {"VM 1 vCPU 0", "VM 1 vCPU 1"}


def test_lost_exits_are_told(tmp_path):
    data, said = run(tmp_path, "qemu-svm", LOST)
    (vcpu,) = data["otherData"]["vCPUs"]
    assert vcpu["lost"] == vcpu["exits"] - RECORDED > 0
    assert f"the first {vcpu['lost']} exits are LOST" in said
    lost = [event for event in data["traceEvents"] if event["ph"] == "i"]
    assert [event["args"]["lost"] for event in lost] == [vcpu["lost"]]
    slices = tracks(data)[1, 1]
    assert sum(category == "handler" for _, category, *_ in slices) == RECORDED
    assert lost[0]["ts"] * 1000 == slices[0][2]


def test_no_vm_is_told(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "trace.py", "--image", IMAGE, "--bed", "qemu-svm",
         "--output", tmp_path / "trace.json", "--run", "free"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and done.stdout.startswith("trace.py: `free` ran no VM")
    assert not (tmp_path / "trace.json").exists()


VCPU_LINE = "\t".join(recording.VCPU_COLUMNS)
EXIT_LINE = "\t".join(recording.EXIT_COLUMNS)
GOOD = f"""\
{VCPU_LINE}
1	1	0	guest	1000	2	100	20	10	70	0	0	0
{EXIT_LINE}
-	5000	-	0	0	0	-	-	0	40	monitor:40
0	5050	CPUID	0x72	0x7c00	0	0	skip	5	0	-
1	5065	IO_INSTRUCTION	0x7b	0x7c02	0x10	0x3f8	monitor	5	30	monitor:30
"""
LOST_SPANS = GOOD.replace("monitor:30", "away:30")
BAD = {
    "an exit is missing": ("0\t5050", "7\t5050"),
    "parts that are not the whole": ("monitor:30", "monitor:10,halted:10"),
    "less than the accounts": ("\t20\t10\t70", "\t21\t10\t70"),
}


def test_a_good_recording():
    (vcpu,) = recording.parse(GOOD)
    assert [(s.state, s.begin, s.end) for s in vcpu.slices()] == [
        ("monitor", 5000, 5040), ("guest", 5040, 5050), ("handler", 5050, 5055),
        ("guest", 5055, 5065), ("handler", 5065, 5070), ("monitor", 5070, 5100)]


def test_a_recording_that_does_not_know_where_time_went():
    (vcpu,) = recording.parse(LOST_SPANS)
    assert [s.state for s in vcpu.slices()][-1] == "away"
    assert vcpu.slices()[-1].end - vcpu.slices()[0].begin == vcpu.wall


@pytest.mark.parametrize("what", BAD)
def test_a_bad_recording(what):
    """A timeline that does not cover all of the time is refused, not drawn."""
    good, bad = BAD[what]
    assert good in GOOD
    with pytest.raises(recording.RecordingError):
        recording.parse(GOOD.replace(good, bad))
