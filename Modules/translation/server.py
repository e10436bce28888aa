"""Takes machines' connections, and answers a reading only after the hub has answered for it.

What is acknowledged to a machine is with the hub, durably. What is not, the machine sends again; then a
reading may arrive twice, with the same message ID.
"""

import logging
import socketserver
import threading

from . import lines

log = logging.getLogger("translation")

CONNECTIONS = 256
IDLE_SECONDS = 900


class Refused(Exception):
    """The hub's side cannot take this machine, or this reading, now: what the machine is told."""


class LineServer(socketserver.ThreadingTCPServer):
    """Serves machines; `sink` has `open(machine)`, whose answer has `send(reading)` and `close()`.

    `send` returns when the hub has acknowledged, and raises `Refused` otherwise.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, sink, idle_seconds=IDLE_SECONDS):
        self.sink, self.idle_seconds = sink, idle_seconds
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, LineConnection)

    def process_request(self, request, client_address):
        if not self._slots.acquire(blocking=False):
            log.warning("%s refused: %d machines are connected", client_address[0], CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request, client_address):
        # A machine that goes away is no error of ours; its reading was not acknowledged.
        log.info("%s went away", client_address[0], exc_info=log.isEnabledFor(logging.DEBUG))


class LineConnection(socketserver.StreamRequestHandler):
    """One machine, one line after the other: so its readings keep their order."""

    def handle(self):
        self.request.settimeout(self.server.idle_seconds)
        self.machine, self.channel = None, None
        try:
            while (line := self.rfile.readline(lines.LINE_BYTES + 2)):
                if not line.endswith(b"\n"):
                    # Too long, or the connection broke within it: what follows cannot be told apart.
                    self.answer("ERR - a line has at most 4096 bytes and ends with LF")
                    return
                self.take(line.rstrip(b"\r\n"))
        finally:
            if self.channel:
                self.channel.close()

    def take(self, line):
        try:
            said = lines.parse(line)
        except lines.Malformed as problem:
            self.answer(f"ERR {lines.number_of(line)} {problem}")
            return
        try:
            match said:
                case lines.Ping():
                    self.answer("PONG")
                case lines.Hello(machine):
                    self.hello(machine)
                case lines.Reading(number, _) if self.channel is None:
                    self.answer(f"ERR {number} say HELLO and a name first")
                case lines.Reading(number, _):
                    self.channel.send(said)
                    self.answer(f"OK {number}")
        except Refused as problem:
            number = said.number if isinstance(said, lines.Reading) else "-"
            log.warning("%s: %s", self.machine or self.client_address[0], problem)
            self.answer(f"ERR {number} {problem}")

    def hello(self, machine):
        if self.machine not in (None, machine):
            self.answer(f"ERR - this connection is {self.machine}'s")
            return
        if self.channel is None:
            self.channel = self.server.sink.open(machine)
            self.machine = machine
            log.info("%s is %s", self.client_address[0], machine)
        self.answer(f"OK {machine}")

    def answer(self, text):
        self.wfile.write(text.encode() + b"\n")
