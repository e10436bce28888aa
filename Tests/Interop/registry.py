"""Container registries: one as small as a test needs, which asks for tokens, and Debian's docker-registry."""

import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import platform
import subprocess
import shutil
import tarfile
import tempfile
import threading

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import loopback
from chips import free_port, listens
from waiting import wait_until

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
USER, PASSWORD = "reader", "secret"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def tar(entries):
    """A layer: names and contents, or whole headers with contents."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries:
            entry = name
            if isinstance(name, str):
                entry = tarfile.TarInfo(name)
                entry.mode = 0o755
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


SOURCE = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>
static void ends(int number) { _exit(number == SIGTERM ? 7 : 8); }
int main(int count, char **words) {
  setvbuf(stdout, 0, _IOLBF, 0);
  signal(SIGTERM, ends);
  printf("hello from %s, user %d, %s\n", getenv("IOTEDGE_MODULEID"), (int)getuid(), getenv("GREETING"));
  for (int i = 1; i < count; i++) {
    struct stat information;
    printf("%s: %s\n", words[i], lstat(words[i], &information) ? "none" :
      S_ISDIR(information.st_mode) ? "folder" : S_ISCHR(information.st_mode) ? "device" : "file");
    if (!strncmp(words[i], "exit", 4)) return atoi(words[i] + 4);
    for (int left = strncmp(words[i], "leave", 5) ? 0 : atoi(words[i] + 5); left > 0; left--) {
      pid_t child = fork();
      if (!child) {
        if (!fork()) usleep(100000);
        _exit(0);
      }
      waitpid(child, 0, 0);
    }
  }
  for (;;) pause();
}
"""


