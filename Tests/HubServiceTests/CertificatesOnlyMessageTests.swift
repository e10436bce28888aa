import Platform
import Testing

@Suite("Messages of certificates alone (RFC 5652 §5.1)")
struct CertificatesOnlyMessageTests {
  private static let signedData: [UInt8] = [
    0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02,
  ]
  /// Version 1, no digests, data without content.
  private static let preamble: [UInt8] = [
    0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01,
    0x07, 0x01,
  ]
  /// No signer.
  private static let end: [UInt8] = [0x31, 0x00]

  private static func node(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    let size = content.count
    return [tag, 0x83, UInt8(size >> 16 & 255), UInt8(size >> 8 & 255), UInt8(size & 255)]
      + content
  }

  /// The same without its length, as BER has it.
  private static func open(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    [tag, 0x80] + content + [0, 0]
  }

  private static func message(
    _ certificates: [[UInt8]],
    _ type: [UInt8] = signedData,
    by wrap: (UInt8, [UInt8]) -> [UInt8]
  ) -> [UInt8] {
    let signed = preamble + wrap(0xA0, certificates.flatMap { $0 }) + end
    return wrap(0x30, type + wrap(0xA0, wrap(0x30, signed)))
  }

  private static func certificates() throws -> [[UInt8]] {
    try ["one", "two"].map { name in
      let made = try CertificateMaker.makeAuthority(commonName: name)
      return try CertificateIssuer(made).certificate.der
    }
  }

  @Test("certificates are read in their order, with lengths or without")
  func reads() throws {
    let all = try Self.certificates()
    let message = Self.message(all, by: Self.open)
    #expect(CertificatesOnlyMessage.certificates(in: message)?.map(\.der) == all)
    let wrapped = Self.message([all[0]]) { tag, content in
      content.count > 0xFFFF ? [] : Self.shortest(tag, content)
    }
    #expect(CertificatesOnlyMessage.certificates(in: wrapped)?.map(\.der) == [all[0]])
  }

  private static func shortest(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    let size = content.count
    if size < 128 { return [tag, UInt8(size)] + content }
    if size < 256 { return [tag, 0x81, UInt8(size)] + content }
    return [tag, 0x82, UInt8(size >> 8), UInt8(size & 255)] + content
  }

  @Test("anything else is none, and no byte of it reaches a trap")
  func refuses() throws {
    let all = try Self.certificates()
    let good = Self.message(all, by: Self.open)
    let data: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]
    let rows: [[UInt8]] = [
      [], [0x30], [0x30, 0x00], all[0], good + [0], Self.message([], by: Self.open),
      Self.message(all, data, by: Self.open), Self.message([[0x02, 0x01, 0x01]], by: Self.open),
      Self.message([[0x30, 0x00]], by: Self.open),
      Self.message(Array(repeating: all[0], count: 11), by: Self.open),
      Array(repeating: [0x30, 0x80], count: 10_000).flatMap { $0 },
      Self.node(0x30, Array(repeating: 0, count: CertificatesOnlyMessage.byteLimit)),
    ]
    for (index, row) in rows.enumerated() {
      #expect(CertificatesOnlyMessage.certificates(in: row) == nil, "row \(index)")
    }
    for length in 0..<good.count {
      let cut = Array(good.prefix(length))
      #expect(CertificatesOnlyMessage.certificates(in: cut) == nil, "cut to \(length)")
    }
    for index in good.indices {
      var changed = good
      changed[index] ^= 0xFF
      _ = CertificatesOnlyMessage.certificates(in: changed)
    }
  }
}
