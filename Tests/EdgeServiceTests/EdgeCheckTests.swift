import EdgeEngine
import EdgeService
import JSONTree
import Platform
import Synchronization
import Testing

@Suite("Checks (contract §4.8)")
struct EdgeCheckTests {
  private static let paths = EdgePaths(data: "/d", run: "/run/e")
  private static let version = EdgeVersion.runtime.version

  /// A box on which all is well.
  private static func good() -> FakeBox {
    var box = FakeBox()
    box.hosts = ["gate.example": ["10.0.0.5"], "hub.example": ["192.0.2.1"]]
    box.clockError = 0.2
    box.changes = ["edge.toml": box.time - 1_000]
    box.fileSystems = ["/d/agent": "ext4", "/d/hub": "ext4"]
    let processes = ["keys", "agent", "hub"].enumerated().map { index, role -> JSONValue in
      [
        "role": .string(role), "state": "running", "pid": .int(Int64(10 + index)),
        "seconds": 500, "restarts": 0,
      ]
    }
    box.status = ["version": .string(version), "processes": .array(processes)]
    box.answers = [
      "/run/e/agent/management.sock systeminfo": ["version": .string(version)],
      "/run/e/agent/management.sock modules": ["modules": []],
      "/run/e/keys/identity.sock identities": ["identities": []],
      "/run/e/workload/$edgeHub/s/workload.sock trust-bundle": ["certificate": "…"],
    ]
    box.engineAnswers = [
      "version": ["Version": "26.1"],
      "information": ["SystemTime": "2033-05-18T03:33:21.123456789Z"],
    ]
    box.files["/etc/docker/daemon.json"] = Array(
      #"{"dns":["192.0.2.53"],"log-opts":{"max-size":"10m"}}"#.utf8
    )
    return box
  }

  private func run(
    _ box: FakeBox,
    _ text: String = EdgeSettingsTests.manual,
    _ options: CheckOptions = CheckOptions()
  ) async -> [String: CheckOutcome] {
    let settings: Result<EdgeSettings, SettingsFault>
    do throws(SettingsFault) {
      settings = .success(
        try EdgeSettings(Array(text.utf8), file: "edge.toml", paths: Self.paths)
      )
    } catch {
      settings = .failure(error)
    }
    let reports = await CheckRun.run(
      settings: settings,
      paths: Self.paths,
      options: options,
      ports: box,
      limit: .seconds(2)
    )
    #expect(reports.map(\.check.id) == EdgeCheck.all.map(\.id))
    return Dictionary(uniqueKeysWithValues: reports.map { ($0.check.id, $0.outcome) })
  }

