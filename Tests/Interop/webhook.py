"""A receiver of webhooks: a plain HTTPS server that writes down what it gets and answers as told."""

import http.server
import ipaddress
import json
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import certificates


def server_certificate(root, address):
    """A certificate for a server at an address, from a root of `certificates.authority`."""
    key = certificates.make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook receiver")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(root.certificate.subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(certificates.now() - certificates.DAY)
        .not_valid_after(certificates.now() + certificates.DAY)
        .add_extension(names, False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(root.key, hashes.SHA256())
    )
    return certificates.Certificate(certificate, key)


class Receiver:
    """`answer(events, number)` gives a status, or a status and headers, for the number-th request; it may
    block, which is how a receiver hangs."""

    def __init__(self, address, directory=None, root=None, answer=lambda events, number: 200):
        self.requests, self.taken, self.answer = [], [], answer
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._post(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                # A client that hangs up is what some tests are about.
                pass

        self._server = Server((address, 0), Handler)
        scheme = "http"
        if root is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*server_certificate(root, address).write(directory, "receiver"))
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.uri = f"{scheme}://{address}:{self._server.server_port}/in"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _post(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        content = json.loads(body)
        events = content if isinstance(content, list) else [content]
        with self._lock:
            self.requests.append((handler.path, dict(handler.headers), content))
            number = len(self.requests)
        answered = self.answer(events, number)
        status, headers = answered if isinstance(answered, tuple) else (answered, {})
        if 200 <= status < 300:
            with self._lock:
                self.taken += events
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def bodies(self):
        """The bodies of the events that were taken, in the order in which they were."""
        return [event["data"]["body"] for event in list(self.taken)]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
