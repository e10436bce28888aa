import ByteIO
import HubContract
import JSONTree
import Testing

@Suite("Provisioning on the wire (contract §6)")
struct ProvisioningTests {
  @Test("a registration ID is kept in lower case, and refused where it breaks the rule")
  func registrationIDs() {
    let rows: [(String, String?)] = [
      ("a", "a"), ("A-1.b_c:D", "a-1.b_c:d"), ("ends-", "ends-"),
      (String(repeating: "x", count: 128), String(repeating: "x", count: 128)),
      ("", nil), (String(repeating: "x", count: 129), nil), ("a b", nil), ("a/b", nil),
      ("a$", nil), ("ends.", nil), ("ends_", nil), ("é", nil),
    ]
    for (text, expected) in rows { #expect(RegistrationID.normalized(text) == expected, "\(text)") }
  }

  @Test("the key of a device in a group is the documented one")
  func derivedKey() throws {
    let group = try #require(
      SymmetricKey(
        base64:
          "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw=="
      )
    )
    let key = DerivedKey.of(
      "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
      groupKey: group,
      hmacSHA256: TestHMAC.hmac
    )
    #expect(key?.base64 == "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=")
  }

  @Test("topics of requests")
  func topics() {
    let rows: [(String, ProvisioningTopics.Request?)] = [
      ("$dps/registrations/PUT/iotdps-register/?$rid=1", .register(requestID: "1")),
      ("$dps/registrations/PUT/iotdps-register?$rid=1", .register(requestID: "1")),
      (
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=a-b&operationId=4.x",
        .status(requestID: "a-b", operationID: "4.x")
      ),
      ("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1", nil),
      ("$dps/registrations/PUT/iotdps-register/", nil),
      ("$dps/registrations/PUT/iotdps-register/?$rid=", nil),
      ("$dps/registrations/PUT/iotdps-register/?$rid=1&$rid=2", nil),
      ("$dps/registrations/PUT/iotdps-register/?$rid=$1", nil),
      ("$dps/registrations/PUT/other/?$rid=1", nil),
      ("devices/d/messages/events/?$rid=1", nil), ("", nil), ("?", nil),
    ]
    for (topic, expected) in rows {
      #expect(ProvisioningTopics.request([UInt8](topic.utf8)) == expected, "\(topic)")
    }
    #expect(
      ProvisioningTopics.response(status: 202, requestID: "7", retryAfterSeconds: 3)
        == [UInt8]("$dps/registrations/res/202/?$rid=7&retry-after=3".utf8)
    )
  }

  @Test("user names")
  func userNames() {
    let good = "0ne1/registrations/dev-1/api-version=2019-03-31&ClientVersion=x%2F1"
    let name = ProvisioningUserName([UInt8](good.utf8))
    #expect(name?.scope == "0ne1")
    #expect(name?.registrationID == "dev-1")
    for text in ["host/dev-1/?api-version=1", "/registrations/a/b", "registrations/a", ""] {
      #expect(ProvisioningUserName([UInt8](text.utf8)) == nil, "\(text)")
    }
  }

  @Test("a registration's body")
  func requests() throws {
    #expect(try RegistrationRequest([0x20]) == RegistrationRequest())
    let body = #"{"registrationId":"r","payload":{"a":1},"csr":"AAEC"}"#
    let request = try RegistrationRequest([UInt8](body.utf8))
    #expect(request.registrationID == "r")
    #expect(request.payload == ["a": 1])
    #expect(request.certificateSigningRequest == [0, 1, 2])
    let bad: [(String, Int)] = [
      ("[", 400_006), ("[]", 400_012), (#"{"csr":"?"}"#, 400_004),
      (#"{"tpm":{"endorsementKey":"?"}}"#, 400_201),
      (#"{"tpm":{"endorsementKey":"AAEC","storageRootKey":"?"}}"#, 400_203),
      (#"{"payload":"\#(String(repeating: "x", count: 16_384))"}"#, 400_004),
    ]
    for (body, code) in bad {
      let error = #expect(throws: HubError.self) { try RegistrationRequest([UInt8](body.utf8)) }
      #expect(error?.code.rawValue == code, "\(body.prefix(40))")
    }
  }
}

@Suite("Enrollments on the wire (contract §6.6)")
struct EnrollmentBodyTests {
  private func read(
    _ text: String,
    _ key: EnrollmentKey = .individual("r"),
    existing: Enrollment? = nil
  ) throws -> Enrollment {
    try Enrollment(
      body: try JSON.parse(text),
      key: key,
      existing: existing,
      readCertificate: { text in
        text.utf8.count == 1 ? Self.certificate(text.utf8.first ?? 0) : nil
      },
      mintKey: { () throws(HubError) in
        guard let key = SymmetricKey(bytes: [UInt8](repeating: 9, count: 64)) else {
          throw HubError(.serverError, "")
        }
        return key
      }
    )
  }

  /// A certificate whose thumbprint is this byte; letters in upper case are authorities.
  static func certificate(_ byte: UInt8) -> CertificateSummary? {
    let pair = String(UInt16(byte) + 256, radix: 16).dropFirst()
    guard let sha1 = Thumbprint(hex: String(repeating: String(pair), count: 20)),
      let sha256 = Thumbprint(hex: String(repeating: String(pair), count: 32))
    else { return nil }
    return CertificateSummary(
      der: [byte],
      subjectName: "CN=s",
      issuerName: "CN=i",
      sha1: sha1,
      sha256: sha256,
      notBefore: .epoch,
      notAfter: .latest,
      serialNumber: "01",
      version: 3,
      isAuthority: byte < 0x61
    )
  }

  @Test("what the storage keeps is what was written")
  func stored() throws {
    let chip = Base64.encode(chipKey())
    let bodies: [(String, EnrollmentKey)] = [
      (
        #"""
        {"attestation":{"type":"symmetricKey"},"deviceId":"d","capabilities":{"iotEdge":true},
        "initialTwin":{"tags":{"a":1},"properties":{"desired":{"b":2}}},
        "provisioningStatus":"disabled","iotHubs":["H.example"],"allocationPolicy":"static",
        "reprovisionPolicy":{"updateHubAssignment":false,"migrateDeviceData":false},
        "optionalDeviceInformation":{"x":"y"}}
        """#, .individual("r")
      ),
      (
        #"""
        {"attestation":{"type":"x509","x509":{"signingCertificates":{
        "primary":{"certificate":"A"},"secondary":{"certificate":"B"}}}},
        "allocationPolicy":"custom",
        "clientCertificateIssuancePolicy":{"certificateAuthorityName":"ca"},
        "customAllocationDefinition":{"webhookUrl":"https://w/","apiVersion":"1"}}
        """#, .group("g")
      ),
      (
        #"{"attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":"a"}}}}}"#,
        .individual("r")
      ),
      (
        #"{"attestation":{"type":"x509","x509":{"caReferences":{"primary":"ca"}}}}"#, .group("g")
      ),
      (
        #"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"\#(chip)","storageRootKey":"\#(chip)"}}}"#,
        .individual("r")
      ),
    ]
    for (body, key) in bodies {
      let enrollment = try read(body, key)
      #expect(try Enrollment(stored: enrollment.json(.stored), key: key) == enrollment)
    }
    let first = try read(bodies[0].0)
    #expect(first.hubs == ["h.example"])
    #expect(first.isEdge && !first.isEnabled)
    #expect(first.initialTwin == InitialTwin(tags: ["a": 1], desired: ["b": 2]))
  }

  @Test("keys are made, hidden and kept")
  func keys() throws {
    let made = try read(#"{"attestation":{"type":"symmetricKey"}}"#)
    #expect(made.json(.shown)["attestation"]?["symmetricKey"] == nil)
    let keys = made.attestationMechanism["symmetricKey"]
    #expect(keys?["primaryKey"]?.stringValue?.utf8.count == 88)
    let given = try read(
      #"{"attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"AAECAwQFBgcICQoLDA0ODw=="}}}"#
    )
    let again = try read(JSON.text(given.json(.shown)), existing: given)
    #expect(again.attestation == given.attestation)
  }

  @Test("a certificate that an update only describes stays")
  func describedCertificate() throws {
    let body =
      #"{"attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":"a"}}}}}"#
    let first = try read(body)
    let shown = JSON.text(first.json(.shown))
    #expect(!shown.contains("\"certificate\""))
    #expect(try read(shown, existing: first).attestation == first.attestation)
    #expect(throws: HubError.self) { try read(shown) }
  }

  @Test("what breaks a rule is refused")
  func refusals() {
    let key = #""attestation":{"type":"symmetricKey"}"#
    let chip = Base64.encode(chipKey())
    let rows: [(String, EnrollmentKey, Int)] = [
      ("[]", .individual("r"), 400_012),
      ("{}", .individual("r"), 400_005),
      (#"{"attestation":{}}"#, .individual("r"), 400_005),
      (#"{"attestation":{"type":"none"}}"#, .individual("r"), 400_004),
      (#"{"registrationId":"other",\#(key)}"#, .individual("r"), 400_004),
      (
        #"{"attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"AA=="}}}"#,
        .individual("r"), 400_004
      ),
      (
        #"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"\#(chip)"}}}"#, .group("g"), 400_004
      ),
      (
        #"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"AAEC"}}}"#, .individual("r"),
        400_201
      ),
      (
        #"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"\#(chip)","storageRootKey":"AAEC"}}}"#,
        .individual("r"), 400_203
      ),
      (#"{"attestation":{"type":"tpm","tpm":{"endorsementKey":"?"}}}"#, .individual("r"), 400_201),
      (#"{"attestation":{"type":"x509"}}"#, .individual("r"), 400_004),
      (#"{"attestation":{"type":"x509","x509":{}}}"#, .individual("r"), 400_004),
      (
        #"{"attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":"zz"}}}}}"#,
        .individual("r"), 400_004
      ),
      (
        #"{"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"A"}}}}}"#,
        .individual("r"), 400_004
      ),
      (
        #"{"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"a"}}}}}"#,
        .group("g"), 400_004
      ),
      (
        #"{"attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":"a"}}}}}"#,
        .group("g"), 400_004
      ),
      (#"{"deviceId":"d",\#(key)}"#, .group("g"), 400_004),
      (#"{"deviceId":"a b",\#(key)}"#, .individual("r"), 400_004),
      (#"{"provisioningStatus":"off",\#(key)}"#, .individual("r"), 400_004),
      (#"{"allocationPolicy":"best",\#(key)}"#, .individual("r"), 400_004),
      (#"{"allocationPolicy":"static",\#(key)}"#, .individual("r"), 400_004),
      (#"{"allocationPolicy":"static","iotHubs":["a","b"],\#(key)}"#, .individual("r"), 400_004),
      (#"{"allocationPolicy":"custom",\#(key)}"#, .individual("r"), 400_004),
      (
        #"{"allocationPolicy":"custom","customAllocationDefinition":{"webhookUrl":"http://w/","apiVersion":"1"},\#(key)}"#,
        .individual("r"), 400_004
      ),
    ]
    for (body, name, code) in rows {
      let error = #expect(throws: HubError.self, "\(body)") { try read(body, name) }
      #expect(error?.code.rawValue == code, "\(body)")
    }
  }
}
