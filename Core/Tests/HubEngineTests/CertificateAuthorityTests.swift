import HubContract
import HubEngine
import Testing

@Suite("Certificate authorities (contract §2.2)")
struct CertificateAuthorityTests {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func facts(_ digit: String = "a") throws -> CertificateFacts {
    CertificateFacts(
      subject: "CN=Plant CA",
      thumbprint: try #require(Thumbprint(hex: String(repeating: digit, count: 40))),
      certificate: [1, 2, 3],
      expiryTime: now.adding(seconds: 3600),
      isAuthority: true
    )
  }

  @Test("registered, it is unverified until the proof carries the code and its signature")
  func possession() throws {
    var hub = TestHub()
    let facts = try facts()
    let record = try hub.engine.putCertificateAuthority("ca", facts, ifMatch: .absent, now: now)
    #expect(!record.isVerified)
    #expect(
      code { () throws(HubError) in
        _ = try hub.engine.verifyCertificateAuthority(
          "ca",
          proof: PossessionProof(commonName: "", isSignedByAuthority: true),
          ifMatch: .any,
          now: now
        )
      } == .argumentInvalid,
      "no code was asked for"
    )
    let asked = try hub.engine.makeVerificationCode(
      ofCertificateAuthority: "ca",
      ifMatch: .exactly(ETags.identity(record.etagCounter)),
      now: now
    )
    let verificationCode = try #require(asked.verificationCode)
    #expect(verificationCode.utf8.count == 48)
    for (name, isSigned) in [("other", true), (verificationCode, false)] {
      #expect(
        code { () throws(HubError) in
          _ = try hub.engine.verifyCertificateAuthority(
            "ca",
            proof: PossessionProof(commonName: name, isSignedByAuthority: isSigned),
            ifMatch: .any,
            now: now
          )
        } == .argumentInvalid
      )
    }
    let verified = try hub.engine.verifyCertificateAuthority(
      "ca",
      proof: PossessionProof(commonName: verificationCode, isSignedByAuthority: true),
      ifMatch: .exactly(ETags.identity(asked.etagCounter)),
      now: now
    )
    #expect(verified.isVerified)
    #expect(verified.verificationCode == nil, "a code serves once")
    _ = hub.effects()
    let replaced = try hub.engine.putCertificateAuthority("ca", facts, ifMatch: .any, now: now)
    #expect(!replaced.isVerified, "another certificate proves nothing")
    #expect(hub.effects() == [.certificateAuthorityChanged(name: "ca")])
  }

  @Test("refused: leaf certificates, ended ones, twice the same, taken names, stale ETags")
  func refusals() throws {
    var hub = TestHub()
    _ = try hub.engine.putCertificateAuthority("ca", facts(), ifMatch: .absent, now: now)
    var leaf = try facts("b")
    leaf.isAuthority = false
    var ended = try facts("b")
    ended.expiryTime = now
    for (name, facts, condition, expected) in [
      ("leaf", leaf, ETagCondition.absent, HubErrorCode.argumentInvalid),
      ("ended", ended, .absent, .argumentInvalid),
      ("twice", try facts("A"), .absent, .argumentInvalid),
      ("ca", try facts("b"), .absent, .preconditionFailed),
      ("ca", try facts("b"), .exactly("x"), .preconditionFailed),
      ("unknown", try facts("b"), .any, .argumentInvalid),
      ("bad name", try facts("b"), .absent, .argumentInvalid),
    ] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.putCertificateAuthority(name, facts, ifMatch: condition, now: now)
      }
      #expect(answer == expected, "\(name)")
    }
    for condition in [ETagCondition.exactly("x"), .any] {
      let answer = code { () throws(HubError) in
        try hub.engine.deleteCertificateAuthority("ca", ifMatch: condition)
      }
      #expect(answer == (condition == .any ? nil : .preconditionFailed))
    }
    #expect(try hub.engine.view.certificateAuthorities().isEmpty)
  }
}
