"""HTTP/1.1 by hand, for requests that no client library would send."""

import json
import socket
import ssl
from dataclasses import dataclass

from mqtt_wire import Closed, receive


@dataclass
class Answer:
    """A response as it came; `headers` have lower-case names."""

    status_code: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


class CaseBlind(dict):
    """Header names in any letter case."""

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class HTTPConnection:
    """A blocking TLS connection to the HTTPS port."""

    def __init__(self, hub, timeout=5):
        plain = socket.create_connection((hub.host, hub.https_port), timeout)
        self.stream = hub.tls_context().wrap_socket(plain, server_hostname=hub.host)
        self.hub, self.buffer = hub, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def send(self, data):
        """Sends bytes as they are; the hub may have hung up in the middle of them."""
        try:
            self.stream.sendall(data)
        except (ssl.SSLError, ConnectionError) as error:
            raise Closed(str(error)) from error

    def request(self, method, target, headers=(), body=b"", version="HTTP/1.1", length=True):
        """Sends one request; header values may be anything that fits a line."""
        lines = [f"{method} {target} {version}", f"Host: {self.hub.host}"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        if length and (body or method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {len(body)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass") + body)

    def answer(self, head=False):
        """The next response; `Closed` when there is none."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        top, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = top.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1."), first
        headers = CaseBlind(
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        )
        status = int(first.split()[1])
        if head or status in (204, 304) or 100 <= status < 200:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Answer(status, headers, self._chunks())
        return Answer(status, headers, self._exactly(int(headers.get("content-length", "0"))))

    def expect_closed(self, timeout=5):
        """The hub ends the connection and says nothing more."""
        self.stream.settimeout(timeout)
        try:
            assert self.stream.recv(1) == b"" and not self.buffer
        except TimeoutError:
            raise AssertionError(f"still open after {timeout} s") from None
        except (ssl.SSLError, ConnectionError):
            pass

    def _more(self):
        self.buffer += receive(self.stream)

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def _chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.buffer:
                self._more()
            size, self.buffer = self.buffer.split(b"\r\n", 1)
            count = int(size.split(b";")[0], 16)
            body += self._exactly(count)
            self._exactly(2)
            if count == 0:
                return body
