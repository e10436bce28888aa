import EdgeService
import JSONTree
import Platform
import Testing

@Suite("What each process is told of the settings")
struct SettingsCopyTests {
  private static let paths = EdgePaths(data: "/d", run: "/run/e")
  private static let key = "MDEyMzQ1Njc4OWFiY2RlZg=="

  private func copy(_ text: String, for role: EdgeRole) throws -> (String, EdgeSettings) {
    let written = try SettingsCopy.text(
      of: Array(text.utf8),
      at: "/etc/edge.toml",
      for: role,
      paths: Self.paths
    )
    let read = try EdgeSettings(
      Array(written.utf8),
      file: "/run/e/settings/x.toml",
      paths: Self.paths
    )
    return (written, read)
  }

  /// A secret of the settings, and the processes that it is for.
  struct Secret: Sendable {
    let text: String
    let value: String
    let roles: Set<EdgeRole>

    init(_ value: String, for roles: Set<EdgeRole>, _ text: String) {
      (self.value, self.roles, self.text) = (value, roles, text)
    }
  }

  static let manual = "[provisioning]\nsource = \"manual\"\n"
  static let service = """
    [provisioning]
    source = "dps"
    global_endpoint = "https://dps.example:8443/"
    id_scope = "0ne1"

    """
  static let connection = manual + "connection_string = \"\(EdgeSettingsTests.connection)\"\n"

  static let secrets: [Secret] = [
    Secret(key, for: [.keys], connection),
    Secret(key, for: [.keys], connection.replacing("connection_s", with: "device_connection_s")),
    Secret(
      key,
      for: [.keys],
      manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
        + "authentication = { method = \"sas\", device_id_pk = { value = \"\(key)\" } }\n"
    ),
    Secret(
      key,
      for: [.keys],
      manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
        + "authentication = { method = \"sas\", device_id_pk = \"\(key)\" }\n"
    ),
    Secret(
      key,
      for: [.keys],
      service + "[provisioning.attestation]\nmethod = \"symmetric_key\"\n"
        + "registration_id = \"e1\"\nsymmetric_key = { value = \"\(key)\" }\n"
    ),
    Secret(
      "opens-the-chip",
      for: [.keys],
      service + "[provisioning.attestation]\nmethod = \"tpm\"\nregistration_id = \"e1\"\n"
        + "[tpm]\ntcti = \"device:/dev/tpm7\"\n"
        + "hierarchy_authorization = { owner = \"opens-the-chip\" }\n"
    ),
    Secret("for-modules", for: [.agent], connection + "[agent.env]\nTOKEN = \"for-modules\"\n"),
    Secret(
      "registry-word",
      for: [],
      connection + "[agent.config]\nimage = \"a:1\"\n"
        + "auth = { username = \"u\", password = \"registry-word\" }\n"
    ),
    Secret("for-hubs", for: [.hub], connection + "[hub.env]\nTOKEN = \"for-hubs\"\n"),
    Secret(
      "page-word",
      for: [.hub],
      connection + "[metrics.collector]\nendpoints = [\"http://u:page-word@10.0.0.1/metrics\"]\n"
    ),
    Secret(
      "engine-word",
      for: [.agent],
      connection + "[moby_runtime]\nuri = \"http://u:engine-word@10.0.0.1:2375\"\n"
    ),
    Secret(
      "est-word",
      for: [.keys],
      connection + "[cert_issuance.est.auth]\nusername = \"u\"\npassword = \"est-word\"\n"
    ),
    Secret(
      "est-word",
      for: [.keys],
      connection + "[edge_ca]\nmethod = \"est\"\n"
        + "[cert_issuance.est]\nurls = { default = \"https://ca.example/est\" }\n"
        + "auth = { username = \"u\", password = \"est-word\" }\n"
    ),
    Secret(
      "est-word",
      for: [.keys],
      connection + "[edge_ca]\nmethod = \"est\"\nurl = \"https://ca.example/est\"\n"
        + "username = \"u\"\npassword = \"est-word\"\n"
    ),
    Secret(
      "est-word",
      for: [.keys],
      manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
        + "[provisioning.authentication]\nmethod = \"x509\"\n"
        + "[provisioning.authentication.identity_cert]\nmethod = \"est\"\n"
        + "url = \"https://ca.example/est\"\nusername = \"u\"\npassword = \"est-word\"\n"
    ),
    Secret("what-is-this", for: [], "additional_info = \"what-is-this\"\n" + connection),
  ]

