import ByteIO
import EdgeEngine

/// A certificate of a simulated edge: what counts of it.
struct EdgeSimCertificate {
  static let key = "edge CA"
  /// For how long the root is valid that clients trust.
  static let rootYears: UInt64 = 10
  /// A month: over 400 days an authority is made anew 16 times where all goes well.
  static let rule = RenewalRule(lifeSeconds: 30 * 86_400)

  /// When it was made, by the edge's best guess, in seconds since 1970.
  var made: Int64
  /// When it ends.
  var end: Int64

  init(made: Int64, end: Int64) {
    self.made = made
    self.end = end
  }

  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes.span)
    guard let made = reader.uint64(), let end = reader.uint64() else { return nil }
    self.init(made: Int64(clamping: made), end: Int64(clamping: end))
  }

  var bytes: [UInt8] {
    var writer = ByteWriter(capacity: 16)
    writer.uint64(UInt64(clamping: made))
    writer.uint64(UInt64(clamping: end))
    return writer.bytes
  }
}
