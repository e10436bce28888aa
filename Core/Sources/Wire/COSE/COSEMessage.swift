internal import ByteIO

/// Where the parts of a COSE_Sign1 or COSE_Mac0 lie in its bytes (RFC 9052 §4.2, §6.2).
///
/// Reading one says nothing about who made it: its headers are a claim until `verify` has passed.
public struct COSEMessage: Equatable, Sendable {
  /// Which of the two it is.
  public let kind: COSEKind
  /// The header parameters.
  public let headers: COSEHeaders
  /// Where the encoded protected headers lie, without the head of their byte string.
  public let protectedRange: Range<Int>
  /// Where the payload lies; nil if it is carried beside the message.
  public let payloadRange: Range<Int>?
  /// Where the signature or tag lies.
  public let authenticationRange: Range<Int>

  /// Reads a message that is all of `bytes`.
  ///
  /// - Parameters:
  ///   - bytes: The message.
  ///   - kind: Which of the two it has to be.
  ///   - tagging: Whether it has to begin with its tag.
  ///   - understood: Labels that `crit` may name besides those of RFC 9052.
  ///   - limits: How much may be read.
  /// - Throws: What is wrong with the encoding or with the headers, or `authenticationLength`.
  public init(
    _ bytes: Span<UInt8>,
    kind: COSEKind,
    tagging: COSETagging,
    understood: [CBORValue] = [],
    limits: CBORLimits = CBORLimits()
  ) throws(COSEFault) {
    var reader = try CBORReader(bytes, limits: limits)
    let tag = try reader.tag()
    guard tag == (tagging == .tagged ? kind.tag : nil) else { throw .unexpectedTag }
    guard try reader.arrayCount() == 4 else { throw .unexpectedType }
    let protectedRange = try reader.byteStringRange()
    guard let unprotected = try reader.value().map else { throw .unexpectedType }
    let payloadRange = try reader.null() ? nil : try reader.byteStringRange()
    let authenticationRange = try reader.byteStringRange()
    try reader.finish()
    // No parameters are an empty byte string (§3); an empty map inside one would be a second form.
    guard !protectedRange.isEmpty else { throw .missingAlgorithm }
    let inside = try CBORValue(bytes.extracting(protectedRange), limits: limits)
    guard let protected = inside.map else { throw .unexpectedType }
    let headers = try COSEHeaders(
      protected: protected,
      unprotected: unprotected,
      kind: kind,
      understood: understood
    )
    guard authenticationRange.count == headers.algorithm.authenticationByteCount else {
      throw .authenticationLength(authenticationRange.count)
    }
    self.kind = kind
    self.headers = headers
    self.protectedRange = protectedRange
    self.payloadRange = payloadRange
    self.authenticationRange = authenticationRange
  }

  /// What the signature or tag is over: Sig_structure or MAC_structure (RFC 9052 §4.4, §6.3).
  ///
  /// - Parameters:
  ///   - bytes: The bytes that the message was read from.
  ///   - externalData: What both sides know beside the message (`external_aad`).
  ///   - detachedPayload: The payload if the message does not carry it.
  /// - Returns: The bytes.
  /// - Throws: `payloadMismatch` if there is no payload or there are two; `truncated` if `bytes`
  ///   are not those of the message.
  public func authenticatedBytes(
    in bytes: Span<UInt8>,
    externalData: [UInt8] = [],
    detachedPayload: [UInt8]? = nil
  ) throws(COSEFault) -> [UInt8] {
    guard authenticationRange.upperBound <= bytes.count else { throw .truncated }
    let payload: [UInt8]
    switch (payloadRange, detachedPayload) {
    case (let range?, nil): payload = bytes.extracting(range).array()
    case (nil, let detached?): payload = detached
    default: throw .payloadMismatch
    }
    return Self.authenticatedBytes(
      kind: kind,
      protected: bytes.extracting(protectedRange).array(),
      externalData: externalData,
      payload: payload
    )
  }

