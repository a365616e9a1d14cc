"""Drives gdb and QEMU's monitor, for tests and for the transcripts in docs/labs."""

import pathlib
import platform
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GDB = "gdb" if platform.machine() == "x86_64" else "gdb-multiarch"
SECONDS = 60  # time limit of one answer
SO_ACCEPTCON = 1 << 16  # the flag of a listening socket in Linux's list
MARK = "@@@"  # gdb prints this after the answer to each command


def listens(path):
    """Returns whether a socket of this name takes connections.  To try it would be a connection."""
    rows = map(str.split, pathlib.Path("/proc/net/unix").read_text().splitlines()[1:])
    return any(row[7:] == [path] and int(row[3], 16) & SO_ACCEPTCON for row in rows)


class Debuggers:
    """gdb and QEMU's monitor for one machine, which must be started with the options `flags`."""

    def __init__(self, objdir):
        self.objdir = objdir
        # The name of a socket must be short.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="nestling-"))
        self.monitor_flags = ("--tcg", "--monitor", str(self.directory / "monitor"))
        self.flags = ("--gdb", str(self.directory / "gdb"), *self.monitor_flags)
        self.open = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.open:
            one.close()
        shutil.rmtree(self.directory)

    def path(self, name):
        """Waits until somebody listens on this socket of the machine; returns the socket's path."""
        path, deadline = str(self.directory / name), time.monotonic() + SECONDS
        while not listens(path):
            if time.monotonic() > deadline:
                raise TimeoutError(f"QEMU opens no socket for its {name}")
            time.sleep(0.05)
        return path

    def gdb(self):
        self.open.append(Gdb(self.path("gdb"), self.objdir))
        return self.open[-1]

    def monitor(self):
        self.open.append(Monitor(self.path("monitor")))
        return self.open[-1]


class Gdb:
    """gdb with our commands, as `make gdb` starts it, but without a terminal."""

    def __init__(self, path, objdir):
        self.process = subprocess.Popen(
            ["timeout", str(5 * SECONDS), GDB, "-q", "-nx", objdir / "kern" / "kernel",
             "-ex", f"source {ROOT}/tools/gdb/nestling.py", "-ex", f"target remote {path}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
        self.buffer = b""
        self.command("set style enabled off\nset width 0")

    def command(self, line):
        """Returns what a command prints.  A command that runs the machine ends when the machine stops again."""
        self.process.stdin.write(f"{line}\necho {MARK}\\n\n".encode())
        self.process.stdin.flush()
        while f"{MARK}\n".encode() not in self.buffer:
            ready = select.select([self.process.stdout], [], [], SECONDS)[0]
            data = self.process.stdout.read1() if ready else b""
            if not data:
                raise TimeoutError(f"gdb does not answer `{line}`: {self.buffer.decode()}")
            self.buffer += data
        answer, _, self.buffer = self.buffer.partition(f"{MARK}\n".encode())
        return answer.decode().replace("(gdb) ", "")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Monitor:
    """QEMU's monitor, as a person uses it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(path)
        self.read()

    def read(self):
        """Returns the text up to the next prompt."""
        text = ""
        while not text.endswith("(qemu) "):
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"QEMU has ended after: {text}")
            text += data.decode(errors="replace")
        return text.replace("\r", "")

    def command(self, line):
        """Returns what a command prints, without its echo."""
        self.socket.sendall(line.encode() + b"\n")
        return self.read().split("\n", 1)[1].removesuffix("(qemu) ")

    def registers(self):
        """Returns {name: number}."""
        found = re.findall(r"\b([A-Z][A-Z0-9]+)=([0-9a-f]+)\b", self.command("info registers"))
        return {name: int(value, 16) for name, value in found}

    def words(self, hpa, count):
        """Returns words of 8 bytes of host-physical memory, by `xp`."""
        text = self.command(f"xp /{count}gx {hpa:#x}")
        return [int(word, 16) for line in text.splitlines()
                for word in re.findall(r"0x([0-9a-f]{16})", line.split(":", 1)[1])]

    def close(self):
        self.socket.close()


def number(text, name):
    """Returns the number that follows a name in a text, such as a register in the output of vcpu."""
    found = re.search(rf"\b{name} (?:0x)?([0-9a-f]+)\b", text)
    if not found:
        raise LookupError(f"no {name} in:\n{text}")
    return int(found.group(1), 16)
