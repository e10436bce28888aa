import ByteIO

/// A user's name and password as a header shows them (RFC 7617).
package enum BasicAuthorization {
  /// The value of `Authorization`, a secret.
  package static func header(user: String, password: [UInt8]) -> String {
    "Basic " + Base64.encode(Array(user.utf8) + [0x3A] + password)
  }
}