  /// Checks the signature or tag and returns the payload.
  ///
  /// - Parameters:
  ///   - bytes: The bytes that the message was read from.
  ///   - externalData: What both sides know beside the message (`external_aad`).
  ///   - detachedPayload: The payload if the message does not carry it.
  ///   - check: Whether the third, a signature or tag, is that of the second by the first. It has
  ///     the key, and refuses an algorithm that is not the key's. Tags are compared in constant
  ///     time.
  /// - Returns: The payload.
  /// - Throws: `authenticationFailed` if `check` says no; `payloadMismatch`.
  public func verify(
    _ bytes: Span<UInt8>,
    externalData: [UInt8] = [],
    detachedPayload: [UInt8]? = nil,
    by check: (COSEAlgorithm, [UInt8], [UInt8]) -> Bool
  ) throws(COSEFault) -> [UInt8] {
    let authenticated = try authenticatedBytes(
      in: bytes,
      externalData: externalData,
      detachedPayload: detachedPayload
    )
    let authentication = bytes.extracting(authenticationRange).array()
    guard check(headers.algorithm, authenticated, authentication) else {
      throw .authenticationFailed
    }
    if let payloadRange { return bytes.extracting(payloadRange).array() }
    return detachedPayload ?? []
  }

  static func authenticatedBytes(
    kind: COSEKind,
    protected: [UInt8],
    externalData: [UInt8],
    payload: [UInt8]
  ) -> [UInt8] {
    var writer = CBORWriter(
      capacity: 40 + protected.count + externalData.count + payload.count
    )
    writer.array(count: 4)
    writer.text(kind.context)
    writer.byteString(protected)
    writer.byteString(externalData)
    writer.byteString(payload)
    return writer.bytes
  }
}

/// A message that is not signed yet (RFC 9052 §4.4, §6.3).
///
/// In two steps, because who holds the key may be another process: `authenticatedBytes` go to the
/// key, what comes back goes to `finished`.
public struct COSEDraft: Equatable, Sendable {
  /// Which kind of message it becomes.
  public let kind: COSEKind
  /// The header parameters.
  public let headers: COSEHeaders
  /// What the message says.
  public let payload: [UInt8]
  /// Whether the payload travels beside the message.
  public let isDetached: Bool
  private let protected: [UInt8]

  /// Creates a message.
  ///
  /// - Parameters:
  ///   - algorithm: How it will be signed or authenticated; decides the kind.
  ///   - protected: Further parameters that are covered.
  ///   - unprotected: Parameters that are not.
  ///   - payload: What the message says.
  ///   - isDetached: Whether the payload travels beside the message.
  /// - Throws: What `COSEHeaders` finds wrong; the labels that `crit` names count as understood.
  public init(
    algorithm: COSEAlgorithm,
    protected: CBORMap = CBORMap(),
    unprotected: CBORMap = CBORMap(),
    payload: [UInt8],
    isDetached: Bool = false
  ) throws(COSEFault) {
    var covered = protected
    covered[COSEHeaderLabel.algorithm] = .integer(algorithm.rawValue)
    headers = try COSEHeaders(
      protected: covered,
      unprotected: unprotected,
      kind: algorithm.kind,
      understood: covered[COSEHeaderLabel.critical]?.array ?? []
    )
    kind = algorithm.kind
    self.payload = payload
    self.isDetached = isDetached
    self.protected = CBORValue.map(covered).encoded
  }

  /// What has to be signed or authenticated.
  public func authenticatedBytes(externalData: [UInt8] = []) -> [UInt8] {
    COSEMessage.authenticatedBytes(
      kind: kind,
      protected: protected,
      externalData: externalData,
      payload: payload
    )
  }

  /// The whole message with its signature or tag.
  ///
  /// Throws `authenticationLength` if that has not the algorithm's length.
  public func finished(
    with authentication: [UInt8],
    tagging: COSETagging
  ) throws(COSEFault) -> [UInt8] {
    guard authentication.count == headers.algorithm.authenticationByteCount else {
      throw .authenticationLength(authentication.count)
    }
    var writer = CBORWriter(capacity: 32 + protected.count + payload.count + authentication.count)
    if tagging == .tagged { writer.tag(kind.tag) }
    writer.array(count: 4)
    writer.byteString(protected)
    writer.value(.map(headers.unprotected))
    if isDetached {
      writer.null()
    } else {
      writer.byteString(payload)
    }
    writer.byteString(authentication)
    return writer.bytes
  }
}
