/// The header parameters of a message, checked (RFC 9052 §3).
///
/// Stricter than the document where that leaves a choice: the algorithm stands among the protected
/// parameters, labels are integers or text, and none stands in both maps.
public struct COSEHeaders: Equatable, Sendable {
  /// The algorithm.
  public let algorithm: COSEAlgorithm
  /// The parameters that the signature or tag covers, all of them.
  public let protected: CBORMap
  /// The parameters that anybody on the way may have changed.
  public let unprotected: CBORMap

  /// The content type if there is one: a CoAP content format or the text of a media type.
  public var contentType: CBORValue? { self[COSEHeaderLabel.contentType] }

  /// The key identifier if there is one; only a hint, whichever map it stands in.
  public var keyIdentifier: [UInt8]? { self[COSEHeaderLabel.keyIdentifier]?.bytes }

  /// The parameter with this label, of either map.
  public subscript(label: Int64) -> CBORValue? { protected[label] ?? unprotected[label] }

  /// Checks parameters by the rules of their labels.
  ///
  /// `understood` are the labels that `crit` may name besides those of RFC 9052 itself. Throws
  /// `missingAlgorithm`, `unsupportedAlgorithm`, `invalidHeader`, `unprotectedHeader`,
  /// `headerInBothBuckets` or `criticalHeader`.
  public init(
    protected: CBORMap,
    unprotected: CBORMap,
    kind: COSEKind,
    understood: [CBORValue] = []
  ) throws(COSEFault) {
    for pair in unprotected.pairs where protected[key: pair.key] != nil {
      throw .headerInBothBuckets
    }
    for label in [COSEHeaderLabel.algorithm, COSEHeaderLabel.critical]
    where unprotected[label] != nil {
      throw .unprotectedHeader(label)
    }
    guard let named = protected[COSEHeaderLabel.algorithm] else { throw .missingAlgorithm }
    guard let number = named.integer else { throw .invalidHeader(COSEHeaderLabel.algorithm) }
    guard let algorithm = COSEAlgorithm(rawValue: number), algorithm.kind == kind else {
      throw .unsupportedAlgorithm(number)
    }
    self.algorithm = algorithm
    self.protected = protected
    self.unprotected = unprotected
    try Self.checkTypes(protected)
    try Self.checkTypes(unprotected)
    guard
      self[COSEHeaderLabel.initializationVector] == nil
        || self[COSEHeaderLabel.partialInitializationVector] == nil
    else { throw .invalidHeader(COSEHeaderLabel.partialInitializationVector) }
    try Self.checkCritical(protected, understood: understood)
  }

  private static func checkTypes(_ headers: CBORMap) throws(COSEFault) {
    for pair in headers.pairs {
      guard let label = pair.key.integer else {
        guard pair.key.text != nil else { throw .unexpectedType }
        continue
      }
      let isValid: Bool
      switch label {
      case COSEHeaderLabel.contentType:
        isValid = pair.value.text != nil || (pair.value.unsigned ?? .max) <= UInt16.max
      case COSEHeaderLabel.keyIdentifier, COSEHeaderLabel.initializationVector,
        COSEHeaderLabel.partialInitializationVector:
        isValid = pair.value.bytes != nil
      default: isValid = true
      }
      guard isValid else { throw .invalidHeader(label) }
    }
  }

  /// `crit` is an array of at least one label, all of them protected and understood (§3.1).
  private static func checkCritical(
    _ protected: CBORMap,
    understood: [CBORValue]
  ) throws(COSEFault) {
    guard let critical = protected[COSEHeaderLabel.critical] else { return }
    guard let labels = critical.array, !labels.isEmpty else {
      throw .invalidHeader(COSEHeaderLabel.critical)
    }
    for label in labels {
      guard label.integer != nil || label.text != nil else {
        throw .invalidHeader(COSEHeaderLabel.critical)
      }
      guard protected[key: label] != nil else { throw .criticalHeader }
      if let number = label.integer, (1...6).contains(number) { continue }
      guard understood.contains(label) else { throw .criticalHeader }
    }
  }
}
