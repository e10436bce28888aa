import ByteIO
import MQTT

/// Bytes from hexadecimal text, blanks allowed; a wrong digit gives an array that no test expects.
func hex(_ text: String) -> [UInt8] {
  Hex.decode(text.utf8.filter { $0 != 0x20 }) ?? Array("not hexadecimal".utf8)
}

/// Bytes of a text.
func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

/// What an encoder appends.
func written<Fault>(_ body: (inout ByteWriter) throws(Fault) -> Void) throws(Fault) -> [UInt8] {
  var writer = ByteWriter()
  try body(&writer)
  return writer.bytes
}

/// The packet at the start of `bytes`.
func decode(_ bytes: [UInt8], maximumLength: Int = 1 << 20) throws(MQTTFault) -> Frame? {
  try PacketDecoder.next(bytes.span, maximumLength: maximumLength)
}

/// The fault that `bytes` are refused with, nil if they are taken or incomplete.
func fault(_ bytes: [UInt8], maximumLength: Int = 1 << 20) -> MQTTFault? {
  do {
    _ = try decode(bytes, maximumLength: maximumLength)
    return nil
  } catch {
    return error
  }
}

extension Instant {
  static func seconds(_ seconds: Double) -> Instant {
    Instant(nanoseconds: UInt64(seconds * 1_000_000_000))
  }
}

extension Array where Element == UInt8 {
  func text(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }
}
