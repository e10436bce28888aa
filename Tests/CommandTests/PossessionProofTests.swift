import HubContract
import OperatorCommands
import Platform
import Testing

@Suite("Proof of possession of an authority's key")
struct PossessionProofTests {
  private static let now = Timestamp(ticks: SystemClock.wallTicks())

  @Test("The proof has the code as its name and the authority's signature")
  func proof() throws {
    let made = try CertificateMaker.makeAuthority(commonName: "Plant")
    let authority = try #require(PresentedCertificate(Array(made.certificatePEM.utf8)))
    let der = try PossessionProof.make(
      code: "C0DE",
      authority: authority,
      privateKeyPEM: made.privateKeyPEM,
      keyOrigin: "ca.key",
      now: Self.now
    )
    let proof = try #require(PresentedCertificate(der))
    #expect(proof.commonName == "C0DE")
    #expect(proof.isSigned(by: authority))
    #expect(proof.isValid(at: Self.now.seconds))
    #expect(!proof.isValid(at: Self.now.seconds + 7200))
    #expect(!proof.isAuthority)
  }

  @Test("Another key, and text that is no key, are refused by name")
  func refused() throws {
    let made = try CertificateMaker.makeAuthority(commonName: "Plant")
    let other = try CertificateMaker.makeAuthority(commonName: "Other")
    let authority = try #require(PresentedCertificate(Array(made.certificatePEM.utf8)))
    for key in [other.privateKeyPEM, "no key", ""] {
      let failure = #expect(throws: CommandFailure.self) {
        try PossessionProof.make(
          code: "C",
          authority: authority,
          privateKeyPEM: key,
          keyOrigin: "k.pem",
          now: Self.now
        )
      }
      #expect(failure?.status == .usage)
      #expect(failure?.problem.contains("k.pem") == true)
    }
  }
}
