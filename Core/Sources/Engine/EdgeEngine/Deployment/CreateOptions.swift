import HubContract
public import JSONTree

/// What a module's container is created with: the JSON body of the engine's create call (edge
/// contract section 2.4).
///
/// Whatever it holds goes to the engine as it was written, numbers included; only what the runtime
/// itself looks at is ever read.
public struct CreateOptions: Equatable, Sendable {
  /// The body; empty for `{}`.
  public let object: JSONObject

  /// Creates options of `object`.
  public init(_ object: JSONObject = [:]) { self.object = object }

  /// Most characters of a piece, which is what the oldest hubs took as one value.
  private static let pieceLength = 512
  /// The pieces that names exist for: `createOptions` and `createOptions01` to `createOptions99`.
  private static let maximumPieces = 100

  /// Reads the pieces among a module's settings.
  ///
  /// A gap ends the sequence; null or empty text means `{}`. An object instead of text, which
  /// developer tools write, is accepted with a warning.
  init(_ settings: BodyFields, warnings: inout [String]) throws(HubError) {
    let name = Self.names(1)[0]
    if let value = settings.value(name), let object = value.objectValue {
      warnings.append("\(settings.name(name)) is an object; in a twin it has to be text.")
      self.object = object
      return
    }
    var text = ""
    for name in Self.names(Self.maximumPieces) {
      guard let piece = try settings.string(name) else { break }
      text += piece
    }
    guard !text.trimmed.isEmpty else {
      object = [:]
      return
    }
    let value: JSONValue
    do throws(JSONFault) {
      value = try JSON.parse(text)
    } catch {
      throw settings.invalid(name, "holds no JSON: \(error).")
    }
    guard let object = value.objectValue else {
      throw settings.invalid(name, "must hold a JSON object.")
    }
    self.object = object
  }

  /// The members that the pieces take in a module's settings, for the report.
  public var members: JSONObject {
    let text = Array(JSON.text(.object(object)).unicodeScalars)
    // Longer than all names can hold is longer than a twin; then the pieces grow, so that what is
    // told is whole.
    let length = max(
      Self.pieceLength,
      (text.count + Self.maximumPieces - 1) / Self.maximumPieces
    )
    let pieces = stride(from: 0, to: text.count, by: length).map { start in
      var piece = String.UnicodeScalarView()
      piece.append(contentsOf: text[start..<min(start + length, text.count)])
      return String(piece)
    }
    return JSONObject(
      zip(Self.names(pieces.count), pieces).map { (key: $0, value: .string($1)) }
    )
  }

  private static func names(_ count: Int) -> [String] {
    (0..<count).map { number in
      number == 0 ? "createOptions" : "createOptions\(number / 10)\(number % 10)"
    }
  }
}
