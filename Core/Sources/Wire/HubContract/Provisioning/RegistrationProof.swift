internal import ByteIO
public import JSONTree

/// What a registration showed of its attestation.
public enum RegistrationProof: Equatable, Sendable {
  /// A token.
  case symmetricKey
  /// A certificate, and the one that vouched for it.
  case certificate(CertificateSummary, signer: CertificateSummary?)
  /// A chip; the key for the hub, encrypted to it.
  case tpm(authenticationKey: [UInt8])
}

extension RegistrationProof {
  /// Adds to `object`, for the storage, the members that `init(storedIn:)` reads.
  public func store(in object: inout JSONObject) {
    switch self {
    case .symmetricKey: break
    case .certificate(let leaf, let signer):
      object["leaf"] = leaf.stored
      object["signer"] = signer?.stored
    case .tpm(let key): object["tpm"] = .string(Base64.encode(key))
    }
  }

  /// Reads what `store` added to an object; nil for anything else.
  public init?(storedIn stored: JSONValue) {
    if let leaf = stored["leaf"] {
      guard let leaf = CertificateSummary(stored: leaf) else { return nil }
      self = .certificate(leaf, signer: stored["signer"].flatMap { .init(stored: $0) })
    } else if let key = stored["tpm"]?.stringValue {
      guard let key = Base64.decode(key) else { return nil }
      self = .tpm(authenticationKey: key)
    } else {
      self = .symmetricKey
    }
  }
}
