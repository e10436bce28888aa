extension EATClaims {
  /// How many claims sets of parts may be inside each other.
  static let submoduleDepth = 3

  /// The claims as a map.
  ///
  /// A claim of `others` gives way to the field of the same key; of parts with the same name, the
  /// last one stays.
  public var map: CBORMap {
    var map = others
    func set(_ label: Int64, _ value: CBORValue?) {
      if let value { map[label] = value }
    }
    set(EATLabel.issuer, issuer.map { .text($0) })
    set(EATLabel.subject, subject.map { .text($0) })
    set(EATLabel.audience, audience.map { .text($0) })
    set(EATLabel.expiration, expiration.map { .unsigned($0) })
    set(EATLabel.notBefore, notBefore.map { .unsigned($0) })
    set(EATLabel.issuedAt, issuedAt.map { .unsigned($0) })
    set(EATLabel.tokenIdentifier, tokenIdentifier.map { .bytes($0) })
    if let confirmationKey {
      var confirmation = CBORMap()
      confirmation[Self.confirmationByKey] = confirmationKey.value
      map[EATLabel.confirmation] = .map(confirmation)
    }
    if let first = nonces.first {
      map[EATLabel.nonce] = nonces.count == 1 ? .bytes(first) : .array(nonces.map { .bytes($0) })
    }
    set(EATLabel.deviceIdentifier, deviceIdentifier.map { .bytes($0) })
    set(EATLabel.manufacturer, manufacturer.map(Self.value))
    set(EATLabel.hardwareModel, hardwareModel.map { .bytes($0) })
    set(EATLabel.hardwareVersion, hardwareVersion.map(Self.value))
    set(EATLabel.uptime, uptime.map { .unsigned($0) })
    set(EATLabel.manufacturersBoot, isManufacturersBoot.map { .boolean($0) })
    set(EATLabel.debugStatus, debugStatus.map { .unsigned($0.rawValue) })
    set(EATLabel.profile, profile.map(Self.value))
    set(EATLabel.bootCount, bootCount.map { .unsigned($0) })
    set(EATLabel.bootSeed, bootSeed.map { .bytes($0) })
    set(EATLabel.softwareName, softwareName.map { .text($0) })
    set(EATLabel.softwareVersion, softwareVersion.map(Self.value))
    if !measurements.isEmpty {
      map[EATLabel.measurements] = .array(
        measurements.map { .array([.unsigned(UInt64($0.contentFormat)), .bytes($0.content)]) }
      )
    }
    set(EATLabel.intendedUse, intendedUse.map { .unsigned($0.rawValue) })
    if !submodules.isEmpty {
      var parts = CBORMap()
      for part in submodules {
        switch part.content {
        case .claims(let claims): parts[key: .text(part.name)] = .map(claims.map)
        case .token(let token): parts[key: .text(part.name)] = .bytes(token)
        }
      }
      map[EATLabel.submodules] = .map(parts)
    }
    return map
  }

  /// The deterministic encoding of the claims.
  public var encoded: [UInt8] { CBORValue.map(map).encoded }

  /// Reads claims that are all of `bytes`.
  ///
  /// Throws `invalidClaim` with the key of a claim that has not the type or the range of its
  /// definition, or what is wrong with the encoding.
  public init(_ bytes: Span<UInt8>, limits: CBORLimits = CBORLimits()) throws(COSEFault) {
    guard let map = try CBORValue(bytes, limits: limits).map else { throw .unexpectedType }
    try self.init(map)
  }

  /// Reads the claims of a map.
  ///
  /// Throws `invalidClaim` with the key of a claim that has not the type or the range of its
  /// definition.
  public init(_ map: CBORMap) throws(COSEFault) { try self.init(map, depth: 0) }

  private init(_ map: CBORMap, depth: Int) throws(COSEFault) {
    for pair in map.pairs {
      guard let label = pair.key.integer else {
        guard pair.key.text != nil else { throw .unexpectedType }
        others[key: pair.key] = pair.value
        continue
      }
      guard try take(label, pair.value, depth: depth) else { throw .invalidClaim(label) }
    }
  }

  /// Takes one claim; false if it is not what its definition says.
  private mutating func take(
    _ label: Int64,
    _ value: CBORValue,
    depth: Int
  ) throws(COSEFault) -> Bool {
    switch label {
    case EATLabel.issuer:
      issuer = value.text
      return issuer != nil
    case EATLabel.subject:
      subject = value.text
      return subject != nil
    case EATLabel.audience:
      audience = value.text
      return audience != nil
    case EATLabel.expiration:
      expiration = value.unsigned
      return expiration != nil
    case EATLabel.notBefore:
      notBefore = value.unsigned
      return notBefore != nil
    case EATLabel.issuedAt:
      issuedAt = value.unsigned
      return issuedAt != nil
    case EATLabel.tokenIdentifier:
      tokenIdentifier = value.bytes
      return tokenIdentifier != nil
    case EATLabel.confirmation:
      // Other ways to name a key exist and say nothing to us, so a set with one is not for us.
      guard let confirmation = value.map, confirmation.pairs.count == 1,
        let key = confirmation[Self.confirmationByKey]
      else { return false }
      confirmationKey = try COSEKey(key)
      return true
    case EATLabel.submodules: return try takeSubmodules(value, depth: depth)
    default: return takeDeviceClaim(label, value)
    }
  }

  private mutating func takeDeviceClaim(_ label: Int64, _ value: CBORValue) -> Bool {
    switch label {
    case EATLabel.nonce:
      let list = value.bytes.map { [$0] } ?? Self.nonces(value)
      nonces = list
      return !list.isEmpty && list.allSatisfy { (8...64).contains($0.count) }
    case EATLabel.deviceIdentifier:
      deviceIdentifier = value.bytes
      return (7...33).contains(value.bytes?.count ?? 0)
    case EATLabel.manufacturer:
      manufacturer = Self.manufacturer(value)
      return manufacturer != nil
    case EATLabel.hardwareModel:
      hardwareModel = value.bytes
      return (1...32).contains(value.bytes?.count ?? 0)
    case EATLabel.hardwareVersion:
      hardwareVersion = Self.version(value)
      return hardwareVersion != nil
    case EATLabel.uptime:
      uptime = value.unsigned
      return uptime != nil
    case EATLabel.manufacturersBoot:
      isManufacturersBoot = value.boolean
      return isManufacturersBoot != nil
    case EATLabel.debugStatus:
      debugStatus = value.unsigned.flatMap { EATDebugStatus(rawValue: $0) }
      return debugStatus != nil
    case EATLabel.profile:
      profile =
        value.text.map { .uri($0) }
        ?? value.bytes.flatMap { $0.isEmpty ? nil : .objectIdentifier($0) }
      return profile != nil
    case EATLabel.bootCount:
      bootCount = value.unsigned
      return bootCount != nil
    case EATLabel.bootSeed:
      bootSeed = value.bytes
      return (8...64).contains(value.bytes?.count ?? 0)
    case EATLabel.softwareName:
      softwareName = value.text
      return softwareName != nil
    case EATLabel.softwareVersion:
      softwareVersion = Self.version(value)
      return softwareVersion != nil
    case EATLabel.measurements: return takeMeasurements(value)
    case EATLabel.intendedUse:
      intendedUse = value.unsigned.flatMap { EATIntendedUse(rawValue: $0) }
      return intendedUse != nil
    default:
      others[label] = value
      return true
    }
  }

  private mutating func takeMeasurements(_ value: CBORValue) -> Bool {
    guard let list = value.array, !list.isEmpty else { return false }
    for item in list {
      guard let pair = item.array, pair.count == 2,
        let format = pair[0].unsigned.flatMap({ UInt16(exactly: $0) }),
        let content = pair[1].bytes
      else { return false }
      measurements.append(EATMeasurement(contentFormat: format, content: content))
    }
    return true
  }

  private mutating func takeSubmodules(
    _ value: CBORValue,
    depth: Int
  ) throws(COSEFault) -> Bool {
    guard depth < Self.submoduleDepth else { throw .nestingTooDeep }
    guard let parts = value.map, !parts.isEmpty else { return false }
    for pair in parts.pairs {
      guard let name = pair.key.text else { return false }
      if let claims = pair.value.map {
        submodules.append(EATSubmodule(name, .claims(try EATClaims(claims, depth: depth + 1))))
      } else if let token = pair.value.bytes {
        submodules.append(EATSubmodule(name, .token(token)))
      } else {
        return false
      }
    }
    return true
  }

  // MARK: Single claims

  /// Key of the member of `cnf` that holds a COSE_Key (RFC 8747 §3.2).
  private static let confirmationByKey: Int64 = 1

  /// The nonces of an array, at least two (RFC 9711 §4.1).
  private static func nonces(_ value: CBORValue) -> [[UInt8]] {
    guard let list = value.array, list.count > 1 else { return [] }
    var nonces: [[UInt8]] = []
    for item in list {
      guard let nonce = item.bytes else { return [] }
      nonces.append(nonce)
    }
    return nonces
  }

  private static func value(_ manufacturer: EATManufacturer) -> CBORValue {
    switch manufacturer {
    case .random(let bytes), .ieee(let bytes): .bytes(bytes)
    case .enterpriseNumber(let number): .unsigned(number)
    }
  }

  private static func manufacturer(_ value: CBORValue) -> EATManufacturer? {
    if let number = value.unsigned { return .enterpriseNumber(number) }
    guard let bytes = value.bytes else { return nil }
    return switch bytes.count {
    case 16: .random(bytes)
    case 3: .ieee(bytes)
    default: nil
    }
  }

  private static func value(_ version: EATVersion) -> CBORValue {
    guard let scheme = version.scheme else { return .array([.text(version.text)]) }
    return .array([.text(version.text), .integer(scheme)])
  }

  private static func version(_ value: CBORValue) -> EATVersion? {
    guard let parts = value.array, let text = parts.first?.text else { return nil }
    switch parts.count {
    case 1: return EATVersion(text)
    case 2:
      guard let scheme = parts[1].integer else { return nil }
      return EATVersion(text, scheme: scheme)
    default: return nil
    }
  }

  private static func value(_ profile: EATProfile) -> CBORValue {
    switch profile {
    case .uri(let uri): .text(uri)
    case .objectIdentifier(let bytes): .bytes(bytes)
    }
  }
}
