internal import ByteIO
public import JSONTree

/// Keys of which so many have to sign.
public struct TUFSigners: Equatable, Sendable {
  /// Identifiers of the keys.
  public var keyIDs: [String]
  /// How many distinct keys have to sign; at least 1.
  public var threshold: Int

  /// Creates a rule.
  public init(keyIDs: [String], threshold: Int) {
    (self.keyIDs, self.threshold) = (keyIDs, threshold)
  }
}

/// A signed file: what is signed, and who did (TUF 1.0.34 §4.2.1).
public struct TUFEnvelope: Sendable {
  /// The most signatures of a file; beyond, it is malformed.
  public static let maximumSignatures = 64
  /// The longest signature, in bytes.
  static let maximumSignatureBytes = 1024
  /// The most levels of arrays and objects.
  static let maximumDepth = 32
  /// The most values of a file: enough for 65,536 targets, and what they take of memory is bounded.
  static let maximumNodes = 1 << 20

  /// Name of the file, for faults.
  let file: String
  /// What is signed.
  public let signed: JSONObject
  /// Its canonical form: the bytes that were signed.
  let message: [UInt8]
  let signatures: [(keyID: String, bytes: [UInt8])]

  /// Reads a file; nothing is verified yet.
  init(_ bytes: [UInt8], file: String, limit: Int) throws(TUFFault) {
    guard bytes.count <= limit else { throw .tooLong(file: file, limit: limit) }
    let json: JSONValue
    do throws(JSONFault) {
      json = try JSON.parse(
        bytes,
        limits: JSONLimits(
          maxBytes: limit,
          maxDepth: Self.maximumDepth,
          maxNodes: Self.maximumNodes
        )
      )
    } catch {
      throw .json(file: file, error)
    }
    guard let signed = json["signed"]?.objectValue else {
      throw .malformed(file: file, field: "signed")
    }
    guard let list = json["signatures"]?.arrayValue, list.count <= Self.maximumSignatures else {
      throw .malformed(file: file, field: "signatures")
    }
    var signatures: [(keyID: String, bytes: [UInt8])] = []
    for entry in list {
      guard let keyID = entry["keyid"]?.stringValue, let text = entry["sig"]?.stringValue,
        text.utf8.count <= 2 * Self.maximumSignatureBytes, let bytes = Hex.decode(text)
      else { throw .malformed(file: file, field: "signatures") }
      guard !signatures.contains(where: { $0.keyID == keyID }) else {
        throw .repeatedSignature(file: file, keyID: keyID)
      }
      signatures.append((keyID, bytes))
    }
    guard let message = CanonicalJSON.bytes(.object(signed)) else {
      throw .notAnInteger(file: file)
    }
    self.file = file
    self.signed = signed
    self.message = message
    self.signatures = signatures
  }

  /// Checks that enough distinct keys signed.
  func verify(
    _ signers: TUFSigners,
    _ keys: [String: TUFKey],
    _ crypto: some TUFCrypto
  ) throws(TUFFault) {
    var good: [TUFKey] = []
    for signature in signatures where good.count < signers.threshold {
      // Two identifiers for one key are one signer.
      guard signers.keyIDs.contains(signature.keyID), let key = keys[signature.keyID],
        key.scheme != nil, !good.contains(where: { $0.isSameKey(as: key) }),
        crypto.isSigned(message, by: key, signature.bytes)
      else { continue }
      good.append(key)
    }
    guard good.count >= signers.threshold else {
      throw .threshold(file: file, needed: signers.threshold, found: good.count)
    }
  }

  /// Signs with every key that is at hand; nil if what is to be signed has no canonical form.
  static func make(
    _ signed: JSONObject,
    _ keyIDs: [String],
    _ keys: [String: TUFKey],
    _ sign: TUFSign
  ) -> [UInt8]? {
    guard let message = CanonicalJSON.bytes(.object(signed)) else { return nil }
    var signatures: [JSONValue] = []
    var seen: Set<String> = []
    for keyID in keyIDs where seen.insert(keyID).inserted {
      guard let key = keys[keyID], let signature = sign(key, message) else { continue }
      signatures.append(["keyid": .string(keyID), "sig": .string(Hex.encode(signature))])
    }
    // Not the form that is signed: in that one a line feed, as PEM has it, stands unescaped, and then
    // it is no JSON.
    return JSON.canonicalBytes(["signatures": .array(signatures), "signed": .object(signed)])
  }
}

/// Makes a signature over bytes, or answers nil if the key is not at hand.
public typealias TUFSign = (_ key: TUFKey, _ message: [UInt8]) -> [UInt8]?
