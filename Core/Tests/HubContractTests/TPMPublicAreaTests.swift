import HubContract
import Testing

/// The `TPM2B_PUBLIC` of a storage key as chips make it; `modulus` is RSA's, nil makes one of P-256.
func chipKey(
  modulus: [UInt8]? = [0x80] + [UInt8](repeating: 1, count: 255),
  attributes: [UInt8] = [0, 3, 0, 0x72],
  nameAlgorithm: UInt8 = 0x0B,
  keyBits: [UInt8] = [0, 128],
  scheme: UInt8 = 0x10,
  modulusBits: [UInt8] = [8, 0],
  exponent: [UInt8] = [0, 0, 0, 0],
  extra: [UInt8] = []
) -> [UInt8] {
  var area: [UInt8] = [0, modulus == nil ? 0x23 : 1, 0, nameAlgorithm] + attributes + [0, 2, 9, 9]
  area += [0, 6] + keyBits + [0, 0x43, 0, scheme]
  if let modulus {
    area += modulusBits + exponent + [UInt8(modulus.count >> 8), UInt8(modulus.count & 255)]
    area += modulus
  } else {
    area += [0, 3, 0, 0x10, 0, 32] + [UInt8](repeating: 2, count: 32)
    area += [0, 32] + [UInt8](repeating: 3, count: 32)
  }
  area += extra
  return [UInt8(area.count >> 8), UInt8(area.count & 255)] + area
}

@Suite("Public areas of a chip's keys (TPM 2.0 Library, Part 2, 12.2.4)")
struct TPMPublicAreaTests {
  @Test("storage keys of RSA and P-256 are read")
  func reads() throws {
    let modulus = [0x80] + [UInt8](repeating: 1, count: 255)
    let first = try #require(TPMPublicArea(chipKey()))
    #expect(first.key == .rsa(modulus: modulus, exponent: 65_537))
    #expect(first.symmetricKeyBits == 128)
    #expect(first.area == Array(chipKey().dropFirst(2)))
    let second = try #require(TPMPublicArea(chipKey(modulus: nil, keyBits: [1, 0])))
    #expect(
      second.key == .p256(x: .init(repeating: 2, count: 32), y: .init(repeating: 3, count: 32))
    )
    #expect(second.symmetricKeyBits == 256)
  }

  @Test("other keys, and bytes that are none, are not")
  func refuses() {
    let good = chipKey()
    let ones = [UInt8](repeating: 1, count: 255)
    let rows: [[UInt8]] = [
      [], [0], [0, 0], good + [0], Array(good.dropLast()), chipKey(extra: [0]),
      // A key that may leave its chip, that signs, that came from outside.
      chipKey(attributes: [0, 3, 0, 0x70]), chipKey(attributes: [0, 6, 0, 0x72]),
      chipKey(attributes: [0, 3, 0, 0x52]),
      chipKey(nameAlgorithm: 4), chipKey(keyBits: [0, 129]), chipKey(scheme: 0x16),
      chipKey(exponent: [0, 0, 0, 3]), chipKey(modulusBits: [4, 0]),
      chipKey(modulus: [0x7F] + ones), chipKey(modulus: [0x80] + ones.dropLast() + [2]),
      chipKey(modulus: [0x80] + ones + [1]),
    ]
    for (index, row) in rows.enumerated() {
      #expect(TPMPublicArea(row) == nil, "row \(index)")
    }
    for count in 0..<good.count { #expect(TPMPublicArea(Array(good.prefix(count))) == nil) }
  }
}