  @Test("a secret reaches the process that needs it, and no other", arguments: secrets.indices)
  func leastPrivilege(_ index: Int) throws {
    let secret = Self.secrets[index]
    for role in EdgeRole.allCases {
      let (text, settings) = try copy("hostname = \"gate\"\n" + secret.text, for: role)
      #expect(text.contains(secret.value) == secret.roles.contains(role), "\(role): \(text)")
      #expect(settings.hostName == "gate")
      // What is wrong is told of the file that a person can mend.
      #expect(settings.file == "/etc/edge.toml" && settings.copy?.role == role)
    }
  }

  @Test("who does not prove who the device is still knows which one it is, and how it proves that")
  func identity() throws {
    let (_, manual) = try copy(Self.connection, for: .agent)
    #expect(
      manual.provisioning
        == .manual(hubHostName: "hub.example", deviceID: "e1", .symmetricKey(.withheld))
    )
    #expect(throws: SettingsFault.self) { try SecretSource.withheld.key() }
    let chip =
      Self.service + "[provisioning.attestation]\nmethod = \"tpm\"\nregistration_id = \"e1\"\n"
      + "[tpm]\ntcti = \"device:/dev/tpm7\"\n"
    guard case .service(let service) = try copy(chip, for: .agent).1.provisioning,
      case .chip(let settings) = service.proof
    else {
      Issue.record("no chip")
      return
    }
    #expect(settings.address == .device(path: "/dev/tpm7"))
    #expect(service.endpoint == "dps.example:8443" && service.registrationID == "e1")
    let certificate =
      Self.manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
      + "authentication = { method = \"x509\", identity_cert = \"/c.pem\", identity_pk = \"/k.pem\" }\n"
    #expect(
      try copy(certificate, for: .hub).1.provisioning
        == .manual(
          hubHostName: "hub.example",
          deviceID: "e1",
          .certificate(chain: "/c.pem", privateKey: "/k.pem")
        )
    )
  }

  @Test("the agent's checks know who issues certificates, without what is shown for them")
  func issued() throws {
    let text =
      Self.manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
      + "[provisioning.authentication]\nmethod = \"x509\"\nidentity_cert = { method = \"est\" }\n"
      + "[edge_ca]\nmethod = \"est\"\ncommon_name = \"Gate CA\"\n"
      + "[cert_issuance.est]\ntrusted_certs = [\"/root.pem\"]\n"
      + "urls = { default = \"https://ca.example/est\" }\n"
      + "auth = { username = \"u\", password = \"w\", identity_cert = \"/i.pem\", "
      + "identity_pk = \"/i.key\" }\n"
    let whole = try EdgeSettings(Array(text.utf8), file: "/etc/edge.toml", paths: Self.paths)
    let keys = try copy(text, for: .keys).1
    #expect(keys.identityIssuance == whole.identityIssuance)
    #expect(keys.edgeAuthority == whole.edgeAuthority)
    let agent = try copy(text, for: .agent).1
    #expect(agent.provisioning == whole.provisioning)
    let asked = try #require(agent.identityIssuance)
    #expect(asked.question == whole.identityIssuance?.question)
    #expect(asked.server.authorities == ["/root.pem"] && asked.server.authorization == nil)
    #expect(asked.server.identity == whole.identityIssuance?.server.identity)
    guard case .est(let authority) = agent.edgeAuthority.source else {
      Issue.record("no EST server")
      return
    }
    #expect(authority.commonName == "Gate CA" && authority.server.authorization == nil)
    #expect(try copy(text, for: .hub).1.provisioning == whole.provisioning)
  }

  @Test("the process that a setting is for reads of its copy what it would read of the file")
  func same() throws {
    let text =
      """
      hostname = "gate"
      hostname_aliases = ["10.0.0.5", "fd00::5"]
      parent_hostname = "parent"
      trust_bundle_cert = "/t.pem"
      allow_elevated_docker_permissions = false
      auto_reprovisioning_mode = "OnErrorOnly"
      prefer_module_identity_cache = true
      cloud_timeout_sec = 20
      cloud_retries = 3
      iotedge_max_requests = { management = 5, workload = 7 }
      \(Self.connection)
      [listen]
      workload_uri = "http://127.0.0.1:1"
      management_uri = "unix:///run/m.sock"
      [edge_ca]
      method = "local_ca"
      expiry_days = 7
      auto_renew = { rotate_key = false, threshold = "70%", retry = "3%" }
      [cert_issuance.local_ca]
      cert = "/ca.pem"
      pk = "/ca.key"
      [agent.env]
      RuntimeLogLevel = "debug"
      [hub]
      host = "10.0.0.1"
      mqtt_port = 1883
      [hub.env]
      "odd name" = "x=\\"y\\""
      [upstream]
      ca_cert = "/up.pem"
      mqtt_port = 8884
      budget = { bytes_per_day = 50000000, shares = [{ priority = 0, percent = 60 }, { percent = 40 }] }
      [moby_runtime]
      uri = "unix:///e.sock"
      network = { name = "n", ipv6 = true, ipam = { config = [{ gateway = "10.1.0.1" }] } }
      [image_garbage_collection]
      enabled = false
      [image_signatures."*"]
      keys = ["/cosign.pub"]
      [image_registries]
      plain_http = ["10.0.0.9:5000"]
      [metrics]
      hub_port = 0
      [metrics.collector]
      interval = "5m"
      [logging]
      level = "debug"
      folder = "/l"
      """
    let whole = try EdgeSettings(Array(text.utf8), file: "/etc/edge.toml", paths: Self.paths)
    let keys = try copy(text, for: .keys).1
    #expect(keys.provisioning == whole.provisioning)
    #expect(keys.edgeAuthority == whole.edgeAuthority)
    #expect(keys.sharedWorkloadURI == whole.sharedWorkloadURI)
    let agent = try copy(text, for: .agent).1
    #expect(agent.agent == whole.agent)
    #expect(agent.containerEngine == whole.containerEngine)
    #expect(agent.imageCollection == whole.imageCollection)
    #expect(agent.images == whole.images)
    #expect(agent.edgeAuthority == whole.edgeAuthority)
    #expect(agent.managementURI == whole.managementURI)
    let hub = try copy(text, for: .hub).1
    #expect(hub.hub == whole.hub)
    #expect(hub.metrics == whole.metrics)
    for settings in [keys, agent, hub] {
      #expect(settings.hostName == whole.hostName && settings.aliases == whole.aliases)
      #expect(settings.parentHostName == whole.parentHostName)
      #expect(settings.trustBundle == whole.trustBundle)
      #expect(settings.upstream == whole.upstream)
      #expect(settings.metrics.ports == whole.metrics.ports)
      #expect(settings.reprovisioning == whole.reprovisioning)
      #expect(settings.prefersIdentityCache == whole.prefersIdentityCache)
      #expect(settings.cloudTimeoutSeconds == whole.cloudTimeoutSeconds)
      #expect(settings.cloudRetries == whole.cloudRetries)
      #expect(settings.workloadRequests == whole.workloadRequests)
      #expect(settings.managementRequests == whole.managementRequests)
      #expect(settings.logLevel == whole.logLevel && settings.logFolder == whole.logFolder)
    }
  }

  @Test("the hub is told what the deployment sets, but where the settings say otherwise")
  func deployed() throws {
    let text = Self.connection + "[hub]\nmqtt_port = 1883\n[hub.env]\nupstreamprotocol = \"Mqtt\"\n"
    for role in EdgeRole.allCases {
      let written = try SettingsCopy.text(
        of: Array(text.utf8),
        at: "/etc/edge.toml",
        for: role,
        paths: Self.paths,
        deployed: ["UpstreamProtocol": "AmqpWs", "A b": "c\u{1}\n\"d\""]
      )
      let read = try EdgeSettings(Array(written.utf8), file: "x", paths: Self.paths)
      #expect(
        read.hub.environment
          == (role == .hub ? ["upstreamprotocol": "Mqtt", "A b": "c\u{1}\n\"d\""] : [:])
      )
      #expect(read.hub.mqttPort == (role == .hub ? 1_883 : 8_883))
    }
  }

  @Test("a copy is no settings file, and a person cannot keep a key back")
  func refused() throws {
    let (text, _) = try copy(Self.connection, for: .hub)
    #expect(throws: SettingsFault.self) { try copy(text, for: .hub) }
    let read = try EdgeSettings(Array(text.utf8), file: "c.toml", paths: Self.paths)
    #expect(throws: SettingsFault.self) { try read.refuseCopy(at: "c.toml") }
    let withheld =
      Self.manual + "iothub_hostname = \"hub.example\"\ndevice_id = \"e1\"\n"
      + "authentication = { method = \"sas\", device_id_pk = { withheld = true } }\n"
    for text in [withheld, "[copy]\n" + Self.connection, "copy = 1\n" + Self.connection] {
      #expect(throws: SettingsFault.self, "\(text)") {
        try EdgeSettings(Array(text.utf8), file: "e.toml", paths: Self.paths)
      }
    }
  }
}
