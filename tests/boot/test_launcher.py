"""tools/run.py: the verdict, ends without a verdict, messages about bad requests; and make's targets."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import EMULATORS, IMAGE, ROOT
import kvm

VERDICT_0 = "nestling: poweroff, status 0"


def launch(*args, image=IMAGE, **options):
    """Runs the launcher without a terminal."""
    return subprocess.run([sys.executable, ROOT / "tools" / "run.py", *args, "--image", image],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          check=False, **options)


def check_one_line(result, text):
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("run.py: ") and result.stderr.count("\n") == 1, result.stderr
    assert text in result.stderr


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("status", (0, 1, 77))
def test_exit_status_is_the_hosts(emulator, status, machine):
    assert machine(**EMULATORS[emulator], run=f"poweroff {status}").finish() == status


def test_it_says_what_it_picked():
    """The guest runs on every computer, with KVM or TCG."""
    result = launch("auto", "--run", "vm guest -c status", "--timeout", "60")
    assert result.returncode == 0, result.stdout
    assert result.stderr.startswith("run.py: picked QEMU with") and result.stderr.count("\n") == 1
    assert ("without KVM (TCG), which has SVM: " in result.stderr) == (kvm.nested()[0] is None)


def test_bochs_where_there_is_no_qemu(tmp_path):
    (tmp_path / "bochs").symlink_to(shutil.which("bochs"))
    (tmp_path / "bochs-bin").symlink_to(shutil.which("bochs-bin"))
    result = launch("auto", "--run", "echo it runs", "--timeout", "60",
                    env={"PATH": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("run.py: picked Bochs, which has VMX: ")
    assert "it runs" in result.stdout


CPUID1_VMX = {1: (0, 0, 1 << 5, 0)}
CPUIDX_SVM = {0x80000001: (0, 0, 1 << 2, 0)}
EPT_AND_UNRESTRICTED = 0x82 << 32


@pytest.mark.parametrize("leaves,ctls2,verdict", (
    ({}, 0, (None, "KVM does not nest VMX or SVM here")),
    (CPUID1_VMX, EPT_AND_UNRESTRICTED, ("VMX", None)),
    (CPUID1_VMX, 0x80 << 32, (None, "KVM nests VMX without EPT")),
    (CPUID1_VMX, 0x02 << 32, (None, "KVM nests VMX without unrestricted guest")),
    (CPUIDX_SVM | {0x8000000A: (1, 16, 0, 1)}, 0, ("SVM", None)),
    (CPUIDX_SVM, 0, (None, "KVM nests SVM without nested paging")),
))
def test_what_counts_as_nested(leaves, ctls2, verdict):
    assert kvm.examine(leaves, ctls2) == verdict


def test_verdict_counts_only_as_the_last_line(boot_test):
    m = boot_test(run=f"echo {VERDICT_0}; poweroff 5")
    assert m.finish() == 5
    assert VERDICT_0 in m.lines


def test_verdict_counts_only_when_the_emulator_ends(boot_test):
    m = boot_test(run=f"echo {VERDICT_0}; sh", timeout=4)
    assert m.finish() == 124
    assert "run.py: timeout: no end after 4 s" in m.output


def test_key_ends_it(boot_test):
    m = boot_test(run="sh")
    m.expect(r"\$ ")
    m.send("\x01x")
    assert m.finish() == 130


def test_keys_for_qemus_monitor(boot_test):
    m = boot_test(run="sh")
    m.expect(r"\$ ")
    m.send("\x01c")
    m.expect(r"\[keys go to QEMU's monitor\]")
    m.expect(r"\(qemu\) ")
    m.sendline("info status")
    m.expect("VM status: running")
    m.send("\x01c")
    m.expect(r"\[keys go to the machine\]")
    m.sendline("echo on again; poweroff 3")
    m.expect(r"\non again\r")
    assert m.finish() == 3


def test_keys_for_bochs_debugger(machine):
    m = machine("bochs", run="sh", flags=("--debugger",))
    m.expect("Next at t=0")
    m.sendline("vb 0:0x7c00")
    m.sendline("c")
    m.expect("Breakpoint 1, in 0000:7c00")
    m.sendline("no such command")
    m.expect("syntax error")
    m.sendline("xx\x7f\x7fcreg")
    m.expect("CR3=0x000000000000")
    m.sendline()
    m.expect("CR3=0x000000000000")
    m.sendline("c")
    m.send("\x01c")
    m.expect(r"\$ ")
    m.send("\x01c\x03")
    m.expect("Next at t=")
    m.sendline("c")
    m.send("\x01c")
    m.sendline("poweroff 4")
    assert m.finish() == 4


def test_commands_arrive_as_typed(boot_test):
    m = boot_test(run="""echo "a;  b" 'c' $HOME `x` %s \\n""")
    assert m.finish() == 0
    assert "a;  b c $HOME `x` %s \\n" in m.lines


def test_output_is_complete_without_a_terminal():
    result = launch("qemu", "--tcg", "--run", "echo one; echo two", "--timeout", "60")
    assert result.returncode == 0
    assert result.stdout.replace("\r", "").endswith(f"\none\ntwo\n{VERDICT_0}\n")
    assert result.stderr == ""


def test_icount_repeats_exactly():
    runs = [launch("qemu", "--icount", "--run", "free", "--timeout", "60") for _ in range(2)]
    assert runs[0].returncode == 0
    assert runs[0].stdout == runs[1].stdout


def test_several_bochs_side_by_side():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(launch, "bochs", "--run", f"echo I am {n}", "--timeout", "100")
                for n in range(3)]
    for n, run in enumerate(runs):
        assert run.result().returncode == 0
        assert f"I am {n}" in run.result().stdout


def test_logs_are_kept(tmp_path):
    assert launch("bochs", "--run", "free", "--keep-logs", tmp_path / "logs").returncode == 0
    assert {"bochsrc", "bochs.log"} <= {path.name for path in (tmp_path / "logs").iterdir()}


@pytest.mark.parametrize("args,text", (
    (("bochs", "--cpu", "i9"), "Bochs has no CPU model 'i9', expected one of: "),
    (("qemu", "--tcg", "--cpu", "i9"), "unable to find CPU model 'i9'"),
    (("bochs", "--mem", "1"), "MEM is 1, expected 16 to 2048 MiB"),
    (("bochs", "--mem", "lots"), "expected a number of MiB, found 'lots'"),
    (("bochs", "--cpus", "99"), "the number of CPUs is 99, expected 1 to 8"),
    (("bochs", "--run", "x" * 1020), "the command line has 1024 bytes, the limit is 1023"),
    (("bochs", "--run", "a\nb"), "control character"),
    (("bochs", "--debugger"), "--debugger needs a terminal"),
    (("bochs", "--gdb", "1234"), "--gdb and --monitor are for QEMU"),
))
def test_bad_request(args, text):
    check_one_line(launch(*args), text)


def test_bad_image(tmp_path):
    check_one_line(launch("bochs", image=tmp_path / "none.img"), "No such file or directory")
    (tmp_path / "empty.img").touch()
    check_one_line(launch("bochs", "--run", "x", image=tmp_path / "empty.img"), "no image header")


@pytest.mark.parametrize("emulator,package", (("bochs", "bochs"), ("qemu", "qemu-system-x86")))
def test_missing_emulator(emulator, package, tmp_path):
    result = launch(emulator, env={"PATH": str(tmp_path)})
    check_one_line(result, "is not installed")
    assert package in result.stderr


def test_nothing_is_left_behind(tmp_path):
    result = launch("qemu", "--tcg", "--run", "free", env={"TMPDIR": str(tmp_path),
                                                                "PATH": "/usr/bin:/bin"})
    assert result.returncode == 0
    assert not list(pathlib.Path(tmp_path).iterdir())


def test_make_makes_targets_in_turn(tmp_path):
    """A dry run of two targets that build the same files, one of them in a second make."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = subprocess.run(["make", "-n", "-j2", f"OBJDIR={tmp_path}", "iso", "all"], cwd=ROOT,
                            capture_output=True, text=True, timeout=60, check=False, env=env)
    assert result.returncode == 0, result.stderr
    assert result.stdout.rindex("tools/mkiso.py") < result.stdout.rindex("tools/mkimage.py")
