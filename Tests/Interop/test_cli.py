"""The command line as a person or a script meets it, against a hub of its own."""

import json
import os
import shutil
import subprocess

import pytest
from azure.iot.device import ProvisioningDeviceClient, X509

import certificates
import hub as hub_module
import sas


@pytest.fixture(scope="module")
def cli_hub(hub_factory, tmp_path_factory):
    """A hub whose files the command line finds by its data directory."""
    return hub_factory({"listen.admin_port": 0}, data=tmp_path_factory.mktemp("cli") / "data")


@pytest.fixture(scope="module")
def orrery(cli_hub):
    """Runs a command line against the hub; `words` and what it ended with go into a failure."""

    def run(*words, status=0, stdin=None, output="json", **more):
        options = ["-o", output] if output else []
        # Without this a variable of the caller's would lead elsewhere.
        environment = {name: text for name, text in os.environ.items()
                       if not name.startswith("ORRERY_")}
        result = subprocess.run(
            [str(hub_module.binary()), *words, *options],
            env=environment | {"ORRERY_HUB_DATA": str(cli_hub.data)}, input=stdin or "", text=True,
            stdout=more.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE, timeout=20,
            check=False)
        assert result.returncode == status, (words, result.returncode, result.stderr)
        if status:
            assert result.stderr.strip(), f"{words} failed without a word"
        return result

    return run


def answer(result):
    return json.loads(result.stdout)


# What a new user stumbled over


def test_an_update_of_nothing_writes_nothing(orrery):
    before = answer(orrery("device", "create", "idle"))["etag"]
    refused = orrery("device", "update", "idle", status=2)
    assert "--disabled" in refused.stderr and "--status-reason" in refused.stderr
    assert answer(orrery("device", "show", "idle"))["etag"] == before


def test_the_reason_of_the_status_before_goes(orrery):
    orrery("device", "create", "lost", "--disabled", "--status-reason", "stolen")
    assert answer(orrery("device", "update", "lost", "--enabled"))["statusReason"] is None


def test_delete_without_anybody_to_ask_is_refused(orrery):
    orrery("device", "create", "kept")
    for stdin in ("", "y\n"):
        refused = orrery("device", "delete", "kept", status=2, stdin=stdin)
        assert "--yes" in refused.stderr
    orrery("device", "show", "kept")
    orrery("device", "delete", "kept", "--yes")
    orrery("device", "show", "kept", status=3)


def test_a_backup_into_a_folder_that_exists(orrery, tmp_path):
    assert str(tmp_path) in orrery("backup", str(tmp_path), status=5).stderr
    orrery("backup", str(tmp_path / "new"))


def test_output_that_cannot_be_written_is_told(orrery):
    with open("/dev/full", "w") as full:
        failed = orrery("device", "list", status=1, stdout=full)
    assert "No space left on device" in failed.stderr


def test_a_reader_that_goes_away_is_no_error_to_tell(orrery):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [str(hub_module.binary()), "--help"], stdout=writing, stderr=subprocess.PIPE,
            timeout=10, check=False)
    finally:
        os.close(writing)
    assert result.stderr == b""


def test_places_in_a_condition_are_the_users(orrery):
    told = orrery("device", "list", "--where", "tags.a == 1", status=1).stderr
    assert "line 1, column 8" in told and "--where" in told
    told = orrery("device", "list", "--where", "tags.a = 1\nAND ?", status=1).stderr
    assert "line 2, column 5" in told


def test_what_is_missing_is_named(orrery, cli_hub, tmp_path):
    told = orrery("twin", "show", "idle", "--module", "m", status=3).stderr
    assert "orrery module list idle" in told
    orrery("policy", "create", "reader", "--right", "RegistryRead")
    file = tmp_path / "reader"
    file.write_text(orrery("policy", "show", "reader", "--connection-string", output=None).stdout)
    told = orrery("ca", "list", "--connect", str(file), "--ca", cli_hub.ca_path, status=4).stderr
    assert "all are needed: RegistryWrite, ServiceConnect, DeviceConnect" in told
    told = orrery("registry", "export", "/proc/none", status=3, output=None).stderr
    assert "/proc/none:" in told
    file.write_text("HostName=h")
    told = orrery("device", "list", "--connect", str(file), status=2).stderr
    assert "SharedAccessKeyName" in told.splitlines()[0]


