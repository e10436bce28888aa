internal import ByteIO

/// A page of metrics in the Prometheus text format, as a collector reads it.
public enum MetricsText {
  /// One value.
  public struct Value: Equatable, Sendable {
    /// The metric's name.
    public var name: String
    /// Its labels, in their order.
    public var labels: [String: String]
    /// The value, which may be no number.
    public var value: Double
  }

  /// Why a page is refused.
  public enum Fault: Error, Equatable, Sendable {
    /// This line, counted from 1, is no comment and no value.
    case line(Int)
    /// There are more values than `valueLimit`, or more labels than `labelLimit`.
    case tooMany
  }

  /// The most values of a page.
  public static let valueLimit = 20_000
  /// The most labels of a value.
  public static let labelLimit = 64

  /// Reads a whole page.
  public static func parse(_ page: Span<UInt8>) throws(Fault) -> [Value] {
    var values: [Value] = []
    var (start, number) = (0, 0)
    while start < page.count {
      var end = start
      while end < page.count, page[end] != UInt8(ascii: "\n") { end += 1 }
      number += 1
      var line = MetricsLine(page.extracting(start..<end))
      start = end + 1
      line.skipBlanks()
      if line.isAtEnd || line.peek == UInt8(ascii: "#") { continue }
      guard let value = try line.value(number) else { throw .line(number) }
      guard values.count < valueLimit else { throw .tooMany }
      values.append(value)
    }
    return values
  }
}

/// One line of a page: `name{label="text",…} value [time]`.
private struct MetricsLine: ~Escapable {
  private let bytes: Span<UInt8>
  private var position = 0

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }
  var peek: UInt8? { isAtEnd ? nil : bytes[position] }

  mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0D { position += 1 }
  }

  private mutating func take(_ byte: Character) -> Bool {
    guard let next = peek, next == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func word(_ isPart: (UInt8) -> Bool) -> String? {
    let start = position
    while let byte = peek, isPart(byte) { position += 1 }
    guard position > start else { return nil }
    return String(validating: bytes.extracting(start..<position).array(), as: UTF8.self)
  }

  private mutating func name() -> String? {
    if let first = peek, (0x30...0x39).contains(first) { return nil }
    return word { byte in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":")
    }
  }

  /// Text between quotation marks, in which \\, \" and \n are escaped.
  private mutating func text() -> String? {
    guard take("\"") else { return nil }
    var text: [UInt8] = []
    while let byte = peek {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let escaped = peek else { return nil }
        position += 1
        text.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
      default: text.append(byte)
      }
    }
    return nil
  }

  /// The value of this line, nil if it has none.
  mutating func value(_ number: Int) throws(MetricsText.Fault) -> MetricsText.Value? {
    guard let name = name() else { return nil }
    var labels: [String: String] = [:]
    skipBlanks()
    if take("{") {
      skipBlanks()
      while !take("}") {
        guard labels.count < MetricsText.labelLimit else { throw .tooMany }
        guard let label = self.name() else { return nil }
        skipBlanks()
        guard take("=") else { return nil }
        skipBlanks()
        guard let text = text(), labels.updateValue(text, forKey: label) == nil else { return nil }
        skipBlanks()
        guard take(",") || peek == UInt8(ascii: "}") else { return nil }
        skipBlanks()
      }
    }
    skipBlanks()
    guard let digits = word({ $0 > 0x20 }), let value = Double(digits) else { return nil }
    skipBlanks()
    if !isAtEnd {
      guard let time = word({ $0 > 0x20 }), Int64(time) != nil else { return nil }
      skipBlanks()
    }
    return isAtEnd ? MetricsText.Value(name: name, labels: labels, value: value) : nil
  }
}
