"""The standard ports on addresses of our own, with or without privileges."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import sys

ENTERED = "ORRERY_INTEROP_NAMESPACE"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def can_bind_standard_ports(address="127.0.77.250"):
    """Whether a process like this one may listen on port 443 of a loopback address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 443))
        except PermissionError:
            return False
        except OSError:
            return True  # Somebody listens there already, so it can be done.
    return True


def bring_loopback_up():
    """Does what `ip link set lo up` does; a fresh network namespace starts with lo down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def enter_namespace(arguments):
    """Replaces this process by the same pytest run inside a user and network namespace.

    The caller must have restored the real stdout and stderr. Returns a reason when it cannot.
    """
    if os.environ.get(ENTERED):
        return "port 443 is refused even inside the network namespace"
    if not shutil.which("unshare"):
        return "port 443 needs root, CAP_NET_BIND_SERVICE or the unshare command"
    os.environ[ENTERED] = "1"
    os.execvp(
        "unshare", ["unshare", "-rn", "--", sys.executable, "-m", "pytest", *arguments]
    )


def die_with_parent():
    """Between fork and exec: a hub must not outlive a test run that was killed."""
    ctypes.CDLL(None, use_errno=True).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
