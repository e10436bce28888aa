/// CRC-64/NVME (reflected polynomial 0x9A6C9329AC4BC9B5, inverted before and after): what the blob
/// service calls `x-ms-content-crc64`.
public struct CRC64: Sendable {
  private let table: [UInt64]
  private var state = ~UInt64(0)

  /// The checksum of nothing.
  public init() {
    table = (0..<256).map { byte in
      var crc = UInt64(byte)
      for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
      return crc
    }
  }

  /// Adds `bytes`.
  public mutating func update(_ bytes: Span<UInt8>) { state = continued(bytes) }

  private func continued(_ bytes: Span<UInt8>) -> UInt64 {
    let table = table.span
    var crc = state
    for index in bytes.indices {
      crc = crc >> 8 ^ table[Int(truncatingIfNeeded: (crc ^ UInt64(bytes[index])) & 0xFF)]
    }
    return crc
  }

  /// The checksum of what was added so far.
  public var checksum: UInt64 { ~state }
}
