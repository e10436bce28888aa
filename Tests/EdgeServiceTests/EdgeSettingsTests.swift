import EdgeEngine
import EdgeService
import HubContract
import JSONTree
import Platform
import Testing

@Suite("Settings file (contract §4.7)")
struct EdgeSettingsTests {
  static let connection =
    "HostName=hub.example;DeviceId=e1;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg=="
  static let manual = """
    hostname = "gate.example"
    [provisioning]
    source = "manual"
    connection_string = "\(connection)"

    """

  static func read(_ text: String, run: String = "/run/e") throws(SettingsFault) -> EdgeSettings {
    try EdgeSettings(Array(text.utf8), file: "edge.toml", paths: EdgePaths(data: "/d", run: run))
  }

  private func fault(_ text: String) -> SettingsFault? {
    do throws(SettingsFault) {
      _ = try Self.read(text)
      return nil
    } catch {
      return error
    }
  }

  @Test("three lines are enough, and the rest has the vendor's defaults")
  func defaults() throws {
    let settings = try Self.read(Self.manual)
    let key = try #require(SymmetricKey(base64: "MDEyMzQ1Njc4OWFiY2RlZg=="))
    #expect(settings.hostName == "gate.example")
    #expect(
      settings.provisioning
        == .manual(hubHostName: "hub.example", deviceID: "e1", .symmetricKey(.inline(key)))
    )
    #expect(settings.reprovisioning == .dynamic)
    #expect(settings.cloudTimeoutSeconds == 10)
    #expect(settings.cloudRetries == 1)
    #expect(settings.workloadRequests == 10)
    #expect(settings.managementRequests == 50)
    #expect(settings.containerEngine.network == "azure-iot-edge")
    #expect(settings.containerEngine.allowsElevated)
    #expect(settings.imageCollection.ageSeconds == 604_800)
    #expect(settings.edgeAuthority.source == .quickstart)
    #expect(settings.edgeAuthority.days == 90)
    #expect(settings.edgeAuthority.renewalPercent == 80)
    #expect(settings.notices.isEmpty)
  }

  @Test("crun in place of an engine, wherever it is")
  func crun() throws {
    #expect(try Self.read(Self.manual).containerEngine.crunPath == nil)
    let own = try Self.read(Self.manual + "[moby_runtime]\nuri = \"crun:/opt/crun\"")
    #expect(own.containerEngine.crunPath == "/opt/crun")
    let other = try Self.read(Self.manual + "[moby_runtime]\nuri = \"crun:\"")
    #expect(other.containerEngine.crunPath?.hasSuffix("/crun") == true)
  }

  @Test("a file with all of the vendor's names is taken")
  func everyName() throws {
    let settings = try Self.read(
      """
      hostname = "10.0.0.5"
      hostname_aliases = ["gate", "fd00::5"]
      parent_hostname = "parent.example"
      trust_bundle_cert = "file:///etc/ssl/bundle.pem"
      allow_elevated_docker_permissions = false
      auto_reprovisioning_mode = "OnErrorOnly"
      prefer_module_identity_cache = true
      cloud_timeout_sec = 20
      cloud_retries = 3
      iotedge_max_requests = { management = 5, workload = 7 }
      additional_info = "file:///etc/info.toml"
      [provisioning]
      source = "manual"
      iothub_hostname = "hub.example"
      device_id = "e1"
      [provisioning.authentication]
      method = "x509"
      identity_cert = "file:///etc/id.pem"
      identity_pk = "/etc/id.key"
      [cert_issuance.local_ca]
      cert = "file:///etc/ca.pem"
      pk = "file:///etc/ca.key"
      [tpm]
      tcti = "device"
      [edge_ca]
      method = "local_ca"
      auto_generated_edge_ca_expiry_days = 30
      [edge_ca.auto_renew]
      rotate_key = false
      threshold = "75%"
      retry = "5%"
      [agent]
      name = "edgeAgent"
      type = "docker"
      imagePullPolicy = "on-create"
      [agent.config]
      image = "agent:1.6"
      createOptions = { HostConfig = {} }
      [agent.env]
      RuntimeLogLevel = "debug"
      MaxRestartCount = 5
      [connect]
      workload_uri = "unix:///var/run/iotedge/workload.sock"
      management_uri = "unix:///var/run/iotedge/mgmt.sock"
      [listen]
      workload_uri = "fd://aziot-edged.workload.socket"
      management_uri = "http://127.0.0.1:15580"
      [watchdog]
      max_retries = "infinite"
      [moby_runtime]
      uri = "unix:///run/podman/podman.sock"
      network = { name = "n", ipv6 = true, ipam = { config = [{ subnet = "fd00::/64" }] } }
      [image_garbage_collection]
      enabled = false
      cleanup_recurrence = "2d"
      image_age_cleanup_threshold = "12h"
      cleanup_time = "23:59"
      """
    )
    #expect(settings.aliases == ["gate", "fd00::5"])
    #expect(settings.parentHostName == "parent.example")
    #expect(settings.trustBundle == "/etc/ssl/bundle.pem")
    #expect(!settings.containerEngine.allowsElevated)
    #expect(settings.reprovisioning == .onErrorOnly)
    #expect(settings.prefersIdentityCache)
    #expect(settings.workloadRequests == 7)
    #expect(
      settings.provisioning
        == .manual(
          hubHostName: "hub.example",
          deviceID: "e1",
          .certificate(chain: "/etc/id.pem", privateKey: "/etc/id.key")
        )
    )
    #expect(
      settings.edgeAuthority.source
        == .localAuthority(chain: "/etc/ca.pem", privateKey: "/etc/ca.key")
    )
    #expect(settings.edgeAuthority.days == 30)
    #expect(settings.edgeAuthority.renewalPercent == 75)
    #expect(!settings.edgeAuthority.rotatesKey)
    #expect(settings.agent.environment == ["RuntimeLogLevel": "debug", "MaxRestartCount": "5"])
    #expect(settings.sharedWorkloadURI == nil)
    #expect(settings.managementURI == "http://127.0.0.1:15580")
    #expect(settings.containerEngine.hasIPv6)
    #expect(settings.containerEngine.addressManagement?["config"]?.arrayValue?.count == 1)
    #expect(settings.imageCollection.recurrenceSeconds == 172_800)
    #expect(settings.imageCollection.ageSeconds == 43_200)
    #expect(settings.imageCollection.minuteOfDay == 1_439)
    #expect(settings.notices.count == 5)
  }

  @Test("the provisioning service by key and by certificate")
  func service() throws {
    let start = """
      [provisioning]
      source = "dps"
      global_endpoint = "https://dps.example:8443/"
      id_scope = "0ne1"
      payload = { uri = "file:///etc/payload.json" }

      """
    let byKey = try Self.read(
      start + """
        [provisioning.attestation]
        method = "symmetric_key"
        registration_id = "r1"
        symmetric_key = { uri = "file:///etc/key" }
        """
    )
    #expect(
      byKey.provisioning
        == .service(
          .init(
            endpoint: "dps.example:8443",
            idScope: "0ne1",
            registrationID: "r1",
            proof: .symmetricKey(.file("/etc/key")),
            payload: "/etc/payload.json"
          )
        )
    )
    let byCertificate = try Self.read(
      start + """
        [provisioning.attestation]
        method = "x509"
        identity_cert = "file:///c.pem"
        identity_pk = "file:///c.key"
        """
    )
    guard case .service(let service) = byCertificate.provisioning else {
      Issue.record("not by the service")
      return
    }
    #expect(service.registrationID == nil)
    #expect(service.proof == .certificate(chain: "/c.pem", privateKey: "/c.key"))
  }

  @Test("what is wrong is told with its name and a way to mend it")
  func refusals() throws {
    let key = "SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg=="
    func manual(_ line: String) -> String { "[provisioning]\nsource = \"manual\"\n" + line }
    let rows: [(String, String)] = [
      ("", "[provisioning] is missing"),
      ("hostnam = 1\n" + Self.manual, "Did you mean hostname?"),
      ("a = [\n", "not TOML"),
      ("a = 1\u{0}", "NUL byte in line 1"),
      ("when = 2020-01-01\n" + Self.manual, "when has a type that no setting takes"),
      ("cloud_timeout_sec = 0\n" + Self.manual, "cloud_timeout_sec must be a whole number"),
      ("cloud_timeout_sec = 1.5\n" + Self.manual, "cloud_timeout_sec must be a whole number"),
      ("cloud_timeout_sec = \"1\"\n" + Self.manual, "cloud_timeout_sec must be a whole number"),
      ("parent_hostname = \"a b\"\n" + Self.manual, "parent_hostname must be a host name"),
      ("hostname_aliases = [\"a b\"]\n" + Self.manual, "hostname_aliases has \"a b\""),
      ("hostname_aliases = [1]\n" + Self.manual, "hostname_aliases must be a text or an array"),
      ("trust_bundle_cert = \"bundle.pem\"\n" + Self.manual, "trust_bundle_cert must be a file"),
      ("trust_bundle_cert = \"pkcs11:x\"\n" + Self.manual, "PKCS#11"),
      ("provisioning = 1", "Write it as [provisioning]"),
      ("auto_reprovisioning_mode = \"Never\"\n" + Self.manual, "must be one of Dynamic"),
      (manual(""), "iothub_hostname is missing"),
      (manual("connection_string = \"HostName=h;DeviceId=d\""), "has no 'SharedAccessKey'"),
      (manual("connection_string = \"HostName=h;DeviceId=d;ModuleId=m;\(key)\""), "a module's"),
      (manual("connection_string = \"HostName=h;DeviceId=d;x509=true\""), "method = \"x509\""),
      (
        manual("connection_string = \"HostName=h;SharedAccessKeyName=n;\(key)\""),
        "is not a device's"
      ),
      (manual("connection_string = \"\(Self.connection)\"\ndevice_id = \"d\""), "in conn"),
      (manual("iothub_hostname = \"h\"\ndevice_id = \"a/b\""), "no valid device ID"),
      (manual("iothub_hostname = \"h\"\ndevice_id = \"d\""), "[provisioning.authentication]"),
      (
        manual("iothub_hostname=\"h\"\ndevice_id=\"d\"\nauthentication={method=\"sas\"}"),
        "device_id_pk is missing"
      ),
      (
        manual(
          "iothub_hostname=\"h\"\ndevice_id=\"d\"\n"
            + "authentication={method=\"sas\",device_id_pk={value=\"x\"}}"
        ),
        "must be the base64 text"
      ),
      (
        manual(
          "iothub_hostname=\"h\"\ndevice_id=\"d\"\n"
            + "authentication={method=\"x509\",identity_cert=\"/a\"}"
        ),
        "identity_pk is missing"
      ),
      ("[provisioning]\nsource = \"dps\"", "[provisioning.attestation]"),
      (
        "[provisioning]\nsource = \"dps\"\nattestation = {method=\"tpm\"}",
        "registration_id is missing"
      ),
      ("parent_hostname=\"p\"\n[provisioning]\nsource = \"external\"", "must be one of manual"),
      (Self.manual + "[edge_ca]\ncert = \"/a\"", "edge_ca.pk is missing"),
      (Self.manual + "[edge_ca]\nmethod = \"est\"", "is est"),
      (Self.manual + "[edge_ca]\nmethod = \"local_ca\"", "[cert_issuance.local_ca]"),
      (Self.manual + "[edge_ca.auto_renew]\nthreshold = \"2d\"", "a part of the life"),
      (Self.manual + "[aziot_keys]\npkcs11_lib_path = \"/l\"", "PKCS#11"),
      (Self.manual + "[image_garbage_collection]\ncleanup_recurrence = \"1h\"", "30m, 12h"),
      (Self.manual + "[image_garbage_collection]\ncleanup_time = \"24:00\"", "a time of day"),
      (Self.manual + "[moby_runtime]\nuri = \"tcp://x\"", "moby_runtime.uri must begin"),
      (Self.manual + "[moby_runtime]\nuri = \"crun:here\"", "or be crun: or crun:/path"),
      (Self.manual + "[listen]\nworkload_uri = \"http://h\"", "http://127.0.0.1:15580"),
      (Self.manual + "[hub]\nmqtt_port = 65536", "hub.mqtt_port must be"),
      (Self.manual + "[hub.env]\nx = []", "hub.env.x must be a text"),
      (Self.manual + "[image_signatures.\"r.example\"]", "keys is missing"),
      (Self.manual + "[image_signatures.\"team/app\"]\nkeys = [\"/k\"]", "is no registry"),
      (Self.manual + "[image_signatures.\"r.io/a:1\"]\nkeys = [\"/k\"]", "is no registry"),
      (Self.manual + "[image_signatures]\nrequire = true", "must be a table"),
      (Self.manual + "[image_signatures.\"*\"]\nkeys = [\"k\"]", "must be a file"),
      (Self.manual + "[image_signatures.\"*\"]\nkey = \"/k\"", "Did you mean"),
      (Self.manual + "[image_registries]\nca_cert = 5", "image_registries.ca_cert"),
    ]
    for (text, part) in rows {
      let fault = fault(text)
      #expect(fault?.description.contains(part) == true, "\(text): \(fault?.description ?? "-")")
    }
  }

  @Test("rules for signatures are read")
  func signatures() throws {
    let settings = try Self.read(
      Self.manual + """
        [image_signatures."*"]
        require = false
        [image_signatures."r.example:5000/team"]
        keys = ["/a.pub", "file:///b.pub"]
        any_name = true
        [image_registries]
        plain_http = ["r.example:5000"]
        """
    )
    #expect(
      settings.images.rules == [
        SignaturePolicy.Rule(name: "*", isRequired: false, keys: []),
        SignaturePolicy.Rule(
          name: "r.example:5000/team",
          isRequired: true,
          keys: ["/a.pub", "/b.pub"],
          checksName: false
        ),
      ]
    )
    #expect(settings.images.plainHosts == ["r.example:5000"])
    #expect(try Self.read(Self.manual).images.rules.isEmpty)
  }

  @Test("no fault shows a key")
  func noKeyInFaults() {
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
    let text = """
      [provisioning]
      source = "manual"
      iothub_hostname = "h"
      device_id = "d"
      authentication = { method = "sas", device_id_pk = "\(secret)" }
      """
    #expect(fault(text)?.description.contains(secret) == false)
    let again = "[provisioning]\nsource=\"manual\"\nconnection_string=\"HostName=h;\(secret)\""
    #expect(fault(again)?.description.contains(secret) == false)
  }

  @Test("a directory of sockets that is too deep is refused")
  func deepRunDirectory() {
    let run = "/" + String(repeating: "r", count: 80)
    #expect(throws: SettingsFault.self) { try Self.read(Self.manual, run: run) }
  }
}

@Suite("Directories of data and sockets")
struct EdgePathsTests {
  @Test("a module's directory has its name, or a hash where the name could do harm")
  func directories() {
    let paths = EdgePaths(data: "/d", run: "/r")
    #expect(paths.workloadSocket(of: "$edgeHub") == "/r/workload/$edgeHub/s/workload.sock")
    #expect(paths.workloadSocket(of: "temp-1.a_B") == "/r/workload/temp-1.a_B/s/workload.sock")
    let strange = [".", "..", ".a", "a:b", "a%", "a*", String(repeating: "a", count: 41)]
    let names = strange.map { paths.workloadEnclosure(of: $0) }
    #expect(Set(names).count == strange.count)
    for name in names {
      #expect(name.hasPrefix("/r/workload/%"))
      #expect(name.split(separator: "/").count == 3)
    }
    let longest = EdgePaths(run: "/" + String(repeating: "r", count: EdgePaths.runLimit - 1))
    let socket = longest.workloadSocket(of: String(repeating: "a", count: 40))
    #expect(socket.utf8.count == EdgePaths.socketPathLimit)
  }
}
