"""Broken and hostile HTTP and JSON (contract 7.1, 7.2 and 12)."""

import json

import pytest

from http_wire import HTTPConnection
from mqtt_wire import Closed
from rest import check_common_headers, check_error

pytestmark = pytest.mark.usefixtures("unharmed")
API = "api-version=2021-04-12"


@pytest.fixture
def http(hub):
    with HTTPConnection(hub) as connection:
        yield connection


@pytest.fixture
def authorized(rest):
    return {"Authorization": rest.token()}


def refused_or_closed(http, *statuses):
    """A 4xx answer (one of `statuses` if given), or a close."""
    try:
        answer = http.answer()
    except Closed:
        return
    assert answer.status_code in (statuses or range(400, 500)), answer


# Routes


@pytest.mark.parametrize("method, path", [
    ("DELETE", "/devices"), ("PUT", "/devices"), ("POST", "/devices/x"), ("PATCH", "/devices/x"),
    ("POST", "/twins/x"), ("DELETE", "/twins/x"), ("GET", "/twins/x/methods"),
    ("GET", "/devices/query"), ("POST", "/statistics/devices"), ("PUT", "/statistics/service"),
    ("POST", "/devices/x/commands"), ("PATCH", "/devices/x/modules"),
])
def test_wrong_verbs_are_405(rest, method, path):
    # GET /devices/query would name a device called `query`; both readings are sound.
    expected = {404, 405} if path == "/devices/query" else {405}
    answer = rest.call(method, path)
    assert answer.status_code in expected, answer.text
    check_error(answer, answer.status_code)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LOCK", "QUERY"])
def test_unknown_verbs_are_refused(http, authorized, method):
    http.request(method, f"/devices?{API}", authorized)
    refused_or_closed(http, 400, 405, 501)


def test_connect_and_asterisk_forms_are_refused(hub):
    for line in (f"CONNECT {hub.host}:443", "OPTIONS *"):
        with HTTPConnection(hub) as http:
            http.send(f"{line} HTTP/1.1\r\nHost: {hub.host}\r\n\r\n".encode())
            refused_or_closed(http)


@pytest.mark.parametrize("path", [
    "/", "/nothing", "/device", "/devices/x/y/z", "/twins", "/twins/x/modules", "/DEVICES/x/y",
    "/devices/x/modules/m/n", "//devices", "/$metadata", "/index.html", "/.env", "/admin",
])
def test_unknown_paths_are_404(rest, path):
    check_error(rest.call("GET", path), 404)


@pytest.mark.parametrize("path", [
    "/devices/../devices/x", "/devices/%2e%2e/x", "/devices/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/devices/%00", "/devices/%", "/devices/%zz", "/devices/%c3%28", "/devices/a%2fb",
    "/devices/%252f", "/devices/" + "x" * 9000, "/devices/\u00fc",
])
def test_awkward_paths_get_an_error_and_no_file(http, authorized, path):
    http.request("GET", f"{path}?{API}", authorized)
    answer = http.answer()
    assert 400 <= answer.status_code < 500 and b"root:" not in answer.body
    check_common_headers(answer.headers)


def test_head_is_get_without_the_body(http, authorized, rest, device):
    http.request("HEAD", f"/devices/{device.device_id}?{API}", authorized)
    answer = http.answer(head=True)
    assert answer.status_code in (200, 405)
    http.request("GET", f"/statistics/devices?{API}", authorized)
    assert http.answer().status_code == 200, "the body of HEAD was sent"


# api-version


@pytest.mark.parametrize("version", [None, "", "latest", "2021-04-13", "1999-01-01", "2021-04-12x"])
def test_api_version_is_judged_before_authentication(rest, version):
    for token in (False, None):
        answer = rest.call("GET", "/devices", api_version=version, token=token)
        check_error(answer, 400, "InvalidProtocolVersion")


@pytest.mark.parametrize("version", [
    "2018-06-30", "2019-10-01", "2020-03-13", "2020-05-31-preview", "2020-09-30", "2021-04-12",
    "2024-03-31"])
def test_known_api_versions(rest, version):
    rest.call("GET", "/statistics/devices", api_version=version, expect=200)


def test_the_probe_of_iotedge_check(http):
    http.request("GET", "/devices/0000/modules")
    answer = http.answer()
    assert answer.headers["iothub-errorcode"] == "InvalidProtocolVersion"
    check_error(answer, 400, "InvalidProtocolVersion")


