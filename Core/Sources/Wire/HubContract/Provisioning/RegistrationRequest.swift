internal import ByteIO
public import JSONTree

/// The body of a registration (contract §6.1, §6.2).
public struct RegistrationRequest: Equatable, Sendable {
  /// The most bytes of a payload, as compact JSON; over: 400004.
  public static let payloadLimit = 16_384

  /// The ID in the body, if there is one.
  public var registrationID: String?
  /// What the device tells the webhook.
  public var payload: JSONValue?
  /// The public keys of its chip.
  public var tpm: (endorsementKey: [UInt8], storageRootKey: [UInt8]?)?
  /// A certificate signing request, DER.
  public var certificateSigningRequest: [UInt8]?

  /// Reads the body; an empty one asks for nothing more.
  ///
  /// - Throws: 400004, 400006 and 400012 for what breaks a rule, 400201 and 400203 for keys of a chip.
  public init(_ body: [UInt8]) throws(HubError) {
    // Some clients send one blank where there is nothing to say.
    guard body.contains(where: { $0 > 0x20 }) else { return }
    let fields = try BodyFields(try RequestBody.parse(body))
    registrationID = try fields.nonEmptyString("registrationId")
    payload = fields.value("payload")
    if let payload, JSON.bytes(payload).count > Self.payloadLimit {
      throw fields.invalid("payload", "is longer than \(Self.payloadLimit) bytes.")
    }
    if let chip = try fields.fields("tpm") {
      guard let key = Base64.decode(try chip.requiredString("endorsementKey")) else {
        throw HubError(.invalidEndorsementKey, "The endorsement key must be base64.")
      }
      var root: [UInt8]?
      if let text = try chip.nonEmptyString("storageRootKey") {
        guard let decoded = Base64.decode(text) else {
          throw HubError(.invalidStorageRootKey, "The storage root key must be base64.")
        }
        root = decoded
      }
      tpm = (key, root)
    }
    if let text = try fields.nonEmptyString("csr") {
      guard let request = Base64.decode(text), (1...16_384).contains(request.count) else {
        throw fields.invalid("csr", "must be a signing request: DER in base64.")
      }
      certificateSigningRequest = request
    }
  }

  /// Creates a request that asks for nothing more.
  public init() {}

  /// Whether both ask for the same.
  public static func == (first: RegistrationRequest, second: RegistrationRequest) -> Bool {
    first.registrationID == second.registrationID && first.payload == second.payload
      && first.tpm?.endorsementKey == second.tpm?.endorsementKey
      && first.tpm?.storageRootKey == second.tpm?.storageRootKey
      && first.certificateSigningRequest == second.certificateSigningRequest
  }
}
