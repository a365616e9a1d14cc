"""The arithmetic of tools/paging.py.  The lab's test runs the whole comparison."""

import re

import pytest

from conftest import IMAGE
import paging
import recording

ANSWERS = {"procs": "procs: 30 rounds, 9 faults, checksum 0123abcd",
           "pgfault": "pgfault: 9 faults, checksum 89abcdef"}
EXCEPTIONS = {"nested": 0, "shadow": 300, paging.NO_CACHE: 1000}


def fake_run(exceptions):
    """Returns a run() whose VMs have one exit for HLT, and in procs so many exceptions."""
    def run(_image, commands, *, bed):
        assert bed == "bochs-vmx"
        found = re.findall(r"echo @(\w+); vm guest -q --paging=([\w,]+) -c", commands)
        return "".join(f"""@{name}
{ANSWERS.get(name, "")}
reason\tname\tcount
0\tEXCEPTION_NMI\t{exceptions[kind] if name == "procs" else 0}
12\tHLT\t1
-\ttotal\t0

time\tticks
guest\t{10 if name == "boot" else 70}
handler\t{2 if name == "boot" else 4}
monitor\t900

memory\tpages
tables\t4
""" for name, kind in found)
    return run


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(recording, "run", fake_run(EXCEPTIONS))
    return paging.measure_all(IMAGE, ["bochs-vmx"])


def test_ratio():
    assert [paging.ratio(*pair) for pair in ((0, 0), (0, 5), (5, 0), (5, 5), (3, 4), (1, 9999))] == [
        "-", "new", "gone", "1", "1.33", "9999"]


def test_a_workload_is_what_came_after_the_boot(measured):
    pagings = measured[0]["bochs-vmx"]
    assert pagings["shadow"]["boot"].exits.total() == 1
    procs = pagings["shadow"]["procs"]
    assert (procs.exits.total(), procs.ticks, procs.tables) == (300, 62, 16)
    assert paging.cached_share(pagings) == 0.3


def test_report(measured, capsys):
    paging.print_report(*measured)
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "VMX on Bochs: a guest's boot, procs, pgfault, mem; on KVM, a boot of Linux"
    exceptions = "0 EXCEPTION_NMI 0 300 new 8,407 1,566,621 186"
    assert exceptions.split() in [line.split() for line in lines]
    assert "exits 300 1,000 0.3 0.333".split() in [line.split() for line in lines]
    assert all(f"  {answer}" in lines for answer in ANSWERS.values())


def test_guests_that_compute_something_else_are_no_comparison(monkeypatch):
    def run(image, commands, *, bed):
        output = fake_run(EXCEPTIONS)(image, commands, bed=bed)
        return output.replace("0123abcd", "fedcba98") if "=shadow " in commands else output
    monkeypatch.setattr(recording, "run", run)
    with pytest.raises(paging.PagingError, match="bochs-vmx, shadow: the guest computes"):
        paging.measure_all(IMAGE, ["bochs-vmx"])


@pytest.mark.parametrize("cached, pays", [(333, True), (334, False)])
def test_caching_must_pay(monkeypatch, capsys, cached, pays):
    monkeypatch.setattr(recording, "run", fake_run({**EXCEPTIONS, "shadow": cached}))
    monkeypatch.setattr("sys.argv", ["paging.py", "--bed", "bochs-vmx"])
    if not pays:
        with pytest.raises(SystemExit, match="too few exits on bochs-vmx"):
            paging.main()
    else:
        paging.main()
    assert "EXCEPTION_NMI" in capsys.readouterr().out