@functools.cache
def program():
    """A program that needs nothing beside it: tells of itself and of the paths it is called with."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cc", "-static", "-O1", "-x", "c", "-o", f"{folder}/module", "-"],
                       input=SOURCE, text=True, check=True)
        return pathlib.Path(folder, "module").read_bytes()


def architecture():
    """This machine's, in the words of registries."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def configuration(layers, config):
    """What an image of layers, each a tar file, says of itself."""
    return json.dumps({
        "architecture": architecture(), "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }).encode()


class Layout:
    """A folder in the OCI image layout."""

    def __init__(self, path):
        self.path, self._entries = pathlib.Path(path), []
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def _blob(self, content, kind):
        name = digest(content)
        (self.path / "blobs/sha256" / name.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": kind, "digest": name, "size": len(content)}

    def add(self, tag, layers, **config):
        """An image of layers, each a tar file."""
        described = self._blob(configuration(layers, config), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": described,
                    "layers": [self._blob(gzip.compress(layer), LAYER) for layer in layers]}
        self._entries.append(self._blob(json.dumps(manifest).encode(), IMAGE) | {
            "annotations": {"org.opencontainers.image.ref.name": tag}})
        (self.path / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": self._entries}))


class Registry:
    """Serves over plain HTTP and asks for tokens, which USER and PASSWORD get."""

    def __init__(self, address, port=0):
        self.blobs, self.manifests, self.is_stopped = {}, {}, False
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # Who asks for TLS first is no fault.

        self._server = Server((address, port), Handler)
        self.host = f"{address}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        # Connections that are open would go on.
        self.is_stopped = True
        self._server.shutdown()
        self._server.server_close()

    # What is there

    def _blob(self, content, kind):
        self.blobs[digest(content)] = content
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    def _manifest(self, repository, tags, manifest):
        content = json.dumps(manifest).encode()
        for name in [digest(content), *tags]:
            self.manifests[repository, name] = (manifest["mediaType"], content)
        return digest(content)

    def push(self, repository, tag, layers, **config):
        """An image of layers, each a tar file; its digest."""
        described = self._blob(configuration(layers, config), CONFIG)
        return self._manifest(repository, [tag], {
            "schemaVersion": 2, "mediaType": IMAGE, "config": described,
            "layers": [self._blob(gzip.compress(layer), LAYER) for layer in layers]})

    def push_index(self, repository, tag, image):
        """An image for several machines, of which one is ours; its digest."""
        content = self.manifests[repository, image][1]
        entries = [
            {"mediaType": IMAGE, "digest": "sha256:" + "0" * 64, "size": 5,
             "platform": {"os": "linux", "architecture": "s390x"}},
            {"mediaType": IMAGE, "digest": image, "size": len(content),
             "platform": {"os": "linux", "architecture": architecture()}}]
        return self._manifest(repository, [tag], {
            "schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def sign(self, repository, image, key, name=None):
        """Puts a signature there as cosign does."""
        payload = json.dumps({
            "critical": {
                "identity": {"docker-reference": name or f"{self.host}/{repository}"},
                "image": {"docker-manifest-digest": image},
                "type": "cosign container image signature"},
            "optional": None}, separators=(",", ":")).encode()
        signature = key.sign(payload, ec.ECDSA(hashes.SHA256()))
        layer = self._blob(payload, PAYLOAD) | {"annotations": {
            "dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}}
        self._manifest(repository, [image.replace(":", "-") + ".sig"], {
            "schemaVersion": 2, "mediaType": IMAGE,
            "config": self._blob(b"{}", CONFIG), "layers": [layer]})

    # Answers

    def _answer(self, request):
        path = request.path.partition("?")[0]
        if self.is_stopped:
            request.close_connection = True
            return None
        header = request.headers.get("Authorization", "")
        if path == "/token":
            known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if header != "Basic " + known:
                return self._send(request, 401, b"{}")
            return self._send(request, 200, json.dumps({"token": "t0ken"}).encode())
        if header != "Bearer t0ken":
            return self._send(request, 401, b"{}", **{
                "WWW-Authenticate": f'Bearer realm="http://{self.host}/token",service="test"'})
        kind, _, name = path.removeprefix("/v2/").rpartition("/")
        repository, _, kind = kind.rpartition("/")
        if path == "/v2/":
            return self._send(request, 200, b"{}")
        if kind == "manifests" and (repository, name) in self.manifests:
            media, content = self.manifests[repository, name]
            return self._send(request, 200, content, **{
                "Content-Type": media, "Docker-Content-Digest": digest(content)})
        if kind == "blobs" and name in self.blobs:
            return self._send(request, 200, self.blobs[name])
        self._send(request, 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}')

    @staticmethod
    def _send(request, status, content, **headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)


# The hash of PASSWORD by bcrypt, the only one that docker-registry takes.
HASH = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"


class Distribution(Registry):
    """docker-registry, with a name and a password for everything."""

    def __init__(self, address, folder):
        self.blobs, self.manifests = {}, {}
        self.host = f"{address}:{free_port(address)}"
        (folder / "users").write_text(f"{USER}:{HASH}\n")
        (folder / "registry.yml").write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder / 'images'}}}}}\n"
            f"http: {{addr: '{self.host}', secret: tests}}\n"
            f"auth: {{htpasswd: {{realm: tests, path: {folder / 'users'}}}}}\n")
        with open(folder / "registry.log", "wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(folder / "registry.yml")], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=loopback.die_with_parent)
        port = int(self.host.rpartition(":")[2])
        wait_until(lambda: listens(address, port), 20, "docker-registry listens")

    @staticmethod
    def is_there():
        return shutil.which("docker-registry") is not None

    def stop(self):
        self._process.terminate()
        self._process.wait(10)

    def _manifest(self, repository, tags, manifest):
        named = super()._manifest(repository, tags, manifest)
        base = f"http://{self.host}/v2/{repository}"
        with requests.Session() as session:
            session.auth = (USER, PASSWORD)
            for part in [manifest["config"], *manifest["layers"]]:
                begun = session.post(f"{base}/blobs/uploads/", timeout=10)
                assert begun.status_code == 202, begun.text
                put = session.put(begun.headers["Location"], self.blobs[part["digest"]], timeout=10,
                                  params={"digest": part["digest"]},
                                  headers={"Content-Type": "application/octet-stream"})
                assert put.status_code == 201, put.text
            for name in tags:
                put = session.put(f"{base}/manifests/{name}", self.manifests[repository, name][1],
                                  timeout=10, headers={"Content-Type": manifest["mediaType"]})
                assert put.status_code == 201, put.text
                assert put.headers["Docker-Content-Digest"] == named
        return named
