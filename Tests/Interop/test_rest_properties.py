"""Every route of the OpenAPI description under wrong types, missing fields and hostile values."""

import json
import string
import uuid
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from conftest import health
from http_wire import HTTPConnection
from mqtt_wire import Closed
from rest import error_shape

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs" / "openapi" / "hub.json"
VERBS = ("get", "put", "patch", "post", "delete", "head")
EXAMPLES = 30

HOSTILE = [
    "", " ", "\x00", "'", '"', "\\", "../../etc/passwd", "%00", "%2e%2e%2f", "' OR '1'='1", "$",
    "*",
    "<script>", "\u202e\u0000", "\ud7ff\uffff", "😀" * 50, "x" * 129, "x" * 5000, "-1", "9" * 400,
    "true", "null", "NaN", "1e999", "{}", "[]", "#", "+", "?a=b", "a/b", "%s%n", "${jndi:x}",
]
NUMBERS = [0, -1, 1, 5, 300, 301, 2**31, 2**52, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308]


def routes():
    """`(verb, path, operation, shared parameters)` of every operation to be tried."""
    if not DESCRIPTION.exists():
        return []
    document = json.loads(DESCRIPTION.read_text())
    found = []
    for path, item in document["paths"].items():
        for verb in VERBS:
            operation = item.get(verb)
            if operation and operation.get("x-orrery-test") != "skip":
                found.append((verb, path, operation, item.get("parameters", [])))
    return found


def document():
    return json.loads(DESCRIPTION.read_text())


def resolved(node):
    """Follows one `$ref` inside the description."""
    reference = node.get("$ref") if isinstance(node, dict) else None
    if reference is None:
        return node
    found = document()
    for key in reference.removeprefix("#/").split("/"):
        found = found[key.replace("~1", "/").replace("~0", "~")]
    return resolved(found)


texts = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=40), st.text(string.ascii_letters, max_size=20))
scalars = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(), texts)
anything = st.recursive(
    scalars, lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=12)


def shaped(schema, depth=0):
    """Values that follow a schema, except where they don't: each part may be anything."""
    schema = resolved(schema) or {}
    if depth > 6:
        return anything
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return st.one_of(anything, *(shaped(part, depth + 1) for part in schema[word]))
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if "enum" in schema:
        right = st.sampled_from(schema["enum"])
    elif kind == "object" or "properties" in schema:
        right = st.fixed_dictionaries({}, optional={
            name: shaped(part, depth + 1) for name, part in schema.get("properties", {}).items()})
    elif kind == "array":
        right = st.lists(shaped(schema.get("items", {}), depth + 1), max_size=4)
    elif kind == "boolean":
        right = st.booleans()
    elif kind in ("integer", "number"):
        right = st.sampled_from(NUMBERS)
    elif kind == "string":
        right = texts
    else:
        return anything
    return st.one_of(right, right, right, anything)


def encoded_body(value):
    """Mostly JSON; sometimes cut short or not JSON at all."""
    raw = st.just(json.dumps(value).encode("utf-8", "surrogatepass"))
    return st.one_of(
        raw, raw, raw, raw.flatmap(lambda text: st.integers(0, len(text)).map(
            lambda end: text[:end])), st.binary(max_size=64))


@st.composite
def requests_for(draw, verb, path, operation, shared):
    """One request: target, headers and body."""
    parameters = [resolved(one) for one in [*shared, *operation.get("parameters", [])]]
    query, headers = {}, {}
    for parameter in parameters:
        name, place = parameter["name"], parameter["in"]
        if place == "path":
            value = draw(texts) or "x"
            # The sentinel never names a real object, so nothing of other tests is touched.
            value = f"prop-{value}" if draw(st.booleans()) else value
            path = path.replace("{" + name + "}", quote(value, safe=""))
        elif place == "query" and name != "api-version":
            if draw(st.booleans()):
                query[name] = draw(st.one_of(texts, st.sampled_from(NUMBERS).map(str)))
        elif place == "header" and draw(st.booleans()):
            value = draw(texts)
            headers[name] = "".join(c for c in value if 32 <= ord(c) < 127) or "x"
    if "timeout" in query:  # A valid one would make the long-poll wait.
        query["timeout"] = draw(st.sampled_from(["0", "-1", "x", ""]))
    if verb != "get" and draw(st.booleans()):
        headers["If-Match"] = draw(st.sampled_from(
            ["*", '"c3RhbGU="', "bare", '"', "", 'W/"x"', "x" * 2000]))
    query["api-version"] = draw(st.sampled_from(["2021-04-12"] * 9 + ["1999-01-01"]))
    body = b""
    content = resolved(operation.get("requestBody", {})).get("content", {})
    if content:
        media, described = next(iter(content.items()))
        value = draw(shaped(described.get("schema", {})))
        if isinstance(value, dict) and isinstance(value.get("connectTimeoutInSeconds"), int):
            value["connectTimeoutInSeconds"] = min(value["connectTimeoutInSeconds"], 0)
        body = draw(encoded_body(value))
        headers["Content-Type"] = draw(st.sampled_from([media] * 5 + ["text/plain", "x"]))
    elif draw(st.integers(0, 9)) == 0:
        body = draw(st.binary(min_size=1, max_size=20))
    return f"{path}?{urlencode(query, errors='surrogatepass')}", headers, body


