import EdgeEngine
import EdgeService
import Platform
import Testing
import X509

@Suite("The edge's certificates (contract §4.5, DIFF 13, 19, 21)")
struct EdgeAuthorityTests {
  private static let day: Int64 = 86_400
  private static let now: Int64 = 1_800_000_000

  /// The time of an edge whose clock is right.
  private static func time(_ seconds: Int64 = now) -> JudgedTime {
    JudgedTime(seconds: seconds, least: seconds, isSteady: true)
  }

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func authority(_ section: String = "") throws -> EdgeAuthority {
    let settings = try EdgeSettingsTests.read(EdgeSettingsTests.manual + section)
    return EdgeAuthority(directory: directory.path, settings: settings.edgeAuthority)
  }

  private func certificates(_ pem: String) -> [PresentedCertificate] {
    pem.split(separator: "-----BEGIN").compactMap {
      PresentedCertificate(Array(("-----BEGIN" + $0).utf8))
    }
  }

  /// Whether clients that trust `anchor` follow the chain to it at `seconds`.
  private func isTrusted(_ chain: String, _ anchor: String, at seconds: Int64) async -> Bool {
    let presented = certificates(chain)
    guard let leaf = presented.first else { return false }
    return await leaf.path(
      among: certificates(anchor),
      through: Array(presented.dropFirst()),
      at: seconds
    ) != nil
  }

  @Test("a server certificate leads to the root that clients trust, in 1970 too")
  func server() async throws {
    let authority = try authority()
    let anchor = try authority.anchor(deviceID: "e1", now: Self.time())
    let made = try authority.serverCredential(
      names: ["gate.example", "10.0.0.5", "fd00::5"],
      deviceID: "e1",
      now: Self.time()
    )
    #expect(await isTrusted(made.chainPEM, anchor, at: Self.now))
    #expect(await isTrusted(made.chainPEM, anchor, at: 60))
    #expect(await isTrusted(made.chainPEM, anchor, at: made.expirySeconds - 1))
    #expect(await !isTrusted(made.chainPEM, anchor, at: made.expirySeconds + 1))
    #expect(made.expirySeconds == Self.now + 90 * Self.day)
    let chain = certificates(made.chainPEM)
    #expect(chain.map(\.commonName) == ["gate.example", "aziot-edge CA e1"])
    let names = try chain.first?.certificate.extensions.subjectAlternativeNames
    #expect("\(try #require(names))".contains("gate.example"))
    #expect(chain.first?.isAuthority == false)
    #expect(directory.mode("root.json") == 0o600)
    #expect(directory.mode("edge-ca.json") == 0o600)
  }

  @Test("400 days without a network: the edge CA is made anew, and the root stays")
  func renewal() async throws {
    let authority = try authority()
    let anchor = try authority.anchor(deviceID: "e1", now: Self.time())
    var ends: Set<Int64> = []
    for day in 0..<400 {
      let now = Self.now + Int64(day) * Self.day
      let end = try authority.renew(deviceID: "e1", now: Self.time(now)).until
      #expect(end > now + 17 * Self.day)
      ends.insert(end)
    }
    // Each lives 72 of its 90 days.
    #expect(ends.count == 6)
    let late = Self.now + 400 * Self.day
    let made = try authority.serverCredential(names: ["g"], deviceID: "e1", now: Self.time(late))
    #expect(try authority.anchor(deviceID: "e1", now: Self.time(late)) == anchor)
    #expect(await isTrusted(made.chainPEM, anchor, at: late))
  }

  @Test("a restart after the end, and a clock that ran ahead, leave a certificate that works")
  func clocks() async throws {
    let anchor = try authority().anchor(deviceID: "e1", now: Self.time())
    for now in [Self.now + 200 * Self.day, Self.now + 30 * 365 * Self.day, Self.now, 0] {
      let made = try authority().serverCredential(names: ["g"], deviceID: "e1", now: Self.time(now))
      let trusted = try authority().anchor(deviceID: "e1", now: Self.time(now))
      #expect(await isTrusted(made.chainPEM, trusted, at: now))
    }
    #expect(try authority().anchor(deviceID: "e1", now: Self.time()) != anchor)
  }

