internal import JSONTree

extension RequestedAuthentication {
  /// Reads the member `authentication` (contract §7.3).
  ///
  /// Without a type, the credentials given decide it; without these it is `sas` with keys to be
  /// generated. Empty strings count as absent.
  init(_ fields: BodyFields?) throws(HubError) {
    guard let fields else {
      self = .generatedKeys
      return
    }
    let keys = try fields.fields("symmetricKey")
    let primaryKey = try Self.key(keys, "primaryKey")
    let secondaryKey = try Self.key(keys, "secondaryKey")
    let prints = try fields.fields("x509Thumbprint")
    let primaryPrint = try Self.thumbprint(prints, "primaryThumbprint")
    let secondaryPrint = try Self.thumbprint(prints, "secondaryThumbprint")
    let hasKeys = primaryKey != nil || secondaryKey != nil
    let hasPrints = primaryPrint != nil || secondaryPrint != nil
    let inferred: Authentication.Kind = !hasKeys && hasPrints ? .selfSigned : .sas
    let kind = try Self.kind(fields) ?? inferred
    if hasKeys, kind != .sas {
      throw fields.invalid(
        "symmetricKey",
        "cannot be given with type \(kind.rawValue); leave the keys out or use type sas."
      )
    }
    if hasPrints, kind != .selfSigned {
      throw fields.invalid(
        "x509Thumbprint",
        "cannot be given with type \(kind.rawValue); leave it out or use type selfSigned."
      )
    }
    switch kind {
    case .sas:
      switch (primaryKey, secondaryKey) {
      case (let primary?, let secondary?):
        self = .given(.sas(primary: primary, secondary: secondary))
      case (nil, nil): self = .generatedKeys
      default:
        throw fields.invalid(
          "symmetricKey",
          "has only one key; send both, or neither to have them generated."
        )
      }
    case .selfSigned:
      self = .given(.selfSigned(primary: primaryPrint, secondary: secondaryPrint))
    case .certificateAuthority: self = .given(.certificateAuthority)
    case .none: self = .given(.none)
    }
  }

  private static func kind(_ fields: BodyFields) throws(HubError) -> Authentication.Kind? {
    guard let text = try fields.nonEmptyString("type") else { return nil }
    guard let kind = Authentication.Kind(rawValue: text) else {
      throw fields.invalid("type", "must be sas, selfSigned, certificateAuthority or none.")
    }
    return kind
  }

  private static func key(
    _ fields: BodyFields?,
    _ name: String
  ) throws(HubError) -> SymmetricKey? {
    guard let fields, let text = try fields.nonEmptyString(name) else { return nil }
    guard let key = SymmetricKey(base64: text) else {
      throw fields.invalid(name, "must be the base64 text of 16 to 64 bytes.")
    }
    return key
  }

  private static func thumbprint(
    _ fields: BodyFields?,
    _ name: String
  ) throws(HubError) -> Thumbprint? {
    guard let fields, let text = try fields.nonEmptyString(name) else { return nil }
    guard let print = Thumbprint(hex: text) else {
      throw fields.invalid(
        name,
        "is no thumbprint (StringIsNotThumbprint): send 40 or 64 hexadecimal digits without separators."
      )
    }
    return print
  }
}

extension Authentication {
  /// The member `authentication` of an answer: all parts present, null where they do not apply.
  ///
  /// Without `includingKeys`, the keys are null.
  func json(includingKeys: Bool) -> JSONValue {
    var keys: (JSONValue, JSONValue) = (nil, nil)
    var prints: (JSONValue, JSONValue) = (nil, nil)
    switch self {
    case .sas(let primary, let secondary):
      if includingKeys { keys = (.string(primary.base64), .string(secondary.base64)) }
    case .selfSigned(let primary, let secondary):
      prints = (
        primary.map { .string($0.hex) } ?? .null, secondary.map { .string($0.hex) } ?? .null
      )
    case .certificateAuthority, .none: break
    }
    return [
      "symmetricKey": ["primaryKey": keys.0, "secondaryKey": keys.1],
      "x509Thumbprint": ["primaryThumbprint": prints.0, "secondaryThumbprint": prints.1],
      "type": .string(kind.rawValue),
    ]
  }
}