@pytest.mark.parametrize("words, near", [
    (["hub", "bogus"], "backup"), (["hub", "statsu"], "hub status"), (["enrolment"], "enrollment"),
    (["routing", "shw"], "routing show"),
])
def test_unknown_commands_are_told_the_known_ones(orrery, words, near):
    assert near in orrery(*words, status=2, output=None).stderr


def test_empty_lists(orrery):
    for words in (["ca", "list"], ["enrollment-group", "list"], ["routing", "health"],
                  ["device", "list", "--where", "tags.none = 1"]):
        assert answer(orrery(*words)) == []
        table = orrery(*words, output="table")
        assert table.stdout == "" and " no " in table.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell):
    script = subprocess.run(
        [str(hub_module.binary()), "--generate-completion-script", shell], capture_output=True,
        text=True, timeout=20, check=True).stdout
    for word in ("enrollment-group", "routing", "registration"):
        assert word in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, timeout=20, check=True)


# Provisioning


def register(hub, registration_id, credential):
    """What the stock client gets."""
    common = dict(
        provisioning_host=hub.address, registration_id=registration_id,
        id_scope=hub.ready["idScope"], server_verification_cert=hub.ca_pem)
    if isinstance(credential, str):
        client = ProvisioningDeviceClient.create_from_symmetric_key(
            symmetric_key=credential, **common)
    else:
        client = ProvisioningDeviceClient.create_from_x509_certificate(x509=credential, **common)
    result = client.register()
    assert result.status == "assigned"
    return result.registration_state


def bare_key(cli_hub, orrery, *words):
    key = orrery(*words, output=None).stdout.strip()
    cli_hub.note_secret(key)
    return key


def test_enroll_one_device(cli_hub, orrery):
    made = answer(orrery(
        "enrollment", "create", "pump-1", "--device-id", "north-1", "--tags", '{"site":"north"}',
        "--desired", '{"rate":5}'))
    assert "symmetricKey" not in made["attestation"]
    told = orrery("enrollment", "create", "pump-1", status=5).stderr
    assert "enrollment update" in told
    keys = [bare_key(cli_hub, orrery, "enrollment", "key", "pump-1", "--key", slot)
            for slot in ("primary", "secondary")]
    assert keys[0] != keys[1]
    for key in keys:
        assert register(cli_hub, "pump-1", key).device_id == "north-1"
    twin = answer(orrery("twin", "show", "north-1"))
    assert twin["tags"] == {"site": "north"} and twin["properties"]["desired"]["rate"] == 5
    shown = orrery("enrollment", "show", "pump-1", output="table").stdout
    assert "assigned" in shown and "north-1" in shown and keys[0] not in shown
    state = answer(orrery("registration", "show", "pump-1"))
    assert state["deviceId"] == "north-1"
    orrery("registration", "delete", "pump-1", status=2)
    orrery("registration", "delete", "pump-1", "--yes")
    orrery("registration", "show", "pump-1", status=3)
    orrery("device", "show", "north-1")


