import EdgeEngine
import EdgeService
import Platform
import Testing

@Suite("Certificates from an EST server (contract §4.2, §4.5, §4.7)")
struct ESTSettingsTests {
  private static let issuance = """
    [cert_issuance.est]
    trusted_certs = ["file:///etc/est/root.pem"]
    [cert_issuance.est.auth]
    username = "gate"
    password = "hunter2"
    bootstrap_identity_cert = "file:///etc/est/first.pem"
    bootstrap_identity_pk = "file:///etc/est/first.key"
    [cert_issuance.est.urls]
    default = "https://ca.example/.well-known/est/"

    """

  private static let identity = """
    hostname = "gate.example"
    [provisioning]
    source = "manual"
    iothub_hostname = "hub.example"
    device_id = "e1"
    [provisioning.authentication]
    method = "x509"

    """

  private func fault(_ text: String) -> String {
    do throws(SettingsFault) {
      _ = try EdgeSettingsTests.read(text)
      return "no fault"
    } catch {
      return error.description
    }
  }

  @Test("the vendor's form is read, for the device and for the edge CA")
  func vendorsForm() throws {
    let settings = try EdgeSettingsTests.read(
      Self.identity + """
        identity_cert = { method = "est", common_name = "e1" }
        [edge_ca]
        method = "est"
        common_name = "Line 3"
        url = "https://other.example:8443/est/simpleenroll"
        [edge_ca.auto_renew]
        rotate_key = false
        threshold = "50%"
        retry = "2%"

        """ + Self.issuance
    )
    let identity = try #require(settings.identityIssuance)
    #expect(identity.commonName == "e1")
    #expect(identity.server.url == "https://ca.example/.well-known/est")
    #expect(identity.server.authorities == ["/etc/est/root.pem"])
    #expect(identity.server.authorization?.text == "Basic Z2F0ZTpodW50ZXIy")
    #expect(identity.server.identity?.chain == "/etc/est/first.pem")
    #expect(identity.renewalPercent == 80 && identity.retryPercent == 4 && identity.rotatesKey)
    #expect(
      settings.provisioning
        == .manual(
          hubHostName: "hub.example",
          deviceID: "e1",
          .certificate(chain: "/d/keys/identity.pem", privateKey: "/d/keys/identity.pem")
        )
    )
    guard case .est(let authority) = settings.edgeAuthority.source else {
      Issue.record("the edge CA is of another kind")
      return
    }
    #expect(authority.commonName == "Line 3")
    #expect(authority.server.url == "https://other.example:8443/est")
    #expect(authority.server.authorization == identity.server.authorization)
    #expect(authority.renewalPercent == 50 && authority.retryPercent == 2 && !authority.rotatesKey)
    #expect(!"\(settings)".contains("hunter2") && !"\(settings)".contains("Z2F0ZTpodW50ZXIy"))
  }

  @Test("names that are left out are the device's, and the machine's")
  func names() throws {
    let settings = try EdgeSettingsTests.read(
      Self.identity + "identity_cert = { method = \"est\" }\n[edge_ca]\nmethod = \"est\"\n"
        + Self.issuance
    )
    #expect(settings.identityIssuance?.commonName == "e1")
    guard case .est(let authority) = settings.edgeAuthority.source else {
      Issue.record("the edge CA is of another kind")
      return
    }
    #expect(authority.commonName == "aziot-edge CA gate.example")
  }

  @Test("what cannot be used is refused by name, and no secret is shown")
  func refusals() {
    let base = EdgeSettingsTests.manual + "[edge_ca]\nmethod = \"est\"\n"
    let server = "[cert_issuance.est.urls]\ndefault = \"https://c.example\"\n"
    let rows: [(String, String)] = [
      (base, "no server is named"),
      (base + "url = \"http://c.example\"", "edge_ca.url must be like https://"),
      (
        base + "[cert_issuance.est.urls]\ndefault = \"https://\"",
        "cert_issuance.est.urls.default must be"
      ),
      (base + server + "other = \"https://c.example\"", "unknown setting cert_issuance.est.urls"),
      (base + server + "[cert_issuance.est.auth]\npassword = \"hunter2\"", "username is missing"),
      (base + server + "[cert_issuance.est.auth]\nusername = \"a\"", "password is missing"),
      (
        base + server + "[cert_issuance.est.auth]\nusername = \"a:b\"\npassword = \"hunter2\"",
        "must not have a colon"
      ),
      (
        base + server + "[cert_issuance.est.auth]\nidentity_cert = \"/a\"",
        "auth.identity_pk is missing"
      ),
      (
        base + server
          + "[cert_issuance.est.auth]\nidentity_cert = \"/a\"\nidentity_pk = \"pkcs11:object=x\"",
        "PKCS#11"
      ),
      (base + "subject = { CN = \"x\" }\n" + server, "asked for by its common name"),
      (EdgeSettingsTests.manual + "[edge_ca]\nurl = \"https://c\"", "goes with method = \"est\""),
      (
        Self.identity + "identity_cert = { method = \"local_ca\" }",
        "whose method is not est"
      ),
      (
        Self.identity + "identity_cert = { method = \"est\" }\nidentity_pk = \"/k\"\n" + server,
        "identity_pk does not go with"
      ),
      (
        Self.identity + "identity_cert = \"/c\"\nidentity_pk = { uri = \"pkcs11:object=x\" }",
        "PKCS#11"
      ),
      (Self.identity + "identity_cert = { method = \"est\" }", "no server is named"),
    ]
    for (text, part) in rows {
      let fault = fault(text)
      #expect(fault.contains(part), "\(text): \(fault)")
      #expect(!fault.contains("hunter2"))
    }
  }

  @Test("the import of the vendor's settings carries it over")
  func imported() throws {
    let imported = try SettingsImport(
      Array((Self.identity + "identity_cert = { method = \"est\" }\n" + Self.issuance).utf8),
      file: "config.toml",
      paths: EdgePaths(data: "/d", run: "/run/e")
    )
    #expect(!imported.hasMissing, "\(imported.lines)")
    #expect(imported.text.contains("ca.example"))
  }

  @Test("an issued edge CA signs, leads to the server's root, and its key is told to nobody")
  func authority() async throws {
    let directory = try TemporaryDirectory()
    let settings = try EdgeSettingsTests.read(
      EdgeSettingsTests.manual + "[edge_ca]\nmethod = \"est\"\n" + Self.issuance
    )
    guard case .est(let wanted) = settings.edgeAuthority.source else {
      Issue.record("the edge CA is of another kind")
      return
    }
    let authority = EdgeAuthority(directory: directory.path, settings: settings.edgeAuthority)
    let now = JudgedTime(seconds: 1_800_000_000, least: 1_800_000_000, isSteady: true)
    #expect(throws: LocalRefusal.self) { try authority.anchor(deviceID: "e1", now: now) }

    let end = now.seconds + 86_400
    let root = try CertificateMaker.make(
      CertificateProfile(commonName: "Root", kind: .root, from: 0, until: end),
      signedBy: nil
    )
    let edge = try CertificateMaker.make(
      CertificateProfile(commonName: "Line 3", kind: .authority, from: 0, until: end),
      signedBy: root
    )
    let text =
      "made \(now.seconds)\nasked \(wanted.question)\n\(edge.privateKeyPEM)\n"
      + "\(edge.certificatePEM)\n\(root.certificatePEM)\n"
    try PrivateFile.replace(directory.path + "/edge-ca.pem", with: Array(text.utf8))
    let made = try authority.serverCredential(names: ["gate"], deviceID: "e1", now: now)
    let anchor = try authority.anchor(deviceID: "e1", now: now)
    #expect(!made.chainPEM.contains("PRIVATE") && !anchor.contains("PRIVATE"))
    let chain = made.chainPEM.split(separator: "-----BEGIN").compactMap {
      PresentedCertificate(Array(("-----BEGIN" + $0).utf8))
    }
    #expect(chain.map(\.commonName) == ["gate", "Line 3"])
    let top = try #require(PresentedCertificate(Array(anchor.utf8)))
    #expect(top.commonName == "Root")
    #expect(
      await chain[0].path(among: [top], through: [chain[1]], at: now.seconds) != nil
    )
    // One that was asked for elsewhere, or has ended, is none.
    let late = JudgedTime(seconds: end + 1, least: end + 1, isSteady: true)
    #expect(throws: LocalRefusal.self) { try authority.anchor(deviceID: "e1", now: late) }
  }

  @Test("a signing request says whether it is for an authority")
  func requests() throws {
    let (request, key) = try CertificateMaker.makeRequest(commonName: "e1", isAuthority: true)
    #expect(key.contains("PRIVATE KEY"))
    let again = try CertificateMaker.makeRequest(
      commonName: "e1",
      isAuthority: false,
      privateKeyPEM: key
    )
    #expect(again.request != request && again.privateKeyPEM == key)
    try CertificateIssuer.check(request, of: "e1")
    try CertificateIssuer.check(again.request, of: "e1")
  }

  @Test("answers of an EST server", arguments: [200, 202, 400, 401, 403, 404, 429, 503])
  func answers(status: Int) throws {
    let (request, _) = try CertificateMaker.makeRequest(commonName: "e1", isAuthority: false)
    let outcome = ESTExchange.outcome(status: status, body: Array("?".utf8), for: request)
    switch (status, outcome) {
    case (202, .later), (429, .later), (503, .later), (401, .denied(401)), (403, .denied(403)),
      (200, .refused), (400, .refused), (404, .refused):
      break
    default: Issue.record("\(status): \(outcome)")
    }
  }
}
