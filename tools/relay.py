"""Carries text and keys between the user's terminal and the emulator, and finds the console's verdict."""

import collections
import os
import re
import select
import sys
import termios
import tty

import mkimage

EXIT_NO_VERDICT = 2
EXIT_BY_KEY = 130
VERDICT = re.compile(rb"nestling: poweroff, status (\d{1,3})")
# What boot sector and loader print as their first line before they halt for ever.
BOOT_ERROR = re.search(r'#define BOOT_ERROR_PREFIX "(.*)"',
                       mkimage.IMAGE_H.read_text()).group(1).encode()

ESCAPE = 0x01  # Ctrl-A
LINE_MAX = 4096  # bytes of an unfinished console line that are kept to find a verdict in
INPUT_MAX = 65536  # bytes that wait for the emulator; beyond these no more is read


class Stop(Exception):
    """The run is over before the emulator has ended: exit status and message."""

    def __init__(self, status, message=""):
        super().__init__(message)
        self.status = status


class Console:
    """The machine's output, of which the verdict needs the first line and the last."""

    def __init__(self):
        self.line = b""
        self.first = self.last = b""

    def feed(self, data):
        *done, rest = (self.line + data).split(b"\n")
        for line in done:
            self._end_line(line)
        self.line = rest[-LINE_MAX:]

    def _end_line(self, line):
        line = line.strip()
        if line:
            self.first = self.first or line
            self.last = line

    def boot_failed(self):
        return self.first.startswith(BOOT_ERROR)

    def verdict(self):
        """Returns the host's exit status, or None.  To be called when no more output will come."""
        self.feed(b"\n")
        found = VERDICT.fullmatch(self.last)
        return min(int(found.group(1)), 255) if found else None


class Keyboard:
    """Takes the keys of standard input to the machine, or to the emulator's own prompt."""

    def __init__(self, prompt):
        self.prompt = prompt
        self.at_prompt = bool(prompt and prompt.first)
        self.escaped = False

    def feed(self, data):
        """Takes typed bytes; returns those for the machine.  Raises Stop after Ctrl-A x."""
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    raise Stop(EXIT_BY_KEY, "ended by Ctrl-A x")
                if byte in b"cC" and self.prompt:
                    self.switch()
                    continue
            elif byte == ESCAPE:
                self.escaped = True
                continue
            if self.at_prompt:
                self.prompt.write(bytes([byte]))
            else:
                out.append(byte)
        return bytes(out)

    def switch(self):
        self.at_prompt = not self.at_prompt
        to = self.prompt.name if self.at_prompt else "the machine"
        write_all(sys.stdout.fileno(), f"\r\n[keys go to {to}]\r\n".encode())
        if self.at_prompt:
            self.prompt.enter()


class Relay:
    """Carries bytes between the machine, the emulator's prompt and standard input and output."""

    def __init__(self, master, interactive, prompt=None):
        self.master = master
        self.console = Console()
        self.prompt = prompt
        self.keyboard = Keyboard(prompt) if interactive else None
        self.stdin = sys.stdin.fileno()
        self.stdin_open = True
        self.to_machine = collections.deque()
        os.set_blocking(master, False)

    def step(self, seconds):
        """Moves the bytes that can be moved; waits at most so many seconds for the first."""
        readers = [self.master, *(self.prompt.readers if self.prompt else ())]
        if self.stdin_open and sum(map(len, self.to_machine)) < INPUT_MAX:
            readers.append(self.stdin)
        writers = [self.master] if self.to_machine else []
        readable, writable, _ = select.select(readers, writers, [], seconds)
        if self.master in readable:
            self.read_machine()
        if self.prompt:
            write_all(sys.stdout.fileno(), self.prompt.read())
        if self.stdin in readable:
            self.read_stdin()
        if writable:
            self.write_machine()

    def read_machine(self):
        """Prints what the machine sent; returns False when there was nothing."""
        try:
            data = os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            data = b""
        self.console.feed(data)
        write_all(sys.stdout.fileno(), data)
        return bool(data)

    def end_line(self):
        """Ends an unfinished line, so that the next text on standard output starts a line of its own."""
        if self.console.line:
            write_all(sys.stdout.fileno(), b"\r\n")

    def read_stdin(self):
        data = os.read(self.stdin, 4096)
        self.stdin_open = bool(data)
        if self.keyboard:
            data = self.keyboard.feed(data)
        if data:
            self.to_machine.append(data)

    def write_machine(self):
        data = self.to_machine.popleft()
        try:
            sent = os.write(self.master, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.to_machine.appendleft(data[sent:])


def write_all(fd, data):
    while data:
        try:
            data = data[os.write(fd, data):]
        except BrokenPipeError:
            raise Stop(EXIT_NO_VERDICT) from None


class RawTerminal:
    """Puts standard input in raw mode if it is a terminal, so that all keys reach the machine."""

    def __init__(self, hint):
        self.hint = hint
        self.fd = sys.stdin.fileno()
        self.active = os.isatty(self.fd)

    def __enter__(self):
        if self.active:
            print(f"run.py: {self.hint}", file=sys.stderr, flush=True)
            self.saved = termios.tcgetattr(self.fd)
            tty.setraw(self.fd)
        return self

    def __exit__(self, *_):
        if self.active:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self.saved)