def test_change_an_enrollment(cli_hub, orrery):
    first = answer(orrery("enrollment", "create", "pump-2", "--tags", '{"a":1}'))
    before = bare_key(cli_hub, orrery, "enrollment", "key", "pump-2")
    changed = answer(orrery(
        "enrollment", "update", "pump-2", "--disabled", "--desired", '{"b":2}', "--reprovision",
        "never"))
    assert changed["provisioningStatus"] == "disabled"
    assert changed["initialTwin"] == {"tags": {"a": 1}, "properties": {"desired": {"b": 2}}}
    assert changed["reprovisionPolicy"]["updateHubAssignment"] is False
    assert bare_key(cli_hub, orrery, "enrollment", "key", "pump-2") == before
    orrery("enrollment", "update", "pump-2", "--enabled", "--etag", first["etag"], status=5)
    own = sas.new_key()
    cli_hub.note_secret(own)
    orrery("enrollment", "update", "pump-2", "--enabled", "--primary-key", "-", stdin=own + "\n")
    register(cli_hub, "pump-2", own)
    orrery("enrollment", "update", "pump-2", status=2)
    orrery("enrollment", "delete", "pump-2", status=2)
    orrery("enrollment", "delete", "pump-2", "--yes")
    told = orrery("enrollment", "show", "pump-2", status=3).stderr
    assert "enrollment list" in told


def test_enroll_a_group_by_key(cli_hub, orrery):
    orrery("enrollment-group", "create", "line-1", "--edge")
    key = bare_key(cli_hub, orrery, "enrollment-group", "key", "line-1", "--device", "Unit.7")
    register(cli_hub, "Unit.7", key)
    assert answer(orrery("device", "list", "--where", "capabilities.iotEdge = true"))
    rows = answer(orrery("registration", "list", "line-1"))
    assert [row["status"] for row in rows] == ["assigned"]
    assert "assigned" in orrery("registration", "list", "line-1", output="table").stdout
    assert orrery("enrollment-group", "list", output="table").stdout.splitlines()[1].split()[:3] == [
        "line-1", "enabled", "keys"]
    orrery("enrollment-group", "delete", "line-1", "--yes")


def test_enroll_by_certificate(cli_hub, orrery, tmp_path):
    root = certificates.authority("root")
    first, second = root.issue("first", ca=True), root.issue("second", ca=True)
    files = {}
    for name, certificate in (("first", first), ("second", second)):
        files[name] = str(tmp_path / f"{name}.pem")
        (tmp_path / f"{name}.pem").write_text(certificate.pem)
    orrery("enrollment-group", "create", "cell", "--certificate", files["first"])
    # The one that is kept travels back as its description alone.
    orrery("enrollment-group", "update", "cell", "--secondary-certificate", files["second"])
    for number, signer in enumerate((first, second)):
        name = f"robot-{number}"
        register(cli_hub, name, X509(*signer.issue(name).write(tmp_path, name)))
    shown = orrery("enrollment-group", "show", "cell", output="table").stdout
    assert "signing certificate" in shown and "next thumbprint" in shown
    told = orrery("enrollment-group", "key", "cell", status=1).stderr
    assert "x509" in told
    own = certificates.self_signed("valve")
    (tmp_path / "valve.pem").write_text(own.pem)
    orrery("enrollment", "create", "valve", "--certificate", str(tmp_path / "valve.pem"))
    register(cli_hub, "valve", X509(*own.write(tmp_path, "valve-device")))


def test_lists_go_on_over_pages(orrery):
    names = {f"many-{number}" for number in range(12)}
    for name in names:
        orrery("enrollment", "create", name)
    everything = {row["registrationId"] for row in answer(orrery("enrollment", "list", "--all"))}
    assert names <= everything
    few = orrery("enrollment", "list", "--top", "5")
    assert len(answer(few)) == 5 and "--all" in few.stderr


def test_the_right_for_enrollments(cli_hub, orrery, tmp_path):
    file = tmp_path / "connection"

    def connect(policy):
        file.write_text(orrery("policy", "show", policy, "--connection-string", output=None).stdout)
        return ["--connect", str(file), "--ca", cli_hub.ca_path]

    told = orrery("enrollment", "list", *connect("service"), status=4).stderr
    assert "EnrollmentRead" in told
    orrery("policy", "create", "looker", "--right", "EnrollmentRead")
    orrery("enrollment", "list", *connect("looker"))
    orrery("enrollment", "create", "no", *connect("looker"), status=4)
    orrery("enrollment", "list", *connect("provisioningserviceowner"))