def test_unauthenticated_callers_learn_nothing_about_identities(rest, device):
    known, unknown = (rest.call("GET", f"/devices/{name}", token=False)
                      for name in (device.device_id, "nobody-here"))
    assert known.status_code == unknown.status_code == 401
    assert known.headers["iothub-errorcode"] == unknown.headers["iothub-errorcode"]
    assert device.device_id not in known.text


# HTTP itself


def test_chunked_bodies_and_keep_alive(http, authorized, identities):
    name = identities.name()
    identities._made.append(name)
    body = json.dumps({"deviceId": name}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body)))
    http.request("PUT", f"/devices/{name}?{API}",
                 {**authorized, "Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n",
                 length=False)
    assert http.answer().status_code == 200
    for _ in range(3):
        http.request("GET", f"/devices/{name}?{API}", authorized)
        assert http.answer().json()["deviceId"] == name


def test_expect_continue(http, authorized, device):
    body = b'{"tags":{"a":1}}'
    http.send((f"PATCH /twins/{device.device_id}?{API} HTTP/1.1\r\nHost: {device.hub.host}\r\n"
               f"Authorization: {authorized['Authorization']}\r\nExpect: 100-continue\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode())
    assert http.answer().status_code == 100
    http.send(body)
    assert http.answer().json()["tags"] == {"a": 1}


def test_pipelined_requests_are_answered_in_order(http, authorized, device):
    for path in (f"/devices/{device.device_id}", "/devices/none", "/statistics/devices"):
        http.request("GET", f"{path}?{API}", authorized)
    assert [http.answer().status_code for _ in range(3)] == [200, 404, 200]


@pytest.mark.parametrize("head", [
    "Content-Length: -1", "Content-Length: abc", "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity",
    "Content-Length : 5", "Bad Header", "X: a\x00b", ": empty",
])
def test_bad_framing_is_refused(http, authorized, head):
    lines = f"PUT /devices/framing?{API} HTTP/1.1\r\nHost: {http.hub.host}\r\n"
    lines += f"Authorization: {authorized['Authorization']}\r\n{head}\r\n\r\n0\r\n\r\n"
    http.send(lines.encode())
    refused_or_closed(http)


@pytest.mark.parametrize("line", [
    "GET /devices HTTP/9.9", "GET /devices", "GET", "\x16\x03\x01", "GET  /devices HTTP/1.1",
    "get /devices HTTP/1.1", "GET /devices HTTP/1.1 extra", "GET http://[::1 HTTP/1.1"])
def test_bad_request_lines(http, line):
    http.send(f"{line}\r\nHost: x\r\n\r\n".encode())
    refused_or_closed(http, 400, 404, 405, 501, 505)


def test_missing_host_is_refused(http):
    http.send(f"GET /devices?{API} HTTP/1.1\r\n\r\n".encode())
    refused_or_closed(http)


@pytest.mark.parametrize("headers", [
    {"X-Long": "x" * 70_000}, {f"X-{number}": "x" * 100 for number in range(800)}],
    ids=["one long", "many"])
def test_header_block_limit(http, authorized, headers):
    try:
        http.request("GET", f"/devices?{API}", {**authorized, **headers})
    except Closed:
        return
    refused_or_closed(http, 400, 413, 431)


def test_headers_below_the_limit_are_fine(http, authorized):
    http.request("GET", f"/statistics/devices?{API}", {**authorized, "X-Long": "x" * 8000})
    assert http.answer().status_code == 200


def test_body_limit(http, authorized, device):
    body = b'{"tags":{"a":"' + b"x" * (1 << 20) + b'"}}'
    try:
        http.request("PATCH", f"/twins/{device.device_id}?{API}", authorized, body)
    except Closed:
        return
    refused_or_closed(http, 400, 413)


def test_an_endless_chunked_body_is_cut_off(http, authorized, device):
    http.request("PATCH", f"/twins/{device.device_id}?{API}",
                 {**authorized, "Transfer-Encoding": "chunked"}, length=False)
    try:
        for _ in range(64):
            http.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
    except (Closed, TimeoutError):
        return
    refused_or_closed(http, 400, 413)


# JSON


BOMBS = {
    "deep arrays": b"[" * 100_000, "deep closed arrays": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 100_000, "long number": b"1" * 500_000,
    "long exponent": b"1e" + b"9" * 100_000, "huge exponent": b'{"tags":{"a":1e400}}',
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}",
    "same key": b"{" + b",".join([b'"tags":{}'] * 60_000) + b"}",
    "colliding keys": b"{" + b",".join(b'"%s":1' % (b"Aa" * n + b"BB" * (900 - n))
                                       for n in range(500)) + b"}",
    "long string": b'"' + b"x" * 900_000 + b'"', "escapes": b'"' + b"\\u0041" * 150_000 + b'"',
    "open string": b'{"tags":"', "bad UTF-8": b'{"tags":{"a":"\xff\xfe"}}',
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"tags":{}}'.encode("utf-16"), "lone surrogate": b'{"tags":{"a":"\\ud800"}}',
    "NUL in a key": b'{"tags":{"a\\u0000":1}}', "raw control": b'{"tags":{"a":"\x01"}}',
    "trailing comma": b'{"tags":{},}', "comment": b'{"tags":{}/**/}', "NaN": b'{"tags":{"a":NaN}}',
    "leading zero": b'{"tags":{"a":01}}', "two values": b'{"tags":{}}{"tags":{}}',
    "single quotes": b"{'tags':{}}", "nothing": b"", "blank": b"   ", "hex": b'{"tags":{"a":0x1}}',
}


@pytest.mark.parametrize("case", BOMBS)
def test_json_bombs(rest, device, hub, case):
    before = hub.resident_bytes()
    answer = rest.call("PATCH", f"/twins/{device.device_id}", data=BOMBS[case],
                       headers={"Content-Type": "application/json"})
    if case in ("BOM", "huge exponent", "same key") and answer.status_code == 200:
        pass  # RFC 8259 lets a parser accept these.
    elif case in ("many keys", "colliding keys"):
        # Members that a twin does not have are ignored (contract "Twins").
        assert answer.status_code == 200
        assert rest.twin(device.device_id)["version"] == 2
    else:
        check_error(answer, 413 if answer.status_code == 413 else 400)
        assert rest.twin(device.device_id)["version"] == 2
    assert hub.resident_bytes() - before < 100 << 20


@pytest.mark.parametrize("case", ["deep arrays", "open string", "bad UTF-8", "nothing"])
@pytest.mark.parametrize("method, path", [
    ("PUT", "/devices/bomb"), ("POST", "/devices"), ("POST", "/devices/query"),
    ("PUT", "/twins/{d}"), ("POST", "/twins/{d}/methods"), ("PUT", "/certificates/bomb"),
    ("PUT", "/devices/{d}/modules/m")])
def test_bombs_on_every_route_with_a_body(rest, device, method, path, case):
    answer = rest.call(method, path.format(d=device.device_id), data=BOMBS[case],
                       headers={"Content-Type": "application/json"})
    check_error(answer, 413 if answer.status_code == 413 else 400)


def test_errors_name_no_secrets(rest, device):
    answer = rest.call("GET", "/devices/nobody-here")
    assert rest.key not in answer.text and "SharedAccessSignature" not in answer.text


def test_hostile_headers(rest, device):
    path = f"/devices/{device.device_id}"
    for etag in ('"', '""', "x" * 5000, '"a","b"', "W/", "*,*", "%00", "\u00fc".encode("latin-1")):
        answer = rest.call("PUT", path, json={"deviceId": device.device_id},
                           headers={"If-Match": etag})
        assert answer.status_code in (400, 412), (etag, answer.status_code)
        check_error(answer, answer.status_code)
    for count in ("0", "-1", "abc", "9" * 40, "1.5"):
        answer = rest.call("POST", "/devices/query", json={"query": "SELECT * FROM devices"},
                           headers={"x-ms-max-item-count": count})
        assert answer.status_code in (200, 400), count


@pytest.mark.parametrize("parameters", [
    {"from": "nowhere"}, {"from": "offset:x"}, {"from": "sequence:-5"}, {"from": "time:never"},
    {"partition": "x"}, {"partition": "-1"}, {"partition": "99999"}, {"timeout": "-1"},
    {"timeout": "x"}, {"max": "0"}, {"max": "x"}, {"continuation": "garbage"},
    {"continuation": "x" * 5000}], ids=str)
def test_bad_event_positions_are_400(hub, parameters):
    asked = {"from": "latest", "timeout": "0", **parameters}
    answer = hub.rest("service").call("GET", "/events", params=asked)
    check_error(answer, 400)
