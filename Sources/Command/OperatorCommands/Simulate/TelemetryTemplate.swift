package import JSONTree

/// The body of a simulated device's messages: the usual one, or one that the user writes.
package enum TelemetryTemplate: Sendable {
  /// Readings as JSON, filled up to a size in bytes.
  case readings(size: Int?)
  /// A text with `{{name}}` where a value goes.
  case text(String)

  /// What may stand in a text.
  package static let names = ["temperature", "humidity", "count", "time", "device", "random"]

  /// The names in `text` that are none of these.
  package static func unknownNames(in text: String) -> [String] {
    pieces(text).compactMap { piece in
      if case .name(let name) = piece, !names.contains(name) { name } else { nil }
    }
  }

  /// The body for these values.
  package func body(_ values: [String: JSONValue]) -> [UInt8] {
    switch self {
    case .readings(let size):
      var object = JSONObject(
        ["device", "count", "time", "temperature", "humidity"]
          .compactMap { name in values[name].map { (key: name, value: $0) } }
      )
      guard let size else { return JSON.bytes(.object(object)) }
      object["padding"] = ""
      let missing = size - JSON.bytes(.object(object)).count
      object["padding"] = .string(String(repeating: "x", count: max(missing, 0)))
      return JSON.bytes(.object(object))
    case .text(let text):
      let filled = Self.pieces(text).map { piece in
        switch piece {
        case .literal(let literal): literal
        case .name(let name): values[name]?.shown ?? ""
        }
      }
      return Array(filled.joined().utf8)
    }
  }

  private enum Piece {
    case literal(String)
    case name(String)
  }

  private static func pieces(_ text: String) -> [Piece] {
    var pieces: [Piece] = []
    var rest = text[...]
    while let open = rest.firstRange(of: "{{") {
      guard let close = rest[open.upperBound...].firstRange(of: "}}") else { break }
      pieces.append(.literal(String(rest[..<open.lowerBound])))
      pieces.append(.name(rest[open.upperBound..<close.lowerBound].trimmed))
      rest = rest[close.upperBound...]
    }
    return pieces + [.literal(String(rest))]
  }
}
