public import JSONTree

/// Why metadata is refused; what was trusted before stays trusted (TUF 1.0.34 §5).
///
/// `file` is the name without a version: `root.json`, `snapshot.json`, a role's name with `.json`.
public enum TUFFault: Error, Equatable, Sendable {
  /// The file is longer than its limit in bytes.
  case tooLong(file: String, limit: Int)
  /// The file is no JSON.
  case json(file: String, JSONFault)
  /// A field is missing, of another kind, or beyond a limit; the name is that of the field.
  case malformed(file: String, field: String)
  /// A number is no integer: canonical JSON has no other.
  case notAnInteger(file: String)
  /// The file follows another specification than 1.x (§4.3).
  case specificationVersion(file: String, String)
  /// A key's identifier is not the digest of the key (§4.3).
  case keyID(String)
  /// A signer signs more than once (§4.2.1).
  case repeatedSignature(file: String, keyID: String)
  /// Fewer distinct keys signed than have to (§5.3.4, §5.4.2, §5.5.3, §5.6.3).
  case threshold(file: String, needed: Int, found: Int)
  /// The version is below the one that is trusted (§5.3.5, §5.4.3, §5.5.5).
  case rollback(file: String, version: Int64, trusted: Int64)
  /// The version is not the one that was announced (§5.3.5, §5.5.4, §5.6.4).
  case wrongVersion(file: String, version: Int64, expected: Int64)
  /// A file that the trusted snapshot lists is gone from the new one (§5.5.5).
  case removedFromSnapshot(file: String)
  /// The snapshot does not list the file.
  case notInSnapshot(file: String)
  /// The size in bytes is not the one that was signed.
  case wrongLength(file: String, byteCount: Int, expected: Int64)
  /// The hash is not the one that was signed (§5.5.2, §5.6.2, §5.7.3).
  case wrongHash(file: String)
  /// The file is over its time: perhaps somebody keeps newer ones away (§5.3.10, §5.4.4, …).
  case expired(file: String, seconds: Int64)
  /// The repository does not have a file that it announced.
  case missing(file: String)
  /// Nothing was asked for: the caller mixed up its steps.
  case notAsked
  /// Nobody has the key that has to sign; on the publishing side only.
  case cannotSign(file: String)
}