def check_answer(verb, answer):
    """Never 5xx; every error in a known shape under the headers of contract 7.1."""
    assert answer.status_code < 500, answer
    uuid.UUID(answer.headers["x-ms-request-id"])
    if answer.status_code >= 400:
        assert answer.headers.get("iothub-errorcode"), answer
        if verb != "head":
            kind = answer.headers.get("content-type", "").replace(" ", "").lower()
            assert kind == "application/json;charset=utf-8", answer
            bulk = b'"isSuccessful":false' in answer.body.replace(b" ", b"")
            assert bulk or error_shape(answer.text), answer
    elif answer.headers.get("content-type", "").startswith("application/x-ndjson"):
        for line in answer.text.splitlines():
            json.loads(line)
    elif answer.body:
        answer.json()


ROUTES = routes()


def test_the_description_is_there():
    if not DESCRIPTION.exists():
        pytest.skip("docs/openapi/hub.json is absent, so there are no routes to try")
    text = document()
    assert text["openapi"].startswith("3.1") and len(ROUTES) >= 20


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "verb, path, operation, shared", ROUTES, ids=[f"{verb} {path}" for verb, path, *_ in ROUTES])
def test_route_survives_anything(hub, rest, unharmed, verb, path, operation, shared):
    connections = []

    @seed(20240229)
    @settings(max_examples=EXAMPLES, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(requests_for(verb, path, operation, shared))
    def drive(request):
        target, headers, body = request
        headers = {"Authorization": rest.token(), **headers}
        if not connections:
            connections.append(HTTPConnection(hub, timeout=10))
        try:
            connections[0].request(verb.upper(), target, headers, body)
            answer = connections[0].answer(head=verb == "head")
        except Closed:
            # A framing error may end the connection, but only after an answer.
            connections.clear()
            raise AssertionError(f"closed without an answer: {target[:200]!r}") from None
        check_answer(verb, answer)
        if answer.headers.get("connection", "").lower() == "close":
            connections.clear()

    try:
        drive()
    finally:
        for connection in connections:
            connection.stream.close()
    assert health(hub).status_code == 200


@pytest.mark.parametrize("path", sorted({path for _, path, *_ in ROUTES}))
def test_verbs_the_description_does_not_list_are_405(rest, path):
    listed = {verb for verb, found, *_ in ROUTES if found == path}
    skipped = {verb for verb in VERBS if verb in document()["paths"][path]}
    target = "".join(
        "prop" if part.startswith("{") else part
        for part in path.replace("{", "\x00{").replace("}", "}\x00").split("\x00"))
    for verb in set(VERBS) - listed - skipped - {"head"}:
        answer = rest.call(verb.upper(), target)
        wanted = (404, 405)
        if target == "/devices/query":
            # It is the device of that name as well, which PUT wants a body for and DELETE an ETag.
            wanted = {"put": (400,), "delete": (412,)}.get(verb, (404, 405))
        elif target == "/configurations/testQueries":
            # The configuration of that name as well, whose capital no such name may have.
            wanted = {"get": (400,), "put": (400,), "delete": (400,)}.get(verb, (404, 405))
        elif target == "/jobs/v2/query":
            # The job of that name as well, which PUT wants a body for.
            wanted = {"put": (400,)}.get(verb, (404, 405))
        elif target in ("/enrollments/query", "/enrollmentGroups/query") and verb != "patch":
            # The enrollment of that name as well, which only another policy may see.
            wanted = (401,)
        assert answer.status_code in wanted, (verb, target, answer.status_code)


@pytest.mark.parametrize("verb, path", [(verb, path) for verb, path, *_ in ROUTES])
def test_every_route_wants_credentials(hub, verb, path):
    operation = document()["paths"][path][verb]
    if operation.get("security") == []:
        pytest.skip("documented as open")
    with HTTPConnection(hub) as http:
        target = path.replace("{", "").replace("}", "")
        http.request(verb.upper(), f"{target}?api-version=2021-04-12")
        assert http.answer(head=verb == "head").status_code == 401
