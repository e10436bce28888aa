/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 §12.1).
///
/// Slicing by eight: eight table look-ups for eight bytes.
///
/// A processor's own instruction does it many times as fast; who can reach one hands it in.
public struct CRC32C: Sendable {
  /// A processor's way: the checksum of the bytes, continued from the second argument.
  public typealias Accelerator = @Sendable (Span<UInt8>, UInt32) -> UInt32

  private let table: [UInt32]
  private let accelerator: Accelerator?

  /// Builds the 8 KiB of tables, or none if there is an `accelerator`, which must agree with them.
  ///
  /// Make one and keep it.
  public init(accelerator: Accelerator? = nil) {
    self.accelerator = accelerator
    guard accelerator == nil else {
      table = []
      return
    }
    var table = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
      table[byte] = crc
    }
    for byte in 0..<256 {
      var crc = table[byte]
      for slice in 1..<8 {
        crc = (crc >> 8) ^ table[Int(crc & 0xFF)]
        table[slice * 256 + byte] = crc
      }
    }
    self.table = table
  }

  /// The checksum of `bytes`, continued from `previous` (0 to begin).
  public func checksum(_ bytes: Span<UInt8>, continuing previous: UInt32 = 0) -> UInt32 {
    if let accelerator { return accelerator(bytes, previous) }
    let t = table.span
    var crc = ~previous
    var index = 0
    let wholeEnd = bytes.count & ~7
    while index < wholeEnd {
      let low =
        crc
        ^ (UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
          | UInt32(bytes[index + 3]) << 24)
      crc =
        t[7 * 256 + Int(low & 0xFF)] ^ t[6 * 256 + Int(low >> 8 & 0xFF)]
        ^ t[5 * 256 + Int(low >> 16 & 0xFF)] ^ t[4 * 256 + Int(low >> 24)]
        ^ t[3 * 256 + Int(bytes[index + 4])] ^ t[2 * 256 + Int(bytes[index + 5])]
        ^ t[256 + Int(bytes[index + 6])] ^ t[Int(bytes[index + 7])]
      index += 8
    }
    while index < bytes.count {
      crc = crc >> 8 ^ t[Int((crc ^ UInt32(bytes[index])) & 0xFF)]
      index += 1
    }
    return ~crc
  }
}
