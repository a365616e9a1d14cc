"""Types at the console, and reads there: at the prompts of shell, guest, monitor and kernel monitor."""

import re

PROMPT_KEY = "\x1d"  # Ctrl-], which opens the monitor's prompt
POLLS_MAX = 100


def shell(m):
    """Ends the guest of a default boot, so that the shell's prompt comes; returns m."""
    m.expect("guest> ")
    m.sendline("poweroff")
    m.expect(r"\n\$ ")
    return m


def command(m, line):
    """Types a command of the shell; returns the text up to the next prompt."""
    m.sendline(line)
    m.expect(re.escape(line))
    return m.expect(r"(?s)(.*?)\n\$ ").group(1).replace("\r", "").strip("\n")


def open_prompt(m):
    """Goes from the guest to the prompt of its monitor."""
    m.send(PROMPT_KEY)
    m.expect("vm> ")


def detach(m):
    """Goes from the guest to the shell; the VM goes on in the background."""
    open_prompt(m)
    m.sendline("detach")
    m.expect(r"in the background.*\n\$ ")


def attach(m, vm):
    """Goes from the shell to the VM of this number."""
    m.sendline(f"vm attach {vm}")
    m.expect("attached")


def ask(m, vm, line, answer):
    """Attaches, types a line to the guest, expects the answer, and detaches."""
    attach(m, vm)
    m.sendline("")
    m.expect("guest> ")
    m.sendline(line)
    m.expect(answer)
    m.expect("guest> ")
    detach(m)


def kernel_monitor(m, line):
    """Types a command of the kernel monitor; returns the text up to the next prompt."""
    m.sendline(line)
    return m.expect(r"(?s)\r\n(.*)K> ").group(1).replace("\r", "")


def available(m):
    """Returns the number of frames that are free and promised to nobody."""
    text = command(m, "free")
    free, promised = (int(re.search(rf"^ +{name} +(\d+)", text, re.M)[1])
                      for name in ("free", "of these promised"))
    return free - promised


def vms(text):
    """Returns the rows of `vms`: {VM number: {column: text}}."""
    lines = text.split("\n")
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["VM", "STATE"])
    names = lines[head].split()
    rows = {}
    for line in lines[head + 1:]:
        if not re.match(r" *\d+  ", line):
            break
        row = dict(zip(names, line.split()))
        rows[int(row["VM"])] = row
    return rows


def vms_when(m, states):
    """Waits until these VMs are in these states, {VM number: state}; returns the rows of `vms`.  A fixed
    wait could be too short: under QEMU time goes on while a busy computer does not run the emulator."""
    for _ in range(POLLS_MAX):
        rows = vms(command(m, "sleep 0.2; vms"))
        if all(n in rows and rows[n]["STATE"] == state for n, state in states.items()):
            break
    assert {n: rows[n]["STATE"] for n in states} == states
    return rows
