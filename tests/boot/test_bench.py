"""The measurements count what they say.  How long the computer takes has no influence."""

import re

import pytest

import bench
import profile_exit
from beds import ON_BOCHS
from conftest import EXACT_BEDS, bed_fixture

# Exits of one run of a row's loop, if that makes others besides the one that is timed.
EXITS = {"cr0": 2, "irq": 5, "hlt": 5}
# The share of exits that the ends of time slices and the timer's waits may add to a row.
STRAY = 0.02

EFFICIENCY = 1.0  # percent by which a guest may differ from the host

bed = bed_fixture(EXACT_BEDS)


def bench_rows(output):
    return {name: list(map(int, numbers)) for name, *numbers in bench.ROW.findall(output)}


def test_bench_counts_its_exits(bed):
    m = bed(run=f'vm guest -q -m {bench.MEMORY} -c "bench; leaves"')
    assert m.finish() == 0
    rows = bench_rows(m.output)
    assert rows.keys() == bench.RUNS[0][1].keys()
    for name, (runs, _, median, low, p95, exits, vmreads, _) in rows.items():
        assert 0 < low <= median <= p95, name
        if name != "hlt_timer":
            assert 0 <= exits - runs * EXITS.get(name, 1) <= max(2, runs * STRAY), name
        assert (vmreads >= exits) == (bed.name == "bochs-vmx"), name
    assert rows["out"][2] > rows["hypercall"][2], "a way through the monitor is longer"


def test_present_memory_costs_less(bed):
    m = bed(run=f'vm guest -q -m {bench.MEMORY} -c "bench touch_4k"; '
                f'vm guest -q -m {bench.MEMORY} -p -c "bench touch_4k"')
    assert m.finish() == 0
    medians = re.findall(r"^touch_4k +\d+ +\d+ +(\d+)", m.output, re.M)
    allocated, present = map(int, medians)
    assert allocated - present > 512, "clearing a page alone takes 512 steps"


def test_switch_between_two_vms(bed):
    """Two VMs yield to each other.  The first VM goes on until the second is done."""
    m = bed(run=f"free; vm guest -q -c 'bench yield'; {bench.RUNS[2][0]}; free")
    assert m.finish() == 0
    rows = bench_rows(m.output)
    runs, per, median, low, p95, exits, _, _ = rows["switch"]
    alone = re.search(r"^yield +2000 +1 +(\d+)", m.output, re.M)
    assert per == 2 and 0 <= exits - runs <= runs * STRAY
    assert median > 2 * int(alone[1]), "there and back again is more than two yields alone"
    assert low > int(alone[1]) and p95 < 2 * median, "it went to the other VM each time"
    before, after = re.findall(r"^  free +(\d+)", m.output, re.M)
    assert before == after


def test_together(machine):
    m = machine(**EXACT_BEDS["qemu-svm"], run="together 'echo one' 'nosuch two' 'echo three; echo four'")
    assert m.finish() == 1
    assert "one" in m.lines
    assert "together: 'nosuch': not found" in m.lines
    assert "together: expected one command in each argument, found 'echo'" in m.lines


def test_bench_repeats(bed):
    """Two runs give the same figures: else a tolerance of 2 % would mean nothing."""
    runs = []
    for _ in range(2):
        m = bed(run='vm guest -q -c "bench cpuid_0 500; bench out 500"')
        assert m.finish() == 0
        runs.append(bench_rows(m.output))
    assert runs[0] == runs[1] and len(runs[0]) == 2


def test_unknown_row_is_refused(machine):
    m = machine(**EXACT_BEDS["bochs-vmx"], run='vm guest -q -c "bench nosuch"')
    assert m.finish() == 2
    assert "bench: no row 'nosuch'" in m.output


