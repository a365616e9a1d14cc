"""The host kernel: its monitor, its panics, its console, and the machines it starts on."""

import re

import pytest

from beds import NO_VMS
from conftest import BEDS, IPS_MEASURED, options_of
from console import PROMPT_KEY, kernel_monitor

PASTED_LINES = 100
CURSOR_UP = "\x1b[A"


@pytest.fixture
def at_monitor(boot_test):
    """A machine at the prompt K>.  Without VMs its boot ends in the shell, not in a guest."""
    m = boot_test(cpu=NO_VMS["qemu"].cpu)
    m.expect(r"\$ ")
    m.sendline("kmonitor")
    m.expect("K> ")
    return m


def test_monitor_commands(at_monitor):
    m = at_monitor
    described = re.findall(r"^  (\w+) ", kernel_monitor(m, "help"), re.M)
    assert {"help", "backtrace", "regs", "envs", "map", "x", "continue"} <= set(described)
    assert "sys_kmonitor+" in kernel_monitor(m, "backtrace")
    assert re.search(r"rip 0000000000[0-9a-f]{6} ", kernel_monitor(m, "regs"))
    assert re.search(r"running .* kmonitor$", kernel_monitor(m, "envs"), re.M)
    assert re.search(r"hpa 0x[0-9a-f]+000\n", kernel_monitor(m, "map 400000"))
    assert re.match(r"0000000000400000  [0-9a-f]{16} [0-9a-f]{16}\n$", kernel_monitor(m, "x 400000 2"))
    assert kernel_monitor(m, "x ffff7000deadbeef") == "ffff7000deadbee8  not in RAM\n"
    assert "expected a hexadecimal number" in kernel_monitor(m, "map here")
    assert "no command" in kernel_monitor(m, "frobnicate")
    m.sendline("continue")
    m.expect(r"\$ ")
    m.sendline("poweroff 7")
    assert m.finish() == 7


@pytest.mark.parametrize("command, message, caller", [
    ("panic", r"asked for in the kernel monitor \(kern/kmonitor\.c:\d+\)", "cmd_panic"),
    ("panic fault", r"page fault in the kernel: writing 0xffffc0000000\d000", "cmd_panic"),
    ("panic stack", "kernel stack overflow", "cmd_panic"),
])
def test_panic_ends_in_the_monitor(command, message, caller, at_monitor):
    m = at_monitor
    m.sendline(command)
    m.expect(rf"nestling: panic: {message}\r\n")
    m.expect(rf"  #0  ffffffff80[0-9a-f]+  {caller}\+0x")
    m.expect(r"sys_kmonitor\+0x")
    m.expect("K> ")
    m.sendline("continue")
    assert m.finish() == 1


def test_panic_of_an_unattended_run_ends_it(boot_test):
    m = boot_test(run="kmonitor")
    m.expect("K> ")
    m.sendline("panic")
    assert m.finish() == 1
    assert m.lines[-1] == "nestling: poweroff, status 1"


@pytest.mark.parametrize("emulator", NO_VMS)
def test_pasted_text_is_not_lost(emulator, machine):
    """Both emulators have a UART that keeps 16 bytes.  Bochs models the time on the wire, too: a processor
    as slow as in other tests would not keep up."""
    m = machine(**options_of(NO_VMS[emulator]), ips=IPS_MEASURED)
    m.expect(r"\$ ")
    m.send("".join(f"echo word-{i}-of-the-text\r" for i in range(PASTED_LINES)))
    m.sendline("poweroff")
    assert m.finish() == 0
    assert re.findall(r"^word-(\d+)-of-the-text$", m.output, re.M) == \
        [str(i) for i in range(PASTED_LINES)]


@pytest.mark.parametrize("mem", [16, 6144])
def test_memory_sizes(mem, boot_test):
    m = boot_test(run="free", mem=mem)
    assert m.finish() == 0
    total = int(re.search(r"  memory  (\d+) MiB", m.output).group(1))
    assert mem - 3 <= total <= mem


def test_no_execute_disable(boot_test):
    m = boot_test(cpu="qemu64,-nx")
    m.expect(r"nestling: cannot boot: .*NX")
    assert m.finish() != 0


def test_a_program_that_faults_dies_alone(boot_test):
    m = boot_test(run="usertests null_pointer; echo alive")
    assert m.finish() == 0
    assert re.search(r"^usertests \(process 0x\w+\): page fault writing 0x0 at rip 0x\w+: killed$",
                     m.output, re.M)
    assert m.lines[-2] == "alive"


@pytest.mark.parametrize("bed", BEDS)
def test_every_prompt_brings_lines_back(machine, bed):
    m = machine(**BEDS[bed])
    for prompt, opens, word, answer in [
        ("guest> ", None, "nosuch", "nosuch: no such command"),
        ("vm> ", PROMPT_KEY, "what", "their first letters"),
        (r"\n\$ ", "quit\r", "nosuch", "nosuch: no such command"),
        ("K> ", "kmonitor\r", "nosuch", 'no command "nosuch"'),
    ]:
        if opens:
            m.send(opens)
        m.expect(prompt)
        m.sendline(word)
        m.expect(answer)
        m.expect(prompt)
        m.send(f"typo{CURSOR_UP}\r")
        m.expect(answer)
        m.expect(prompt)
    m.sendline("continue")
    m.expect(r"\n\$ ")
    m.sendline("poweroff")
    assert m.finish() == 0