def test_the_id_scope_is_told(cli_hub, orrery):
    assert answer(orrery("hub", "status"))["idScope"] == cli_hub.ready["idScope"]
    told = orrery("enrollment", "create", "scoped", output="table").stderr
    assert cli_hub.ready["idScope"] in told


# Routing

ROUTING = {
    "endpoints": {"storageContainers": [
        {"name": "archive", "containerName": "alarms", "encoding": "JSON"}]},
    "routes": [{"name": "alarms", "source": "DeviceMessages",
                "condition": "level = 'alarm' OR $body.temperature > 80",
                "endpointNames": ["archive", "events"]}],
    "enrichments": [{"key": "hub", "value": "$iothubname", "endpointNames": ["archive"]}],
}


def test_routing_is_set_after_a_plan(orrery, tmp_path):
    file = tmp_path / "routing.json"
    file.write_text(json.dumps(ROUTING))
    first = orrery("routing", "show")
    refused = orrery("routing", "set", str(file), status=2)
    assert "archive" in refused.stderr and "--yes" in refused.stderr
    assert orrery("routing", "show").stdout == first.stdout
    plan = answer(orrery("routing", "set", str(file), "--dry-run"))
    assert [(step["change"], step["what"]) for step in plan] == [
        ("added", "endpoint"), ("added", "route"), ("added", "enrichment")]
    assert answer(orrery("routing", "set", str(file), "--yes"))["routes"][0]["name"] == "alarms"
    shown = orrery("routing", "show", output="table").stdout
    assert "archive" in shown and "unknown" in shown and "$fallback" in shown
    # What show prints is what set takes.
    saved = tmp_path / "saved.json"
    saved.write_text(orrery("routing", "show").stdout)
    assert answer(orrery("routing", "set", str(saved), "--dry-run")) == []
    document = json.loads(saved.read_text())
    document["routes"][0]["isEnabled"] = False
    plan = answer(orrery("routing", "set", "-", "--dry-run", stdin=json.dumps(document)))
    assert [(step["change"], step["name"], step["detail"]) for step in plan] == [
        ("changed", "alarms", "isEnabled: yes -> no")]
    document["routes"][0]["condition"] = "level ="
    refused = orrery("routing", "set", "-", "--yes", stdin=json.dumps(document), status=1)
    assert "line 1, column" in refused.stderr
    saved.write_text('{"route": []}')
    assert "'routes'" in orrery("routing", "set", str(saved), "--yes", status=2).stderr
    assert [row["endpointId"] for row in answer(orrery("routing", "health"))] == ["archive"]


def test_routes_are_tried(orrery, tmp_path):
    file = tmp_path / "routing.json"
    file.write_text(json.dumps(ROUTING))
    orrery("routing", "set", str(file), "--yes")

    def taken(*words):
        routes = answer(orrery("routing", "test", *words))["routes"]
        return [route["properties"]["name"] for route in routes]

    assert taken("-p", "level=alarm") == ["alarms"]
    assert taken("--body", '{"temperature":81}') == ["alarms"]
    assert taken("--body", '{"temperature":20}') == ["$fallback"]
    text = ["--body", '{"temperature":81}', "--system", "contentType=text/plain"]
    assert taken(*text, "--system", "contentEncoding=utf-8") == ["$fallback"]
    one = ["routing", "test", "--route", "alarms", "--fail"]
    assert answer(orrery(*one, "--body", '{"temperature":81}'))["result"] == "true"
    orrery(*one, "--body", '{"temperature":20}', status=1)
    orrery("routing", "test", "--route", "none", status=3)
    told = orrery("routing", "test", "--condition", "a == 1", status=1).stderr
    assert "--condition" in told and "column 3" in told
    orrery("routing", "set", "-", "--yes", stdin="{}")
