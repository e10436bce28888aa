import ByteIO
import Platform

/// The name of one request: in the header `x-ms-request-id`, in error bodies and in the log.
struct RequestID: Sendable, CustomStringConvertible {
  private let bytes: [UInt8]

  /// A new random one (RFC 9562 §5.4, version 4).
  init() {
    var bytes = Entropy.bytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    self.bytes = bytes
  }

  /// 32 hexadecimal digits in upper case, as error bodies carry them.
  var trackingID: String { Hex.encode(bytes).uppercased() }

  /// The text of a UUID in lower case.
  var description: String {
    let groups = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16]
    return groups.map { Hex.encode(bytes[$0]) }.joined(separator: "-")
  }
}
