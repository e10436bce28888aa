"""A wire between two addresses that can be cut and mended."""

import contextlib
import socket
import threading


class Relay:
    """Takes connections at `address` on each port and joins them to the same port of `target`."""

    def __init__(self, address, target, ports=(8883, 443)):
        self.address, self._target = address, target
        self._lock, self._ends, self._is_cut = threading.Lock(), set(), False
        self._listeners = [socket.create_server((address, port)) for port in ports]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        port = listener.getsockname()[1]
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((self._target, port), 5)
            except OSError:
                near.close()
                continue
            with self._lock:
                if self._is_cut:
                    near.close()
                    far.close()
                    continue
                self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        self._close({source, sink})

    def _close(self, ends):
        with self._lock:
            self._ends -= ends
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self):
        """Ends all connections, and takes no new ones until `mend`."""
        with self._lock:
            self._is_cut, ends = True, set(self._ends)
        self._close(ends)

    def mend(self):
        with self._lock:
            self._is_cut = False

    def close(self):
        self.cut()
        for listener in self._listeners:
            # Wakes the thread that waits in it.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
