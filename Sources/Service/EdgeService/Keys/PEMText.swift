/// Texts of several certificates in PEM.
enum PEMText {
  private static let begin = "-----BEGIN CERTIFICATE-----"
  private static let end = "-----END CERTIFICATE-----"

  /// Each certificate with what stands behind it, in order.
  static func certificates(of text: String) -> [String] {
    let starts = text.ranges(of: begin).map(\.lowerBound)
    return zip(starts, starts.dropFirst() + [text.endIndex]).map { String(text[$0..<$1]) }
  }

  /// A certificate of `certificates(of:)` without what stands behind it.
  static func alone(_ text: String) -> String {
    text.firstRange(of: end).map { String(text[..<$0.upperBound]) } ?? text
  }

  /// The private key among the texts, nil for none.
  static func privateKey(of text: String) -> String? {
    guard let kind = text.firstRange(of: "PRIVATE KEY-----"),
      let start = text[..<kind.lowerBound].ranges(of: "-----BEGIN ").last?.lowerBound,
      let end = text[kind.upperBound...].firstRange(of: "PRIVATE KEY-----")?.upperBound
    else { return nil }
    return String(text[start..<end])
  }

  /// The first certificate, or all of it where there is none.
  static func first(of bytes: [UInt8]) -> [UInt8] {
    let text = String(decoding: bytes, as: UTF8.self)
    return certificates(of: text).first.map { Array($0.utf8) } ?? bytes
  }
}
