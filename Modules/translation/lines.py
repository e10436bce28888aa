"""Readings as lines of text: what old controllers and serial servers can send over TCP.

    HELLO press-7                          OK press-7
    1 temperature=21.5 state="on hold"     OK 1
    2 temperature                          ERR 2 a value is name=value
    PING                                   PONG

A line has at most 4,096 bytes and ends with LF or CR LF. A machine first says who it is. A reading has a
number, which the answer repeats; numbers and names are the machine's own.
"""

import math
import re
import shlex
from dataclasses import dataclass

LINE_BYTES = 4096
VALUES = 64
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
NUMBER = re.compile(r"[0-9]{1,18}")


class Malformed(Exception):
    """A line that is none of the protocol: what is wrong with it, for the machine."""


@dataclass(frozen=True)
class Hello:
    machine: str


@dataclass(frozen=True)
class Reading:
    number: int
    values: dict


@dataclass(frozen=True)
class Ping:
    pass


def parse(line):
    """What a line without its end says; raises `Malformed`."""
    if len(line) > LINE_BYTES:
        raise Malformed(f"a line has at most {LINE_BYTES} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("the line is no UTF-8") from None
    if any(ord(character) < 32 and character != "\t" for character in text):
        raise Malformed("the line has a control character")
    first, _, rest = text.strip().partition(" ")
    if first == "PING" and not rest:
        return Ping()
    if first == "HELLO":
        if not MACHINE.fullmatch(rest.strip()):
            raise Malformed("HELLO is followed by a name of 1 to 128 letters, digits and _ . : -")
        return Hello(rest.strip())
    if not NUMBER.fullmatch(first):
        raise Malformed("a line begins with HELLO, PING or a number")
    return Reading(int(first), _values(rest))


def number_of(line):
    """The number that a bad line begins with, for the answer; `-` where there is none."""
    word = line.split(b" ", 1)[0].strip()
    return word.decode() if word.isdigit() and len(word) <= 18 else "-"


def _values(text):
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        raise Malformed("a quotation has no end") from None
    if not 0 < len(words) <= VALUES:
        raise Malformed(f"a reading has 1 to {VALUES} values")
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise Malformed("a value is name=value, and a name has at most 64 letters, digits and _ . -")
        if name in values:
            raise Malformed(f"{name} is there twice")
        values[name] = _value(value)
    return values


def _value(text):
    if text in ("true", "false"):
        return text == "true"
    try:
        number = int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else float(text)
    except ValueError:
        return text
    # JSON has no infinity, and words such as "nan" are words.
    return number if math.isfinite(number) and not text[:1].isalpha() and "_" not in text else text
