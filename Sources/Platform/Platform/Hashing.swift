import Crypto

/// The hashes and MACs that the Core asks for as functions.
package enum Hashing {
  /// HMAC-SHA256 of `message` under `key` (RFC 2104), 32 bytes.
  package static func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
  }

  /// SHA-256 of `message`, 32 bytes.
  package static func sha256(_ message: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: message)) }

  /// SHA-1 of `message`, 20 bytes: for certificate thumbprints in their old form alone.
  package static func sha1(_ message: [UInt8]) -> [UInt8] {
    Array(Insecure.SHA1.hash(data: message))
  }
}

/// MD5 of a stream of bytes: for the checks that the blob service's protocol knows, and no secret.
package struct MD5Digest: Sendable {
  private var hash = Insecure.MD5()

  package init() {}

  /// Adds `bytes`.
  package mutating func update(_ bytes: [UInt8]) { hash.update(data: bytes) }

  /// MD5 of what was added, 16 bytes.
  package func finalize() -> [UInt8] { Array(hash.finalize()) }
}

/// SHA-256 of a stream of bytes.
package struct SHA256Digest: Sendable {
  private var hash = SHA256()

  package init() {}

  /// Adds `bytes`.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    hash.update(bufferPointer: bytes)
  }

  /// SHA-256 of what was added, 32 bytes.
  package func finalize() -> [UInt8] { Array(hash.finalize()) }
}