  @Test("a clock that runs ahead leaves the root that clients have, and nothing else")
  func aheadClock() async throws {
    let authority = try authority()
    let anchor = try authority.anchor(deviceID: "e1", now: Self.time())
    let ahead = JudgedTime(
      seconds: Self.now + 20 * 365 * Self.day,
      least: Self.now,
      isSteady: false
    )
    #expect(try authority.anchor(deviceID: "e1", now: ahead) == anchor)
    #expect(try authority.renew(deviceID: "e1", now: Self.time()).until == Self.now + 90 * Self.day)
    let made = try authority.serverCredential(names: ["g"], deviceID: "e1", now: Self.time())
    #expect(await isTrusted(made.chainPEM, anchor, at: Self.now))
  }

  @Test("without a clock that keeps time, certificates last as long as the root")
  func lostTime() async throws {
    let authority = try authority()
    let lost = JudgedTime(seconds: 946_684_800, least: Self.now, isSteady: false)
    let anchor = try authority.anchor(deviceID: "e1", now: Self.time())
    let made = try authority.serverCredential(names: ["g"], deviceID: "e1", now: lost)
    #expect(await isTrusted(made.chainPEM, anchor, at: Self.now + 5 * 365 * Self.day))
    // The hub says what time it is: back to the life that was set.
    #expect(try authority.renew(deviceID: "e1", now: Self.time()).until == Self.now + 90 * Self.day)
  }

