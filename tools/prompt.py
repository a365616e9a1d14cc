"""The emulator's own prompt, to which Ctrl-A c switches the keys: QEMU's monitor, Bochs's debugger."""

import os
import signal
import socket
import time

CTRL_C, BACKSPACES, ENDS = 0x03, b"\b\x7f", b"\r\n"
CONNECT_SECONDS = 5


class QemuMonitor:
    """QEMU edits the line itself."""

    name = "QEMU's monitor"
    first = False  # has the keys from the start

    def __init__(self, path):
        self.path = path
        self.socket = None

    def attach(self, process):
        """The emulator runs."""

    @property
    def readers(self):
        return [self.socket] if self.socket else []

    def enter(self):
        if self.socket:
            self.socket.sendall(b"\r")  # shows its prompt again
            return
        deadline = time.monotonic() + CONNECT_SECONDS
        while not os.path.exists(self.path) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.socket.setblocking(False)

    def write(self, data):
        self.socket.sendall(data)

    def read(self):
        try:
            return self.socket.recv(65536) if self.socket else b""
        except OSError:
            return b""


class BochsDebugger:
    """Commands go through a FIFO, answers come in a log; Ctrl-C stops the machine."""

    name = "Bochs's debugger"
    first = True
    readers = ()
    COMMANDS, ANSWERS = "debugger.rc", "debugger.log"  # in the work directory

    def __init__(self, work):
        os.mkfifo(work / self.COMMANDS)
        self.commands = os.open(work / self.COMMANDS, os.O_RDWR)
        (work / self.ANSWERS).touch()
        self.answers = open(work / self.ANSWERS, "rb")
        self.line = self.echo = self.output = b""
        self.process = None

    def attach(self, process):
        self.process = process

    def enter(self):
        """Nothing to show: it has no prompt when it reads from a file."""

    def write(self, data):
        for byte in data:
            if byte == CTRL_C:
                self.process.send_signal(signal.SIGINT)
            elif byte in ENDS:
                os.write(self.commands, self.line + b"\n")
                self.echo, self.line = self.line + b"\n", b""
                self.output += b"\r\n"
            elif byte in BACKSPACES:
                self.output += b"\b \b" if self.line else b""
                self.line = self.line[:-1]
            else:
                self.output += (b"" if self.line else b"bochs> ") + bytes([byte])
                self.line += bytes([byte])

    def read(self):
        """What is to be shown: the line that is being typed, and answers without their echo."""
        answer = self.answers.read()
        if self.echo and self.echo in answer:
            answer = answer.replace(self.echo, b"", 1)
            self.echo = b""
        shown = self.output + answer.replace(b"\n", b"\r\n")
        self.output = b""
        return shown
