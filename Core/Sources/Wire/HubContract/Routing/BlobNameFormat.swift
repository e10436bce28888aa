/// The template that names the files of a storage endpoint (contract §9.1).
///
/// It holds each of `{iothub}`, `{partition}`, `{YYYY}`, `{MM}`, `{DD}`, `{HH}` and `{mm}` exactly
/// once, in any order; what stands between them is kept.
public struct BlobNameFormat: Equatable, Sendable {
  /// The template.
  public let text: String
  private let parts: [Part]

  private enum Part: Equatable, Sendable {
    case literal(String)
    case field(Field)
  }

  private enum Field: String, CaseIterable {
    case hub = "iothub"
    case partition
    case year = "YYYY"
    case month = "MM"
    case day = "DD"
    case hour = "HH"
    case minute = "mm"
  }

  /// Characters of a template.
  public static let maximumCharacters = 256

  /// The original's template.
  public static let standardText = "{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}"

  /// The original's template, compiled.
  public static let standard = BlobNameFormat(
    text: standardText,
    parts: Array(
      Field.allCases.flatMap { [Part.literal("/"), .field($0)] }.dropFirst()
    )
  )

  private init(text: String, parts: [Part]) {
    self.text = text
    self.parts = parts
  }

  /// Reads a template.
  ///
  /// Nil unless every field stands in it once and what is between them makes relative paths: letters,
  /// digits, `-`, `_`, `.`, `=`, `/`, without an empty step and without one that begins with a dot.
  public init?(_ text: String) {
    guard text.utf8.count <= Self.maximumCharacters else { return nil }
    var parts: [Part] = []
    var literal: [UInt8] = []
    var missing = Set(Field.allCases)
    var rest = [UInt8](text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "{") else {
        guard Self.isAllowed(byte) else { return nil }
        literal.append(byte)
        continue
      }
      guard let end = rest.firstIndex(of: UInt8(ascii: "}")),
        let field = Field(rawValue: String(decoding: rest[..<end], as: UTF8.self)),
        missing.remove(field) != nil
      else { return nil }
      if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
      literal = []
      parts.append(.field(field))
      rest = rest[(end + 1)...]
    }
    if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
    guard missing.isEmpty else { return nil }
    let steps = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard steps.allSatisfy({ !$0.isEmpty && $0.first != UInt8(ascii: ".") }) else { return nil }
    self.init(text: text, parts: parts)
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "="),
      UInt8(ascii: "/"):
      true
    default: false
    }
  }

  /// The name for a batch of `partition` that begins at `time`, in UTC.
  public func name(hub: String, partition: UInt16, time: Timestamp) -> String {
    // yyyy-MM-ddTHH:mm…
    let digits = Array(time.iso8601.utf8)
    func text(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
    var name = ""
    for part in parts {
      switch part {
      case .literal(let literal): name += literal
      case .field(.hub): name += hub
      case .field(.partition): name += String(partition)
      case .field(.year): name += text(0..<4)
      case .field(.month): name += text(5..<7)
      case .field(.day): name += text(8..<10)
      case .field(.hour): name += text(11..<13)
      case .field(.minute): name += text(14..<16)
      }
    }
    return name
  }

  /// Whether both have the same text.
  public static func == (first: BlobNameFormat, second: BlobNameFormat) -> Bool {
    first.text == second.text
  }
}