  @Test("a renewal that fails leaves the old one at work, and is tried again after 4 % of its life")
  func failedRenewal() async throws {
    let settings = try EdgeSettingsTests.read(EdgeSettingsTests.manual)
    let path = directory.path + "/ca"
    try PrivateFile.makeDirectory(path)
    let authority = EdgeAuthority(directory: path, settings: settings.edgeAuthority)
    let first = try authority.renew(deviceID: "e1", now: Self.time()).until
    // Its file cannot be replaced: where the new one is written first, a directory is in the way.
    try PrivateFile.makeDirectory(path + "/edge-ca.json.new")
    let due = Self.time(Self.now + 72 * Self.day)
    let failed = try authority.renew(deviceID: "e1", now: due)
    #expect(failed.until == first)
    #expect(failed.fault != nil)
    let made = try authority.serverCredential(names: ["g"], deviceID: "e1", now: due)
    #expect(made.expirySeconds == first)
    PrivateFile.removeTree(path + "/edge-ca.json.new")
    #expect(
      try authority.renew(deviceID: "e1", now: Self.time(due.seconds + 3 * Self.day)).until == first
    )
    let later = Self.time(due.seconds + 4 * Self.day)
    let renewed = try authority.renew(deviceID: "e1", now: later)
    #expect(renewed.until == later.seconds + 90 * Self.day)
  }

  @Test("a new edge CA has a new key, or the old one where that is asked for")
  func rotation() throws {
    func keys(_ section: String) throws -> [Certificate.PublicKey] {
      let directory = try TemporaryDirectory()
      let settings = try EdgeSettingsTests.read(EdgeSettingsTests.manual + section)
      let authority = EdgeAuthority(directory: directory.path, settings: settings.edgeAuthority)
      return try [Self.now, Self.now + 73 * Self.day].map { now in
        let made = try authority.serverCredential(names: ["g"], deviceID: "e", now: Self.time(now))
        let edge = try #require(certificates(made.chainPEM).last)
        return edge.certificate.publicKey
      }
    }
    let rotated = try keys("")
    #expect(rotated[0] != rotated[1])
    let kept = try keys("[edge_ca.auto_renew]\nrotate_key = false\n")
    #expect(kept[0] == kept[1])
  }

  @Test("another device's name is another edge CA under the same root")
  func rename() throws {
    let authority = try authority()
    let anchor = try authority.anchor(deviceID: "e1", now: Self.time())
    let made = try authority.serverCredential(names: ["g"], deviceID: "e2", now: Self.time())
    #expect(certificates(made.chainPEM).last?.commonName == "aziot-edge CA e2")
    #expect(try authority.anchor(deviceID: "e2", now: Self.time()) == anchor)
  }

  @Test("a client certificate has the module's name and address")
  func client() throws {
    let uri = "azureiot://hub/devices/e1/modules/m"
    let made = try authority().clientCredential(
      moduleID: "m",
      uri: uri,
      deviceID: "e1",
      now: Self.time()
    )
    let leaf = try #require(certificates(made.chainPEM).first)
    #expect(leaf.commonName == "m")
    let names = try leaf.certificate.extensions.subjectAlternativeNames
    #expect("\(try #require(names))".contains("URI: " + uri))
  }

  @Test("the operator's authority signs, is read anew, and faults say which file")
  func preloaded() async throws {
    let path = directory.path
    func store(_ name: String) throws -> CertificateMaker.Issued {
      let made = try CertificateMaker.makeAuthority(commonName: name)
      try PrivateFile.replace(path + "/ca.pem", with: Array(made.certificatePEM.utf8))
      try PrivateFile.replace(path + "/ca.key", with: Array(made.privateKeyPEM.utf8))
      return made
    }
    let authority = try authority("[edge_ca]\ncert = \"\(path)/ca.pem\"\npk = \"\(path)/ca.key\"\n")
    #expect(throws: SettingsFault.self) { try authority.anchor(deviceID: "e", now: Self.time()) }
    let now = SystemClock.wallMilliseconds() / 1_000
    for name in ["first", "second"] {
      let root = try store(name)
      let made = try authority.serverCredential(names: ["g"], deviceID: "e", now: Self.time(now))
      #expect(await isTrusted(made.chainPEM, root.certificatePEM, at: now))
    }
    let other = try CertificateMaker.makeAuthority(commonName: "other")
    try PrivateFile.replace(path + "/ca.key", with: Array(other.privateKeyPEM.utf8))
    #expect(throws: SettingsFault.self) { try authority.anchor(deviceID: "e", now: Self.time(now)) }
    let leaf = try CertificateMaker.makeServer(names: ["l"], authority: other)
    try PrivateFile.replace(path + "/ca.pem", with: Array(leaf.certificatePEM.utf8))
    try PrivateFile.replace(path + "/ca.key", with: Array(leaf.privateKeyPEM.utf8))
    #expect(throws: SettingsFault.self) { try authority.anchor(deviceID: "e", now: Self.time(now)) }
  }

  @Test("under the operator's root an edge CA is made")
  func localAuthority() async throws {
    let path = directory.path
    let now = SystemClock.wallMilliseconds() / 1_000
    let root = try CertificateMaker.make(
      CertificateProfile(commonName: "plant", kind: .root, from: 0, until: now + 10_000_000),
      signedBy: nil
    )
    try PrivateFile.replace(path + "/ca.pem", with: Array(root.certificatePEM.utf8))
    try PrivateFile.replace(path + "/ca.key", with: Array(root.privateKeyPEM.utf8))
    let authority = try authority(
      """
      [edge_ca]
      method = "local_ca"
      [cert_issuance.local_ca]
      cert = "\(path)/ca.pem"
      pk = "file://\(path)/ca.key"

      """
    )
    let made = try authority.serverCredential(names: ["g"], deviceID: "e", now: Self.time(now))
    #expect(certificates(made.chainPEM).map(\.commonName) == ["g", "aziot-edge CA e"])
    #expect(await isTrusted(made.chainPEM, root.certificatePEM, at: now))
  }
}
