"""Commands of an operator on the box: checks, support bundle, processes, settings."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import conftest
from edge import Edge, binary
from test_edge_agent import module, deploy, is_applied, reported

LISTED = {
    "config-well-formed", "config-up-to-date", "hostname", "parent_hostname",
    "container-engine-uri", "connect-management-uri", "aziot-version", "aziot-edge-version",
    "host-local-time", "container-local-time", "container-engine-dns", "container-engine-ipv6",
    "container-engine-logrotate", "edge-agent-storage-mounted-from-host",
    "edge-hub-storage-mounted-from-host", "check-agent-image", "proxy-settings",
    "certs-preloaded", "certs-read", "key-pairs-read", "certs-match-private-keys",
    "identity-certificate-expiry", "est-identity-and-bootstrap-certificate-expiry",
    "local-ca-certificate-expiry", "keyd-running", "certd-running", "tpmd-running",
    "identityd-running", "est-server-https", "host-connect-dps-endpoint",
    "container-resolve-parent-hostname",
} | {f"{kind}-{way}" for way in ("amqp", "https", "mqtt") for kind in (
    "host-connect-iothub", "container-connect-upstream", "container-default-connect-upstream")}

MODULE = "#!/bin/sh\necho \"started with SharedAccessKey=$SECRET in hand\"\nexec sleep 1000\n"
SECRET = "bW9kdWxlLXNlY3JldC1vZi10aGUtdGVzdA=="


class Box(Edge):
    """All processes, with their logs in a folder."""

    def configure(self, address):
        text = self.config.read_text().replace('"localhost"', f'"{address}"', 1)
        text = text.replace("[logging]\n", f'[logging]\nfolder = "{self.directory}/logs"\n', 1)
        self.config.write_text(text)

    @property
    def flags(self):
        return ["--config", str(self.config), "--data", str(self.directory / "data"),
                "--run-dir", str(self.run)]

    def check(self, *words):
        done = subprocess.run(
            [str(binary()), "check", "--output", "json", *self.flags, *words],
            capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout)["checks"]

    def roles(self):
        done = self.command("system", "status", "-o", "json")
        return {each["role"]: each for each in json.loads(done)["processes"]}


@pytest.fixture
def box(hub, identities, tmp_path):
    device = identities.device(capabilities={"iotEdge": True})
    address = f"{conftest.NETWORK}.233"
    box = Box(device, tmp_path, f'[hub]\nhost = "{address}"\n')
    box.configure(address)
    box.start("run")
    yield box
    if "run" in box.processes:
        box.stop("run")
    box.clean_up()


def test_checks_bundle_and_processes(box, tmp_path):
    program = tmp_path / "talker"
    program.write_text(MODULE)
    program.chmod(0o755)
    deploy(box.device, {"talker": module(str(program), env={"SECRET": {"value": SECRET}})})
    box.wait_until(lambda: is_applied(box.device), 60, "the manifest is applied")

    skipped = ["--dont-run", "host-local-time", "--dont-run", "container-engine-uri"]
    status, checks = box.check(*skipped)
    assert LISTED <= set(checks)
    wrong = {id: check for id, check in checks.items() if check["result"] == "error"}
    assert not {"keyd-running", "hub-running", "certd-running", "identityd-running"} & set(wrong)
    assert checks["host-connect-iothub-mqtt"]["result"] == "ok", checks

    # A process that is killed comes back and is told; one that is restarted leaves the others alone.
    before = box.roles()
    assert {each["state"] for each in before.values()} == {"running"}
    box.command("system", "restart", "hub")
    after = box.roles()
    assert after["hub"]["pid"] != before["hub"]["pid"] and after["hub"]["restarts"] == 1
    assert after["keys"]["pid"] == before["keys"]["pid"]
    assert oct(os.stat(box.run / "supervisor.sock").st_mode & 0o777) == "0o600"
    box.command("system", "set-log-level", "debug")
    assert (box.run / "log-level").read_text() == "debug"
    subprocess.run([str(binary()), "system", "logs", "agent", "--tail", "5", *box.flags], check=True,
                   stdout=subprocess.DEVNULL, timeout=20)

    # What support gets has everything but secrets.
    archive = tmp_path / "bundle.zip"
    subprocess.run([str(binary()), "support-bundle", "-q", "-o", str(archive), *box.flags], check=True,
                   timeout=90)
    assert oct(archive.stat().st_mode & 0o777) == "0o600"
    with zipfile.ZipFile(archive) as bundle:
        assert bundle.testzip() is None
        names = set(bundle.namelist())
        assert {"check.json", "logs/talker_log.txt", "inspect/talker.json", "processes.json",
                "service-logs/agent.txt"} <= names
        content = b"".join(bundle.read(name) for name in names)
        assert LISTED <= set(json.loads(bundle.read("check.json"))["checks"])
        assert b"SharedAccessKey=***" in bundle.read("logs/talker_log.txt")
    key = box.device.connection_string.split("SharedAccessKey=")[1]
    for secret in (SECRET, key):
        assert secret.encode() not in content


def test_a_box_that_does_not_run_says_what_to_do(box):
    box.wait_until(lambda: (box.run / "supervisor.sock").exists(), 10, "the supervisor runs")
    box.command("system", "stop")
    assert box.processes.pop("run").wait(60) == 0
    status, checks = box.check(
        "--dont-run", "host-local-time", "--iothub-hostname", f"{conftest.NETWORK}.234")
    assert status == 1
    for id in ("keyd-running", "identityd-running", "connect-management-uri",
               "host-connect-iothub-mqtt"):
        assert checks[id]["result"] == "error" and checks[id]["remedy"], checks[id]


def deployed_to_the_hub(box):
    """The variables that the local hub was started with."""
    settings = tomllib.loads((box.run / "settings/hub.toml").read_text())
    return settings["hub"].get("env", {})


def test_variables_of_the_deployment_reach_the_local_hub(box):
    hub_log = box.directory / "logs/hub.log"

    def applied(code=200, **variables):
        deploy(box.device, {}, hub_env=variables)
        box.wait_until(lambda: is_applied(box.device, code), 60, f"{variables}")

    def restarts(role, count):
        box.wait_until(lambda: box.roles()[role]["restarts"] == count
                       and box.roles()[role]["state"] == "running", 70, f"{role} restarts")

    applied()
    assert box.roles()["hub"]["restarts"] == 0 and deployed_to_the_hub(box) == {}
    box.wait_until(lambda: "local hub ready" in hub_log.read_text(), 20, "the hub serves")
    wanted = {"MaxConnectedClients": "7", "RuntimeLogLevel": "error"}
    applied(**wanted)
    restarts("hub", 1)
    assert deployed_to_the_hub(box) == wanted
    box.wait_until(lambda: reported(box.device)["systemModules"]["edgeHub"]["env"]
                   == {name: {"value": value} for name, value in wanted.items()}, 20, "it is reported")
    # From then on it does not even tell that it is ready.
    box.wait_until(lambda: box.roles()["hub"]["seconds"] >= 5, 20, "the hub runs")
    assert hub_log.read_text().count("local hub ready") == 1
    # The same again changes nothing; what is none is told, and those before hold.
    applied(**wanted)
    applied(500, MaxConnectedClients="many")
    description = reported(box.device)["lastDesiredStatus"]["description"]
    assert "edgeHub" in description and "MaxConnectedClients" in description, description
    assert reported(box.device)["systemModules"]["edgeHub"]["env"]["MaxConnectedClients"] == {"value": "7"}
    # So are two listeners on one port.
    applied(500, AmqpSettings__Port="8883")
    description = reported(box.device)["lastDesiredStatus"]["description"]
    assert "hub.mqtt_port and AmqpSettings__Port are both 8883" in description, description
    assert box.roles()["hub"]["restarts"] == 1 and deployed_to_the_hub(box) == wanted

    # Hub and agent are restarted by the method too.
    def call(name):
        answer = box.device.hub.rest().invoke(
            box.device.device_id, "RestartModule", {"schemaVersion": "1.0", "id": name},
            response=20, module_id="$edgeAgent").json()
        return answer["status"], answer["payload"]

    assert call("edgeHub") == (200, None)
    restarts("hub", 2)
    assert call("edgeAgent") == (200, None)
    restarts("agent", 1)
    assert deployed_to_the_hub(box) == wanted
    assert box.roles()["hub"]["restarts"] == 2

    # A supervisor that starts anew knows them, without the hub above.
    box.stop("run", number=signal.SIGKILL)
    box.start("run")
    box.wait_until(lambda: (box.run / "settings/hub.toml").exists(), 20, "the hub is started")
    assert deployed_to_the_hub(box) == wanted
    applied()
    box.wait_until(lambda: deployed_to_the_hub(box) == {}, 70, "they are taken back")


class UsersBox(Box):
    """A box whose processes have users of their own, which this machine knows in its namespace alone."""

    USERS = {"keys": 64101, "agent": 64102, "hub": 64103}

    def words(self, role):
        words = super().words(role)
        for name in ("passwd", "group"):
            middle = "x:{0}:{0}::/nonexistent:/bin/false" if name == "passwd" else "x:{0}:"
            lines = [f"orrery-{role}:{middle.format(id)}\n" for role, id in self.USERS.items()]
            (self.directory / name).write_text(Path(f"/etc/{name}").read_text() + "".join(lines))
        script = (f'mount --bind "{self.directory}/passwd" /etc/passwd && '
                  f'mount --bind "{self.directory}/group" /etc/group && exec "$@"')
        return ["unshare", "--mount", "sh", "-c", script, "sh", *words]


def can_have_users():
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    places = [binary(), *binary().resolve().parents]
    return all(place.stat().st_mode & 0o001 for place in places) and subprocess.run(
        ["unshare", "--mount", "mount", "--bind", "/etc/group", "/etc/passwd"]).returncode == 0


@pytest.fixture
def users_box(hub, identities):
    if not binary().exists() or not can_have_users():
        pytest.skip("needs root, mount namespaces and a program that all may run")
    device = identities.device(capabilities={"iotEdge": True})
    address = f"{conftest.NETWORK}.232"
    directory = Path(tempfile.mkdtemp(prefix="box-", dir="/tmp"))
    directory.chmod(0o711)
    box = UsersBox(device, directory, f'[hub]\nhost = "{address}"\n[hub.env]\nTOKEN = "{SECRET}"\n')
    authority = directory / "hub.pem"
    authority.write_bytes(Path(device.hub.ca_path).read_bytes())
    authority.chmod(0o644)
    box.config.write_text(box.config.read_text().replace(str(device.hub.ca_path), str(authority)))
    box.configure(address)
    box.start("run")
    yield box
    if "run" in box.processes:
        box.stop("run")
    box.clean_up()
    shutil.rmtree(directory, ignore_errors=True)


def test_each_process_is_told_its_part_of_the_settings(users_box):
    box = users_box
    deploy(box.device, {}, hub_env={"MaxConnectedClients": "9"})
    box.wait_until(lambda: is_applied(box.device), 60, "the manifest is applied")
    box.wait_until(lambda: box.roles()["hub"]["restarts"] == 1, 70, "the agent may let the hub restart")
    assert deployed_to_the_hub(box) == {"MaxConnectedClients": "9", "TOKEN": SECRET}
    key = box.device.connection_string.split("SharedAccessKey=")[1]
    # The settings are root's, and nobody else's.
    facts = box.config.stat()
    assert (facts.st_uid, facts.st_mode & 0o777) == (0, 0o600)
    roles = box.roles()
    for role, user in box.USERS.items():
        assert roles[role]["state"] == "running", roles
        status = Path(f"/proc/{roles[role]['pid']}/status").read_text()
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}\n" in status
        copy = box.run / "settings" / f"{role}.toml"
        facts = copy.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (user, user, 0o400)
        text = copy.read_text()
        assert (key in text) == (role == "keys") and (SECRET in text) == (role == "hub")
        words = Path(f"/proc/{roles[role]['pid']}/cmdline").read_bytes()
        assert str(copy).encode() in words and str(box.config).encode() not in words
    status, checks = box.check("--dont-run", "host-local-time")
    for id in ("config-well-formed", "config-up-to-date", "keyd-running", "identityd-running"):
        assert checks[id]["result"] == "ok", checks[id]

    # A restart reads the settings anew.
    box.config.write_text(f'hostname_aliases = ["gate.example"]\n{box.config.read_text()}')
    new = box.directory / "new.toml"
    new.write_text(box.config.read_text())
    subprocess.run([str(binary()), "config", "apply", "--file", str(new), *box.flags], check=True, timeout=20)
    box.wait_until(
        lambda: all(box.roles()[role]["restarts"] == (2 if role == "hub" else 1)
                    and box.roles()[role]["state"] == "running" for role in box.USERS), 70,
        "all have restarted")
    assert "gate.example" in (box.run / "settings/hub.toml").read_text()
    # A fault in the settings does not keep a process from coming back.
    box.config.write_text("hostname = 7\n")
    box.command("system", "restart", "hub")
    assert box.roles()["hub"]["restarts"] == 3
    assert "starts with those of before" in box.log("run")
    done = subprocess.run([str(binary()), "run", *box.flags, "--config", str(new), "--data", str(box.directory / "other"),
                           "--run-dir", str(box.run / "none"), "--config", str(box.run / "settings/hub.toml")],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 153 and "Name the settings file itself" in done.stderr
    box.stop("run")
    assert os.listdir(box.run / "settings") == []


def test_settings_of_the_vendor_are_taken_over(tmp_path):
    old = tmp_path / "config.toml"
    old.write_text(
        'hostname = "gate.example"\n\n[provisioning]\nsource = "manual"\nconnection_string = '
        '"HostName=hub.example;DeviceId=e1;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg=="\n\n'
        '[agent]\nname = "edgeAgent"\ntype = "docker"\n[agent.config]\nimage = "agent:1.5"\n\n'
        '[aziot_keys]\npkcs11_lib_path = "/usr/lib/p11.so"\n')
    new = tmp_path / "etc" / "edge.toml"
    words = [str(binary()), "config", "import", str(old), "--config", str(new), "-o", "json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2, done.stderr
    results = {each["setting"]: each["result"] for each in json.loads(done.stdout)}
    assert results["provisioning.connection_string"] == "carried"
    assert results["agent.config.image"] == "differs"
    assert results["aziot_keys.pkcs11_lib_path"] == "missing"
    assert "MDEyMzQ1" not in done.stdout + done.stderr
    assert oct(new.stat().st_mode & 0o777) == "0o600"
    subprocess.run([str(binary()), "config", "check", "--config", str(new)], check=True, timeout=20)
    # What is there is not written over without being told to.
    assert subprocess.run(words, capture_output=True, timeout=20).returncode == 5