def test_three_ways_to_print(bed):
    m = bed(run='vm guest -q -c io')
    assert m.finish() == 0
    assert m.output.count("The quick brown fox") == 3
    exits = re.findall(r"^(OUT of each byte|rep OUTS of 16 bytes|hypercall) +(\d+) +(\d+)",
                       m.output, re.M)
    # 4 reads of the status, one for each FIFO of 16 bytes, and 64 or 4 outputs; or one hypercall.
    wanted = {"OUT of each byte": 4 + 64, "rep OUTS of 16 bytes": 4 + 4, "hypercall": 1}
    for name, count, _ in exits:
        assert 0 <= int(count) - wanted[name] <= 2, name
    if bed.name == "qemu-svm":  # on Bochs the serial line, as slow as a real one, takes the most
        ticks = [int(t) for _, _, t in exits]
        assert ticks[0] > ticks[1] > ticks[2]


def test_efficiency(bed):
    m = bed(run="free; efficiency; free")
    assert m.finish() == 0
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +[+-][\d.]+ %$", m.output, re.M)
    assert [name for name, _, _ in rows] == ["integer", "memory", "branches"]
    for name, host, guest in rows:
        assert abs(int(guest) / int(host) - 1) * 100 <= EFFICIENCY, name
    assert "PASS efficiency: host and guest get the same result" in m.output
    before, after = re.findall(r"^  free +(\d+)", m.output, re.M)
    assert before == after


@pytest.mark.parametrize("name", ON_BOCHS)
def test_profile_counts_what_bench_times(machine, objdir, name):
    m = machine(**EXACT_BEDS[name], run='vm guest -q -c "bench cpuid_0"')
    assert m.finish() == 0
    median = bench_rows(m.output)["cpuid_0"][2]
    split = profile_exit.by_category(
        profile_exit.profile(objdir, "cpuid_0", cpu=EXACT_BEDS[name]["cpu"]))
    assert abs(sum(split.values()) - median) <= 2
    assert {"world switch", "decode", "handler", "accounting"} <= split.keys()
    assert "monitor" not in split, "CPUID is the kernel's alone"


def test_profile_of_a_way_through_the_monitor(objdir):
    functions = [names for names, part, _ in profile_exit.profile(objdir, "out")
                 if part == "monitor"]
    assert any("vdev_bus_write" in names for names in functions)


class TestCompare:
    """tools/bench.py compares results with recorded figures."""

    VERSIONS = {"compiler": "cc 1", "bochs": "2", "qemu": "3"}

    @staticmethod
    def results(median, bed="bochs-vmx"):
        return {bed: {"cpuid_0": bench.Figures(median, median, median, 5, 1)}}

    @pytest.fixture(autouse=True)
    def record(self, tmp_path, monkeypatch):
        self.path = tmp_path / "bench.tsv"
        monkeypatch.setattr(bench, "ROOT", tmp_path)
        monkeypatch.setattr(bench, "RECORD", self.path)
        bench.write_tsv(self.path, self.results(200.0), self.VERSIONS)

    def test_within_tolerance(self):
        assert bench.compare(self.results(204.0), self.VERSIONS) == []

    def test_regression(self):
        assert bench.compare(self.results(205.0), self.VERSIONS) == ["bochs-vmx cpuid_0"]

    def test_faster_is_no_regression(self, capsys):
        assert bench.compare(self.results(150.0), self.VERSIONS) == []
        assert "-25.0%" in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["compiler", "bochs"])
    def test_other_versions_only_tell(self, name, capsys):
        assert bench.compare(self.results(300.0), self.VERSIONS | {name: "other"}) == []
        assert "+50.0%" in capsys.readouterr().out

    def test_another_emulators_version_does_not_matter(self):
        assert bench.compare(self.results(300.0), self.VERSIONS | {"qemu": "other"})

    def test_without_a_record(self, capsys):
        self.path.unlink()
        assert bench.compare(self.results(200.0), self.VERSIONS) == []
        assert "make bench RECORD=1" in capsys.readouterr().out
