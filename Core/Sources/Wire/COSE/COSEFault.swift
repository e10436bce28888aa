/// What makes bytes no deterministic CBOR, no COSE message, no key or no claims set of ours.
///
/// Each case names one rule, of RFC 8949 (CBOR), RFC 9052 and 9053 (COSE) or RFC 9711 (EAT).
public enum COSEFault: Error, Equatable, Sendable {
  // CBOR.

  /// The bytes end inside an item (RFC 8949 §3).
  case truncated
  /// Bytes are left behind the item.
  case trailingBytes
  /// More bytes than `CBORLimits.byteCount`; known before any of them is read.
  case tooLong(byteCount: Int, maximum: Int)
  /// Additional information 28, 29 or 30, which mean nothing (RFC 8949 §3).
  case reservedAdditionalInformation(UInt8)
  /// An item of indefinite length, or a break (RFC 8949 §4.2.1).
  case indefiniteLength
  /// A number, length, tag or bignum in a longer form than it needs (RFC 8949 §4.2.1).
  case notShortest
  /// A simple value without a meaning (RFC 8949 §3.3).
  case unassignedSimpleValue(UInt8)
  /// A text string that is not well-formed UTF-8 (RFC 8949 §3.1).
  case invalidUTF8
  /// Keys of a map that are not in the bytewise order of their encodings (RFC 8949 §4.2.1).
  case keysOutOfOrder
  /// The same key twice in a map (RFC 8949 §5.6).
  case duplicateKey
  /// Arrays, maps and tags nest deeper than `CBORLimits.depth`.
  case nestingTooDeep
  /// More items than `CBORLimits.items` in one decoding.
  case tooManyItems
  /// An item of another type than the one that belongs here.
  case unexpectedType
  /// An integer outside the range that its field has here.
  case integerOutOfRange

  // COSE.

  /// A tag where none belongs, no tag where one does, or the tag of another message
  /// (RFC 9052 §2).
  case unexpectedTag
  /// A header parameter of the wrong type or with a value that it can't have (RFC 9052 §3.1).
  case invalidHeader(Int64)
  /// The same label in the protected and the unprotected headers (RFC 9052 §3).
  case headerInBothBuckets
  /// A parameter among the unprotected headers that belongs to the protected ones.
  case unprotectedHeader(Int64)
  /// No algorithm among the protected headers.
  case missingAlgorithm
  /// An algorithm that is none of `COSEAlgorithm`, or one of the other kind of message.
  case unsupportedAlgorithm(Int64)
  /// `crit` names a parameter that is not there, or that the reader does not understand
  /// (RFC 9052 §3.1).
  case criticalHeader
  /// There is no payload, neither in the message nor beside it, or there are both.
  case payloadMismatch
  /// A signature or tag whose length is not the algorithm's (RFC 9053 §2, §3.1).
  case authenticationLength(Int)
  /// The signature or tag is not that of these bytes under this key.
  case authenticationFailed
  /// A key of another type, curve or length, or one that may not be used for this
  /// (RFC 9052 §7, RFC 9053 §7).
  case invalidKey

  // Claims.

  /// A claim of the wrong type or with a value that it can't have.
  case invalidClaim(Int64)
  /// A claim that has to be here is not.
  case missingClaim(Int64)
}

/// How much one decoding may read and build at most; a peer can't ask for more.
public struct CBORLimits: Equatable, Sendable {
  /// Bytes altogether.
  public var byteCount: Int
  /// Arrays, maps and tags inside each other.
  public var depth: Int
  /// Items altogether.
  ///
  /// One byte of input can become a value of some dozen bytes, so bytes alone are a poor limit.
  public var items: Int

  /// Creates limits; the defaults fit evidence with its certificates.
  public init(byteCount: Int = 65_536, depth: Int = 12, items: Int = 4_096) {
    self.byteCount = byteCount
    self.depth = depth
    self.items = items
  }
}