  @Test("every check of the contract is there, once")
  func list() {
    let ids = EdgeCheck.all.map(\.id)
    #expect(Set(ids).count == ids.count)
    let ways = ["amqp", "https", "mqtt"]
    let contract =
      [
        "config-well-formed", "config-up-to-date", "hostname", "parent_hostname",
        "container-engine-uri", "connect-management-uri", "aziot-version", "aziot-edge-version",
        "host-local-time", "container-local-time", "container-engine-dns",
        "container-engine-ipv6", "container-engine-logrotate",
        "edge-agent-storage-mounted-from-host", "edge-hub-storage-mounted-from-host",
        "check-agent-image", "proxy-settings", "certs-preloaded", "certs-read", "key-pairs-read",
        "certs-match-private-keys", "identity-certificate-expiry",
        "est-identity-and-bootstrap-certificate-expiry", "local-ca-certificate-expiry",
        "keyd-running", "certd-running", "tpmd-running", "identityd-running", "est-server-https",
        "host-connect-dps-endpoint", "container-resolve-parent-hostname",
      ] + ways.map { "host-connect-iothub-\($0)" }
      + ways.map { "container-connect-upstream-\($0)" }
      + ways.map { "container-default-connect-upstream-\($0)" }
    for id in contract { #expect(ids.contains(id), "\(id)") }
  }

  @Test("where all is well, no check finds anything")
  func allWell() async {
    let outcomes = await run(Self.good())
    for (id, outcome) in outcomes {
      #expect(["ok", "skipped"].contains(outcome.word), "\(id): \(outcome)")
    }
    let wanted = [
      "config-well-formed", "config-up-to-date", "hostname", "container-engine-uri",
      "connect-management-uri", "aziot-version", "host-local-time", "container-local-time",
      "container-engine-dns", "container-engine-ipv6", "container-engine-logrotate",
      "edge-hub-storage-mounted-from-host", "proxy-settings", "keyd-running", "certd-running",
      "identityd-running", "agent-running", "hub-running", "host-connect-iothub-mqtt",
    ]
    for id in wanted {
      #expect(outcomes[id]?.word == "ok", "\(id): \(String(describing: outcomes[id]))")
    }
  }

  /// What one change makes of one check.
  struct Row: Sendable {
    let id: String
    let word: String
    let part: String
    let settings: String
    let change: @Sendable (inout FakeBox) -> Void

    init(
      _ id: String,
      _ word: String,
      _ part: String,
      settings: String = EdgeSettingsTests.manual,
      change: @escaping @Sendable (inout FakeBox) -> Void = { _ in }
    ) {
      (self.id, self.word, self.part) = (id, word, part)
      (self.settings, self.change) = (settings, change)
    }
  }

  private static let rows: [Row] = [
    Row("config-well-formed", "error", "provisioning", settings: "hostname = \"x\"\n"),
    Row("hostname", "skipped", "config-well-formed", settings: "nonsense"),
    Row("config-up-to-date", "warning", "keys, agent, hub") {
      $0.changes["edge.toml"] = $0.time - 10
    },
    Row("hostname", "warning", "no address") { $0.hosts["gate.example"] = nil },
    Row("hostname", "error", "192.0.2.9") { $0.hosts["gate.example"] = ["192.0.2.9"] },
    Row(
      "parent_hostname",
      "error",
      "up.example",
      settings: "parent_hostname = \"up.example\"\n" + EdgeSettingsTests.manual
    ),
    Row("container-engine-uri", "warning", "No module") { $0.engineAnswers = [:] },
    Row("container-engine-uri", "error", "no container engine") {
      $0.engineAnswers = [:]
      $0.answers["/run/e/agent/management.sock modules"] = ["modules": [["type": "docker"]]]
    },
    Row("container-engine-dns", "skipped", "no container engine") { $0.engineAnswers = [:] },
    Row("container-local-time", "error", "ahead") {
      $0.engineAnswers["information"] = ["SystemTime": "2034-05-18T03:33:21Z"]
    },
    Row("container-engine-dns", "warning", "no DNS") { $0.files["/etc/docker/daemon.json"] = nil },
    Row("container-engine-dns", "error", "no JSON") {
      $0.files["/etc/docker/daemon.json"] = Array("{".utf8)
    },
    Row("container-engine-logrotate", "warning", "disk") {
      $0.files["/etc/docker/daemon.json"] = Array("{}".utf8)
    },
    Row("container-engine-logrotate", "ok", "journald") {
      $0.files["/etc/docker/daemon.json"] = Array(#"{"log-driver":"journald"}"#.utf8)
    },
    Row(
      "container-engine-ipv6",
      "error",
      "switched off",
      settings: EdgeSettingsTests.manual
        + "[moby_runtime]\nnetwork = { name = \"n\", ipv6 = true }\n"
    ),
    Row("connect-management-uri", "error", "does not answer") { $0.answers = [:] },
    Row("aziot-version", "warning", "0.0.1") {
      $0.status = ["version": "0.0.1", "processes": []]
    },
    Row("host-local-time", "warning", "cannot be asked") { $0.clockError = nil },
    Row("host-local-time", "warning", "60 s behind") { $0.clockError = 60 },
    Row("host-local-time", "error", "4000 s ahead") { $0.clockError = -4_000 },
    Row("edge-hub-storage-mounted-from-host", "warning", "tmpfs") {
      $0.fileSystems["/d/hub"] = "tmpfs"
    },
    Row("edge-agent-storage-mounted-from-host", "skipped", "/d/agent") {
      $0.fileSystems["/d/agent"] = nil
    },
    Row("proxy-settings", "error", "https_proxy") { $0.variables["https_proxy"] = "ftp://x" },
    Row("proxy-settings", "warning", "for keys none") {
      $0.variables["https_proxy"] = "http://u:secret@proxy:3128"
      $0.environments[10] = [:]
    },
    Row("keyd-running", "error", "no supervisor") { $0.status = nil },
    Row("keyd-running", "skipped", "no supervisor") {
      $0.status = nil
      $0.mayAskSupervisor = false
    },
    Row("hub-running", "error", "signal 9") {
      $0.status = [
        "processes": [["role": "hub", "restarts": 3, "lastEnding": "was ended by signal 9"]]
      ]
    },
    Row("hub-running", "warning", "after 3 restarts") {
      $0.status = [
        "processes": [["role": "hub", "pid": 7, "seconds": 4, "restarts": 3]]
      ]
    },
    Row("tpmd-running", "error", "/dev/tpmrm0", settings: chip),
    Row("tpmd-running", "ok", "/dev/tpmrm0", settings: chip) { $0.changes["/dev/tpmrm0"] = 1 },
    Row("tpmd-running", "skipped", "no TPM"),
    Row("certd-running", "error", "does not answer") { $0.answers = [:] },
    Row("identityd-running", "error", "does not answer") { $0.answers = [:] },
    Row("host-connect-iothub-amqp", "error", "refused") { $0.closed[5_671] = "refused" },
    Row("host-connect-iothub-mqtt", "error", "not trusted") {
      $0.closed[8_883] = "the server's certificate is not trusted"
    },
    Row("certs-preloaded", "error", "/c.pem", settings: x509),
    Row("certs-read", "skipped", "certs-preloaded", settings: x509),
    Row("certs-read", "error", "no certificates", settings: x509) {
      $0.files["/c.pem"] = Array("x".utf8)
    },
    Row("certs-read", "error", "cannot open", settings: x509) { $0.closedFiles = ["/c.pem"] },
    Row("key-pairs-read", "error", "no private key", settings: x509) {
      $0.files["/k.pem"] = Array("x".utf8)
    },
    Row("certs-match-private-keys", "error", "is not the key", settings: x509) {
      let (one, other) = (certificate(days: 90), certificate(days: 90))
      $0.files = [
        "/c.pem": Array(one.certificatePEM.utf8), "/k.pem": Array(other.privateKeyPEM.utf8),
      ]
    },
    Row("certs-match-private-keys", "ok", "", settings: x509) { pair(&$0, days: 90) },
    Row("key-pairs-read", "ok", "", settings: x509) { pair(&$0, days: 90) },
    Row("identity-certificate-expiry", "ok", "90 days", settings: x509) { pair(&$0, days: 90) },
    Row("identity-certificate-expiry", "warning", "3 days", settings: x509) {
      pair(&$0, days: 3)
    },
    Row("identity-certificate-expiry", "error", "ended", settings: x509) { pair(&$0, days: -2) },
    Row("local-ca-certificate-expiry", "skipped", "only root"),
    Row("local-ca-certificate-expiry", "ok", "40 days") {
      let file: JSONValue = ["certificate": .string(certificate(days: 40).certificatePEM)]
      $0.files["/d/keys/edge-ca.json"] = JSON.bytes(file)
    },
  ]

  private static let x509 = """
    [provisioning]
    source = "manual"
    iothub_hostname = "hub.example"
    device_id = "e1"
    [provisioning.authentication]
    method = "x509"
    identity_cert = "file:///c.pem"
    identity_pk = "file:///k.pem"

    """

  private static let chip = """
    [provisioning]
    source = "dps"
    global_endpoint = "https://dps.example"
    id_scope = "0ne1"
    [provisioning.attestation]
    method = "tpm"
    registration_id = "e1"

    """

  private static func certificate(days: Int64) -> CertificateMaker.Issued {
    let profile = CertificateProfile(
      commonName: "e1",
      kind: .root,
      from: 0,
      until: 2_000_000_000 + days * 86_400 + 60
    )
    return (try? CertificateMaker.make(profile, signedBy: nil))
      ?? CertificateMaker.Issued(certificatePEM: "", privateKeyPEM: "")
  }

  private static func pair(_ box: inout FakeBox, days: Int64) {
    let made = certificate(days: days)
    box.files["/c.pem"] = Array(made.certificatePEM.utf8)
    box.files["/k.pem"] = Array(made.privateKeyPEM.utf8)
  }

  @Test("each fault is found by its check, which says what to do")
  func faults() async {
    for row in Self.rows {
      var box = Self.good()
      row.change(&box)
      let outcome = await run(box, row.settings)[row.id]
      #expect(outcome?.word == row.word, "\(row.id) \(row.part): \(String(describing: outcome))")
      let detail = outcome?.detail ?? ""
      #expect(row.part.isEmpty || detail.contains(row.part), "\(row.id): \(detail)")
      #expect(!detail.contains("secret"))
      if row.word == "warning" || row.word == "error" {
        #expect(outcome?.remedy?.isEmpty == false, "\(row.id)")
      }
    }
  }

  @Test("one that hangs is given up, and holds nothing else up")
  func hang() async {
    var box = Self.good()
    box.hangs = true
    let outcomes = await run(box)
    #expect(outcomes["host-local-time"]?.word == "error")
    #expect(outcomes["host-local-time"]?.detail?.contains("more than") == true)
    #expect(outcomes["hostname"]?.word == "ok")
  }

  @Test("what is left out is not looked at")
  func leftOut() async {
    var options = CheckOptions()
    options.skipped = ["host-connect-iothub-mqtt", "hostname"]
    let box = Self.good()
    let outcomes = await run(box, EdgeSettingsTests.manual, options)
    #expect(outcomes["hostname"]?.detail == "it was left out by --dont-run")
    #expect(!box.asked.places.withLock { $0 }.contains { $0.port == 8_883 })
  }

  @Test("the hub, the proxy and the image of the options count")
  func options() async {
    var options = CheckOptions()
    options.hubHostName = "other.example"
    options.proxyURI = "http://p:1"
    options.diagnosticsImage = "probe"
    options.expectedVersions = ["aziot-version": "9.9"]
    var box = Self.good()
    box.trialCode = 3
    let outcomes = await run(box, EdgeSettingsTests.manual, options)
    let places = box.asked.places.withLock { $0 }
    #expect(places.contains(CheckPlace(host: "other.example", port: 8_883, proxyURI: "http://p:1")))
    #expect(
      outcomes["container-connect-upstream-mqtt"]?.detail?.contains(
        "ended with 3: upstream --hostname other.example --port 8883"
      ) == true
    )
    #expect(outcomes["aziot-version"]?.word == "warning")
  }

  @Test("warnings count as errors if they are to, what is skipped never does")
  func verdict() async {
    var box = Self.good()
    box.clockError = 60
    let settings = Result<EdgeSettings, SettingsFault> { () throws(SettingsFault) in
      try EdgeSettings(
        Array(EdgeSettingsTests.manual.utf8),
        file: "edge.toml",
        paths: Self.paths
      )
    }
    var options = CheckOptions()
    let reports = await CheckRun.run(
      settings: settings,
      paths: Self.paths,
      options: options,
      ports: box
    )
    #expect(!CheckRun.hasFailed(reports, options))
    options.warningsAreErrors = true
    #expect(CheckRun.hasFailed(reports, options))
    let json = CheckRun.json(reports, version: "1")
    #expect(json["checks"]?["host-local-time"]?["result"] == "warning")
    #expect(json["checks"]?["host-local-time"]?["remedy"]?.stringValue?.isEmpty == false)
    #expect(json["checks"]?.objectValue?.count == EdgeCheck.all.count)
  }

  @Test("a path is on the file system of the longest place that it lies under")
  func fileSystems() {
    let table = """
      22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
      30 22 0:25 / /var rw - tmpfs tmpfs rw
      31 30 8:2 / /var/lib/edge rw,noatime shared:2 master:3 - btrfs /dev/sdb rw
      32 31 0:9 / /var/lib/edge rw - xfs /dev/sdc rw
      broken line
      """
    for (path, kind) in [
      ("/", "ext4"), ("/etc", "ext4"), ("/var", "tmpfs"), ("/variable", "ext4"),
      ("/var/lib/edge", "xfs"), ("/var/lib/edge/x/y", "xfs"), ("/var/lib/edges", "tmpfs"),
    ] {
      #expect(BoxPorts.fileSystem(of: path, in: table) == kind, "\(path)")
    }
    #expect(BoxPorts.fileSystem(of: "/", in: "") == nil)
  }

  @Test("a time server's answer is a time only if it answers the question")
  func timeServer() throws {
    let mark: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    var answer = [UInt8](repeating: 0, count: 48)
    answer[0] = 0x24
    answer[1] = 2
    answer.replaceSubrange(24..<32, with: mark)
    // 2026-01-01T00:00:00.5Z
    answer.replaceSubrange(40..<48, with: [0xED, 0x00, 0x37, 0x80, 0x80, 0, 0, 0])
    #expect(TimeServer.time(answer, mark: mark) == 1_767_225_600.5)
    #expect(TimeServer.time(answer, mark: [0] + mark.dropFirst()) == nil)
    for count in 0..<48 { #expect(TimeServer.time(Array(answer.prefix(count)), mark: mark) == nil) }
    // A server without time, and one that is no server.
    for (index, byte) in [(1, UInt8(0)), (0, 0x23)] {
      var other = answer
      other[index] = byte
      #expect(TimeServer.time(other, mark: mark) == nil)
    }
    for text in ["", ":", "a:b", "a:1:2", "a:99999"] {
      #expect(throws: CheckFault.self) { try TimeServer(text) }
    }
  }
}
