"""Shared access signatures as the contract defines them, and ways to get them wrong."""

import base64
import hashlib
import hmac
import secrets
import time
from urllib.parse import quote


def new_key(size=32):
    """A fresh symmetric key of `size` bytes, in base64."""
    return base64.b64encode(secrets.token_bytes(size)).decode()


def sign(encoded_resource, key, expiry):
    """The base64 signature over the resource exactly as the token will carry it."""
    message = f"{encoded_resource}\n{expiry}".encode()
    return base64.b64encode(
        hmac.new(base64.b64decode(key), message, hashlib.sha256).digest()
    ).decode()


def token(resource, key, policy=None, ttl=3600, expiry=None, encode=None):
    """A token for `resource`. `encode` replaces the percent-encoding of the resource."""
    if expiry is None:
        expiry = int(time.time()) + ttl
    encoded = (encode or (lambda text: quote(text, safe="")))(resource)
    text = f"SharedAccessSignature sr={encoded}&sig={quote(sign(encoded, key, expiry), safe='')}"
    text += f"&se={expiry}"
    return text + (f"&skn={policy}" if policy else "")


def parse_connection_string(text):
    """`{"HostName": …}` of a connection string; values may contain `=`."""
    return dict(part.split("=", 1) for part in text.split(";"))
