"""Device and module identities as tests hold them."""

from dataclasses import dataclass, field

import sas
from mqtt_wire import API, MQTTConnection, username


@dataclass
class Identity:
    """A registered identity with what is needed to connect as it."""

    hub: object
    device_id: str
    key: str | None
    module_id: str | None = None
    record: dict = field(default_factory=dict)

    @property
    def client_id(self):
        return f"{self.device_id}/{self.module_id}" if self.module_id else self.device_id

    @property
    def resource(self):
        middle = f"/modules/{self.module_id}" if self.module_id else ""
        return f"{self.hub.host}/devices/{self.device_id}{middle}"

    @property
    def connection_string(self):
        module = f";ModuleId={self.module_id}" if self.module_id else ""
        return (
            f"HostName={self.hub.host};DeviceId={self.device_id}{module};"
            f"SharedAccessKey={self.key}"
        )

    def token(self, **options):
        text = sas.token(
            options.pop("resource", self.resource), options.pop("key", self.key), **options
        )
        self.hub.note_secret(text.split("sig=")[1].split("&")[0])
        return text

    def username(self, query=f"api-version={API}"):
        return username(self.hub.host, self.client_id, query)

    def open(self, context=None):
        """TLS to the MQTT port, nothing said yet."""
        return MQTTConnection.open(self.hub, context)

    def try_connect(self, context=None, password=None, query=f"api-version={API}", **options):
        """Connects raw; returns the connection and the CONNACK code."""
        connection = self.open(context)
        try:
            code = connection.connect(
                self.client_id, self.username(query),
                self.token() if password is None else password or None, **options,
            )
        except BaseException:
            connection.abort()
            raise
        return connection, code

    def connect(self, **options):
        """Connects raw and insists on being let in."""
        connection, code = self.try_connect(**options)
        assert code == 0, f"CONNACK {code} for {self.client_id}"
        return connection
