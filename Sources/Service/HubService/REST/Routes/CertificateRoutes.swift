import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Platform

/// Certificate authorities that vouch for devices, and the proof that their keys are held
/// (contract "Credentials", X.509).
enum CertificateRoutes {
  private static let answer = [
    RouteSuccess(
      status: 200,
      description: "The authority as it now is.",
      schema: "Certificate",
      headers: ["ETag"]
    )
  ]

  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/certificates",
      id: "listCertificates",
      tag: "Certificates",
      "Lists the registered authorities.",
      access: .policy(.all),
      throttle: .registry,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The authorities.",
          schema: "Certificate",
          isArray: true
        )
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      "/certificates/{certificateName}",
      id: "getCertificate",
      tag: "Certificates",
      "Reads an authority.",
      access: .policy(.all),
      throttle: .registry,
      successes: answer,
      handle: get
    ),
    RESTRoute(
      .put,
      "/certificates/{certificateName}",
      id: "putCertificate",
      tag: "Certificates",
      "Registers an authority, or with If-Match replaces one; it is not verified yet.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("CertificateRequest"),
      parameters: ["IfMatch"],
      successes: answer,
      faults: [.preconditionFailed],
      handle: put
    ),
    RESTRoute(
      .delete,
      "/certificates/{certificateName}",
      id: "deleteCertificate",
      tag: "Certificates",
      "Deletes an authority; devices that connected by it are dropped.",
      access: .policy(.all),
      throttle: .registry,
      parameters: ["IfMatch"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.preconditionFailed],
      handle: delete
    ),
    RESTRoute(
      .post,
      "/certificates/{certificateName}/generateVerificationCode",
      id: "generateVerificationCode",
      tag: "Certificates",
      "Makes the code that the proof of possession must have as its common name.",
      access: .policy(.all),
      throttle: .registry,
      parameters: ["IfMatch"],
      successes: answer,
      faults: [.preconditionFailed],
      handle: generateCode
    ),
    RESTRoute(
      .post,
      "/certificates/{certificateName}/verify",
      id: "verifyCertificate",
      tag: "Certificates",
      "Verifies an authority by a certificate for the code that it has signed.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("CertificateRequest"),
      parameters: ["IfMatch"],
      successes: answer,
      faults: [.preconditionFailed],
      handle: verify
    ),
  ]

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let all = try await service.hub.store.read { view throws(HubError) in
      try view.certificateAuthorities()
    }
    return .json(.array(all.map(json)))
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let name = request.parameter("certificateName")
    let record = try await service.hub.store.read { view throws(HubError) in
      try view.certificateAuthority(name)
    }
    return try answer(record)
  }

  private static func put(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let certificate = try certificate(try request.json())
    guard let thumbprint = Thumbprint(hex: certificate.sha1Thumbprint) else {
      throw HubError(.serverError, "The certificate has no digest.")
    }
    let facts = CertificateFacts(
      subject: certificate.subject,
      thumbprint: thumbprint,
      certificate: certificate.der,
      expiryTime: Timestamp(seconds: certificate.validity.to),
      isAuthority: certificate.isAuthority
    )
    return try await change(service, request) { engine, name, registered throws(HubError) in
      // With a condition it only replaces.
      guard request.condition == .absent || registered != nil else { return nil }
      return try engine.putCertificateAuthority(
        name,
        facts,
        ifMatch: request.condition,
        now: request.now
      )
    }
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let name = request.parameter("certificateName")
    let condition = request.condition
    let isThere = try await service.hub.store.write { engine throws(HubError) in
      guard try engine.view.certificateAuthority(name) != nil else { return false }
      try engine.deleteCertificateAuthority(name, ifMatch: condition)
      return true
    }
    guard isThere else { throw unknown }
    return .noContent
  }

  private static func generateCode(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    try await change(service, request) { engine, name, registered throws(HubError) in
      guard registered != nil else { return nil }
      return try engine.makeVerificationCode(
        ofCertificateAuthority: name,
        ifMatch: request.condition,
        now: request.now
      )
    }
  }

  private static func verify(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let proof = try certificate(try request.json())
    guard proof.isValid(at: request.now.seconds) else {
      throw HubError(.argumentInvalid, "The proof is not valid yet, or has expired.")
    }
    return try await change(service, request) { engine, name, registered throws(HubError) in
      guard let registered else { return nil }
      let authority = PresentedCertificate(registered.certificate)
      return try engine.verifyCertificateAuthority(
        name,
        proof: PossessionProof(
          commonName: proof.commonName ?? "",
          isSignedByAuthority: authority.map { proof.isSigned(by: $0) } ?? false
        ),
        ifMatch: request.condition,
        now: request.now
      )
    }
  }

  /// Changes the authority that the path names, and answers with what it then is.
  ///
  /// `command` is told the authority as it was, nil if there is none; nil from it refuses the name.
  private static func change(
    _ service: RESTService,
    _ request: RESTRequest,
    _ command:
      @escaping @Sendable (
        inout HubStore.Engine, String, CertificateAuthorityRecord?
      ) throws(HubError) -> CertificateAuthorityRecord?
  ) async throws -> Response {
    let name = request.parameter("certificateName")
    let record = try await service.hub.store.write { engine throws(HubError) in
      try command(&engine, name, try engine.view.certificateAuthority(name))
    }
    return try answer(record)
  }

  private static func certificate(_ body: JSONValue) throws(HubError) -> PresentedCertificate {
    let body = try BodyFields(body)
    let text = try body.requiredString("certificate")
    guard let certificate = PresentedCertificate([UInt8](text.utf8)) else {
      throw body.invalid("certificate", "must be one certificate: PEM text, or DER in base64.")
    }
    return certificate
  }

  private static var unknown: RESTRefusal { .notFound("There is no certificate of that name.") }

  private static func answer(_ record: CertificateAuthorityRecord?) throws -> Response {
    guard let record else { throw unknown }
    return .json(json(record), etag: ETags.identity(record.etagCounter))
  }

  /// The object as the original's control plane shows it.
  private static func json(_ record: CertificateAuthorityRecord) -> JSONValue {
    [
      "name": .string(record.name), "etag": .string(ETags.identity(record.etagCounter)),
      "properties": [
        "subject": .string(record.subject), "thumbprint": .string(record.thumbprint.hex),
        "isVerified": .bool(record.isVerified), "expiry": .string(record.expiryTime.iso8601),
        "created": .string(record.createdTime.iso8601),
        "updated": .string(record.updatedTime.iso8601),
        "verificationCode": record.verificationCode.map { .string($0) } ?? .null,
        "certificate": .string(Base64.encode(record.certificate)),
      ],
    ]
  }
}
