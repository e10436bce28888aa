import ByteIO
import HubContract
import Platform

/// The checksums of a body, and what its sender says that they are.
struct ContentDigest: Sendable {
  private var md5 = MD5Digest()
  private var crc64: CRC64?
  private let expectedMD5: [UInt8]?
  private let expectedCRC64: [UInt8]?
  /// MD5 of the whole body, once `check` has passed.
  private(set) var value: [UInt8] = []

  /// Reads `Content-MD5` and `x-ms-content-crc64`, nil where there is none.
  init(md5: String? = nil, crc64: String? = nil) throws(BlobRefusal) {
    expectedMD5 = try Self.bytes(md5, 16, "Content-MD5")
    expectedCRC64 = try Self.bytes(crc64, 8, "x-ms-content-crc64")
    self.crc64 = crc64 == nil ? nil : CRC64()
  }

  mutating func update(_ bytes: [UInt8]) {
    md5.update(bytes)
    crc64?.update(bytes.span)
  }

  /// Ends the checksums and compares them.
  mutating func check() throws(BlobRefusal) {
    value = md5.finalize()
    guard expectedMD5.map({ $0 == value }) ?? true else {
      throw BlobRefusal(400, "Md5Mismatch", "The body's MD5 is not that of Content-MD5.")
    }
    guard let crc64, let expectedCRC64 else { return }
    let found = (0..<8).map { UInt8(truncatingIfNeeded: crc64.checksum >> (8 * UInt64($0))) }
    guard found == expectedCRC64 else {
      throw BlobRefusal(400, "Crc64Mismatch", "The body's CRC is not that of x-ms-content-crc64.")
    }
  }

  private static func bytes(
    _ text: String?,
    _ count: Int,
    _ name: String
  ) throws(BlobRefusal) -> [UInt8]? {
    guard let text else { return nil }
    guard let bytes = Base64.decode(text), bytes.count == count else {
      throw .header(name, "must be \(count) bytes in base64.")
    }
    return bytes
  }
}
