"""A blob service as small as a test needs, over TLS."""

import http.server
import threading
import ssl
from urllib.parse import parse_qs, urlsplit

import webhook

SIGNATURE = "sv=2021-12-02&sr=c&sp=cw&sig=s%2Fg"


class BlobStorage:
    """Takes block and append blobs below `url`; the next requests are answered by `faults` first."""

    def __init__(self, address, directory, root):
        self.blobs, self.kinds, self.faults, self.requests = {}, {}, [], []
        storage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                storage._put(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        certificate, key = webhook.server_certificate(root, address).write(directory, "storage")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{address}:{self._server.server_address[1]}/logs?{SIGNATURE}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _put(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        parts = urlsplit(request.path)
        query = parse_qs(parts.query)
        name = parts.path.removeprefix("/logs/")
        kind = request.headers.get("x-ms-blob-type")
        self.requests.append((name, query, kind))
        status, code = self.faults.pop(0) if self.faults else (201, None)
        if status == 201 and query.get("sig") != ["s/g"]:
            status, code = 403, "AuthenticationFailed"
        if status == 201 and query.get("comp") == ["appendblock"]:
            if self.kinds.get(name) == "AppendBlob":
                self.blobs[name] += body
            else:
                status, code = 409, "InvalidBlobType"
        elif status == 201:
            self.kinds[name], self.blobs[name] = kind, body
        request.send_response(status)
        if code:
            request.send_header("x-ms-error-code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()
