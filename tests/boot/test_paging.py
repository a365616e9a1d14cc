"""The comparison of nested with shadow paging."""

import collections

import pytest

from conftest import IMAGE
import paging

EXCEPTION, INVLPG, CR_ACCESS, EPT_VIOLATION = (
    ("0", "EXCEPTION_NMI"), ("14", "INVLPG"), ("28", "CR_ACCESS"), ("48", "EPT_VIOLATION"))


def account(**counts):
    return paging.Account(collections.Counter(
        {("28", name): count for name, count in counts.items()}), 100, 16)


def test_ratio():
    assert [paging.ratio(*pair) for pair in ((0, 0), (0, 5), (5, 0), (5, 5), (3, 4), (1, 9999))] == [
        "-", "new", "gone", "1", "1.33", "9999"]


def test_a_workload_is_what_came_after_the_boot():
    boot, all_of_it = account(CR_ACCESS=7), account(CR_ACCESS=10, HLT=1)
    assert all_of_it.after(boot) == paging.Account(
        collections.Counter({("28", "CR_ACCESS"): 3, ("28", "HLT"): 1}), 0, 16)


def test_guests_that_compute_something_else_are_no_comparison(monkeypatch):
    monkeypatch.setattr(paging, "measure", lambda image, bed, kind: ({}, [f"checksum of {kind}"]))
    with pytest.raises(paging.PagingError, match="bochs-vmx, shadow: the guest computes"):
        paging.measure_all(IMAGE, ["bochs-vmx"])


def test_report(capsys):
    results, answers = paging.measure_all(IMAGE, ["qemu-svm"])
    paging.print_report(results, answers)
    text = capsys.readouterr().out
    assert "  procs: 30 rounds, " in text and "  pgfault: 1000 faults, " in text
    nested, shadow = (paging.session(results["qemu-svm"][kind]) for kind in paging.PAGINGS)
    assert nested[EPT_VIOLATION] > 100 and not shadow[EPT_VIOLATION]
    assert not nested[EXCEPTION] and not nested[INVLPG] and nested[CR_ACCESS] < 10
    assert shadow[EXCEPTION] > 1000 and shadow[INVLPG] > 500 and shadow[CR_ACCESS] > 1400
