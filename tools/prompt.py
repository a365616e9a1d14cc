"""The emulator's own prompt: QEMU's monitor, or Bochs's debugger.  Ctrl-A c switches the keys to it."""

import collections
import os
import signal
import socket
import subprocess
import time

CTRL_C, BACKSPACES, ENDS = 0x03, b"\b\x7f", b"\r\n"
CONNECT_SECONDS = 5


class QemuMonitor:
    """A socket to QEMU's monitor, which edits the typed line itself."""

    name = "QEMU's monitor"
    first = False  # True: the keys go to the prompt from the start
    stdin = subprocess.DEVNULL  # for the emulator

    def __init__(self, path):
        self.path = path
        self.socket = None

    def attach(self, process):
        """Does nothing: enter() connects."""

    @property
    def readers(self):
        return [self.socket] if self.socket else []

    def enter(self):
        if self.socket:
            self.socket.sendall(b"\r")  # QEMU shows its prompt again
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
    """Sends commands to Bochs's standard input and reads the answers from a log.  Ctrl-C stops the machine."""

    name = "Bochs's debugger"
    first = True
    readers = ()
    LOG = "debugger.log"  # in the work directory

    def __init__(self, work):
        (work / self.LOG).touch()
        self.answers = open(work / self.LOG, "rb")
        self.stdin, self.commands = os.pipe()
        self.line = self.rest = self.output = b""
        self.sent = collections.deque()  # lines that the log has yet to repeat
        self.process = None

    def attach(self, process):
        self.process = process

    def enter(self):
        """Does nothing: Bochs's prompt is not in the log."""

    def write(self, data):
        for byte in data:
            if byte == CTRL_C:
                self.process.send_signal(signal.SIGINT)
            elif byte in ENDS:
                os.write(self.commands, self.line + b"\n")
                if self.line:  # the log does not show an empty line, which repeats the last command
                    self.sent.append(self.line)
                self.line = b""
                self.output += b"\r\n"
            elif byte in BACKSPACES:
                self.output += b"\b \b" if self.line else b""
                self.line = self.line[:-1]
            else:
                self.output += (b"" if self.line else b"bochs> ") + bytes([byte])
                self.line += bytes([byte])

    def read(self):
        """Returns the text to show: the line that is being typed, and answers without their echo."""
        *lines, self.rest = (self.rest + self.answers.read()).split(b"\n")
        for line in lines:
            if line in self.sent:
                while self.sent.popleft() != line:
                    pass
            else:
                self.output += line + b"\r\n"
        shown, self.output = self.output, b""
        return shown
