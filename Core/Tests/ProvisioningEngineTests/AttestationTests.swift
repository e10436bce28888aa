import ByteIO
import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine
import Testing

@Suite("Attestation (contract §6.5)")
struct AttestationTests {
  private func enroll(
    _ service: inout TestService,
    _ name: EnrollmentKey,
    _ primary: SymmetricKey,
    _ secondary: SymmetricKey,
    status: String = "enabled"
  ) throws {
    try service.put(
      name,
      #"""
      {"provisioningStatus":"\#(status)","attestation":{"type":"symmetricKey","symmetricKey":
      {"primaryKey":"\#(primary.base64)","secondaryKey":"\#(secondary.base64)"}}}
      """#
    )
  }

  @Test("an individual key opens its registration alone, and takes precedence over groups")
  func individualKey() throws {
    var service = TestService()
    let (one, two, group) = (try key(1), try key(2), try key(3))
    try enroll(&service, .individual("r"), one, two)
    try enroll(&service, .group("g"), group, group)
    let derived = try #require(DerivedKey.of("r", groupKey: group, hmacSHA256: toyMAC))
    func judge(_ id: String, _ credential: PresentedCredential) -> Int? {
      code { _ = try service.engine.view.judge(id, credential, service.circumstances()) }
    }
    #expect(try judge("r", service.token("r", one)) == nil)
    #expect(try judge("R", service.token("R", two, policy: "registration")) == nil)
    #expect(try judge("r", service.token("r", one, resource: "0NE/registrations/r")) == nil)
    let refused: [PresentedCredential] = [
      .none, try service.token("r", derived), try service.token("r", try key(9)),
      try service.token("other", one), try service.token("r", one, policy: "owner"),
      try service.token("r", one, resource: "0ne"),
      try service.token("r", one, resource: "0ne/registrations"),
      try service.token("r", one, resource: "other/registrations/r"),
      try service.token("r", one, seconds: -301), try leaf("a", "r"),
    ]
    for credential in refused { #expect(judge("r", credential) == 401_002, "\(credential)") }
    #expect(try judge("?", service.token("?", one)) == 401_002)
  }

  @Test("a derived key opens its own registration, and both keys go to the hub")
  func derivedKey() throws {
    var service = TestService()
    let (one, two) = (try key(1), try key(2))
    try enroll(&service, .group("g"), one, two)
    try enroll(&service, .group("f"), try key(5), try key(6), status: "disabled")
    let first = try #require(DerivedKey.of("r", groupKey: one, hmacSHA256: toyMAC))
    let second = try #require(DerivedKey.of("r", groupKey: two, hmacSHA256: toyMAC))
    for derived in [first, second] {
      let (enrollment, judgement) = try service.engine.view.judge(
        "r",
        try service.token("r", derived),
        service.circumstances()
      )
      #expect(enrollment.key == .group("g"))
      #expect(judgement.authentication == .sas(primary: first, secondary: second))
    }
    let off = try #require(DerivedKey.of("r", groupKey: try key(5), hmacSHA256: toyMAC))
    for wrong in [one, off] {
      #expect(
        code {
          _ = try service.engine.view.judge(
            "r",
            try service.token("r", wrong),
            service.circumstances()
          )
        } == 401_002
      )
    }
    #expect(
      code {
        _ = try service.engine.view.judge(
          "s",
          try service.token("s", first),
          service.circumstances()
        )
      } == 401_002
    )
  }

  @Test("certificates: thumbprint, name, validity, nearest signer, verified authority")
  func certificates() throws {
    var service = TestService()
    func x509(_ inner: String, _ status: String = "enabled") -> String {
      #"{"provisioningStatus":"\#(status)","attestation":{"type":"x509","x509":{\#(inner)}}}"#
    }
    try service.put(
      .individual("r"),
      x509(
        #""clientCertificates":{"primary":{"certificate":"a"},"secondary":{"certificate":"b"}}"#
      )
    )
    func signed(_ letter: String) -> String {
      #""signingCertificates":{"primary":{"certificate":"\#(letter)"}}"#
    }
    try service.put(.group("root"), x509(signed("R")))
    try service.put(.group("middle"), x509(signed("M")))
    try service.put(.group("lost"), x509(signed("L"), "disabled"))
    try service.put(.group("named"), x509(#""caReferences":{"primary":"plant"}"#))
    let past = service.now.adding(seconds: -1)
    let rows: [(String, PresentedCredential, String?)] = [
      ("r", try leaf("a", "r"), "r"), ("r", try leaf("b", "R"), "r"),
      ("r", try leaf("c", "r"), nil), ("r", try leaf("a", "other"), nil),
      ("r", try leaf("a", nil), nil), ("r", try leaf("a", "r", until: past), nil),
      ("r", try leaf("c", "r", signers: [("R", 1)]), nil),
      ("s", try leaf("c", "s", signers: [("R", 1)]), "root"),
      ("s", try leaf("c", "s", signers: [("M", 1), ("R", 2)]), "middle"),
      ("s", try leaf("c", "s", signers: [("L", 1), ("M", 2), ("R", 3)]), nil),
      ("s", try leaf("c", "s", signers: [("Z", 1)]), nil),
      ("s", try leaf("c", "s", signers: [("Z", 1)], authority: "plant"), "named"),
      ("s", try leaf("c", "s", signers: [("Z", 1)], authority: "other"), nil),
      ("s", try leaf("c", "t", signers: [("R", 1)]), nil),
      ("s", try leaf("c", "s"), nil),
    ]
    for (index, (id, credential, expected)) in rows.enumerated() {
      let found = try? service.engine.view.judge(id, credential, service.circumstances())
      #expect(found?.0.key.id == expected, "row \(index)")
    }
  }

  @Test("the group is found among many more than one look would read")
  func manyGroups() throws {
    var service = TestService()
    for index in 0..<250 {
      try service.put(
        .group("x\(index)"),
        #"{"attestation":{"type":"x509","x509":{"caReferences":{"primary":"plant-\#(index)"}}}}"#
      )
    }
    try service.put(
      .group("zz"),
      #"{"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"R"}}}}}"#
    )
    let group = try key(3)
    try enroll(&service, .group("zy"), group, group)
    let own = try #require(DerivedKey.of("s", groupKey: group, hmacSHA256: toyMAC))
    let rows: [(PresentedCredential, String)] = [
      (try leaf("c", "s", signers: [("R", 1)]), "zz"), (try service.token("s", own), "zy"),
      (try leaf("c", "s", signers: [("Z", 1)], authority: "plant-249"), "x249"),
    ]
    for (credential, expected) in rows {
      let found = try service.engine.view.judge("s", credential, service.circumstances())
      #expect(found.0.key.id == expected)
    }
    #expect(try service.engine.view.signingCertificates(subjects: ["CN=s", "CN=t"]).count == 1)
    #expect(try service.engine.view.signingCertificates(subjects: ["CN=t"]).isEmpty)
    try service.engine.deleteEnrollment(.group("zz"), ifMatch: .any)
    #expect(
      code {
        _ = try service.engine.view.judge("s", rows[0].0, service.circumstances())
      } == 401_002
    )
  }

  @Test("a chip's challenge registers once, and then only asks")
  func chip() throws {
    var service = TestService()
    let (mine, others) = (Self.chip(1), Self.chip(3))
    try service.put(
      .individual("r"),
      #"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"\#(Base64.encode(mine))"}}}"#
    )
    func request(_ key: [UInt8]) throws -> RegistrationRequest {
      try RegistrationRequest(
        [UInt8](
          #"{"tpm":{"endorsementKey":"\#(Base64.encode(key))","storageRootKey":"Aw=="}}"#.utf8
        )
      )
    }
    let keys = try service.engine.view.chipKeys("R", try request(mine))
    #expect(keys.endorsementKey == mine && keys.storageRootKey == [3])
    #expect(code { _ = try service.engine.view.chipKeys("r", try request(others)) } == 401_002)
    #expect(code { _ = try service.engine.view.chipKeys("s", try request(mine)) } == 401_002)
    #expect(code { _ = try service.engine.view.chipKeys("?", try request(mine)) } == 401_002)
    var table = TPMChallenges()
    let nonce = [UInt8](repeating: 7, count: 32)
    // Who asks in between gets the same key, encrypted to the chip again.
    for asked in [nonce, [UInt8](repeating: 8, count: 32)] {
      let blob = table.challenge(
        "r",
        endorsementKey: [0, 1, 2],
        storageRootKey: [3],
        nonce: asked,
        maker: ToyChip(),
        now: service.now
      )
      #expect(blob == nonce.reversed() + [0, 1, 2, 3])
    }
    let challenge = try #require(table.registrationKey("r", now: service.now))
    let token = try service.token("r", challenge)
    #expect(
      code {
        _ = try service.engine.register("r", try request(mine), token, service.circumstances())
      } == 401_002
    )
    let solved = service.circumstances(challenge: challenge)
    #expect(
      code {
        _ = try service.engine.register("r", try request(others), token, solved, tpm: ToyChip())
      } == 401_002
    )
    let (operation, _) = try service.engine.register(
      "r",
      try request(mine),
      token,
      solved,
      tpm: ToyChip()
    )
    table.used("r")
    #expect(table.registrationKey("r", now: service.now) == nil)
    #expect(table.statusKey("r", now: service.now) == challenge)
    #expect(table.statusKey("r", now: service.now.adding(seconds: 600)) == nil)
    let state = try service.run(operation) { _ in .done }
    guard case .tpm(let key) = state.proof else {
      Issue.record("no key for the hub")
      return
    }
    #expect(key.count == 32 + mine.count + 1)
    // Afterwards a new challenge is a new key.
    let next = table.challenge(
      "r",
      endorsementKey: [],
      storageRootKey: [],
      nonce: [UInt8](repeating: 8, count: 32),
      maker: ToyChip(),
      now: service.now
    )
    #expect(next == [UInt8](repeating: 8, count: 32))
  }

  /// The `TPM2B_PUBLIC` of a storage key whose modulus repeats a byte.
  private static func chip(_ byte: UInt8) -> [UInt8] {
    [
      1, 0x1A, 0, 1, 0, 0x0B, 0, 3, 0, 0x72, 0, 0, 0, 6, 0, 0x80, 0, 0x43, 0, 0x10, 8, 0, 0, 0, 0,
      0, 1, 0, 0x80,
    ] + [UInt8](repeating: byte, count: 255)
  }
}

private struct ToyChip: TPMCredentialMaker {
  func wrap(_ secret: [UInt8], endorsementKey: [UInt8], storageRootKey: [UInt8]) -> [UInt8]? {
    secret.reversed() + endorsementKey + storageRootKey
  }
}
