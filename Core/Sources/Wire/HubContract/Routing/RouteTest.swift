public import JSONTree

/// A message that routes are tried on, with the twin of its sender.
public struct RouteTestMessage: Equatable, Sendable {
  /// The body's text.
  public var body = ""
  /// Application properties.
  public var appProperties: [String: String] = [:]
  /// System properties, by the names that conditions use, without a dollar sign.
  public var systemProperties: [String: String] = [:]
  /// `tags` and `properties`; nil if the sender has no twin.
  public var twin: JSONValue?

  /// Creates an empty message.
  public init() {}

  init(_ fields: BodyFields) throws(HubError) {
    if let message = try fields.fields("message") {
      body = try message.string("body") ?? ""
      appProperties = try Self.texts("appProperties", of: message)
      for (name, value) in try Self.texts("systemProperties", of: message) {
        systemProperties[name.hasPrefix("$") ? String(name.dropFirst()) : name] = value
      }
    }
    twin = try fields.object("twin").map { .object($0) }
  }

  private static func texts(
    _ key: String,
    of fields: BodyFields
  ) throws(HubError) -> [String: String] {
    var texts: [String: String] = [:]
    guard let object = try fields.object(key) else { return texts }
    for (name, value) in object {
      guard let text = value.stringValue else {
        throw BodyFields.wrongType("\(fields.name(key)).\(name)", "a string", value)
      }
      texts[name] = text
    }
    return texts
  }
}

/// The wish to try one route on a message (`$testnew`).
public struct RouteTestRequest: Equatable, Sendable {
  /// The message.
  public var message: RouteTestMessage
  /// The route, which need not be saved.
  public var route: Route

  /// Reads `{"message": …, "route": …, "twin": …}`.
  ///
  /// - Throws: 400012, 400005 or 400004, with the member that is wrong.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    message = try RouteTestMessage(fields)
    guard let route = try fields.fields("route") else {
      throw HubError(.argumentNull, "route is missing; send an object.")
    }
    self.route = try Route(route)
  }
}

/// The wish to try all saved routes on a message (`$testall`).
public struct RouteTestAllRequest: Equatable, Sendable {
  /// The message.
  public var message: RouteTestMessage
  /// Only routes of this source; nil for all.
  public var source: EventSource?

  /// Reads `{"routingSource": …, "message": …, "twin": …}`.
  ///
  /// - Throws: 400012, 400005 or 400004, with the member that is wrong.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    message = try RouteTestMessage(fields)
    guard let name = try fields.nonEmptyString("routingSource") else { return }
    guard let source = EventSource(routeName: name) else {
      let names = EventSource.allCases.map(\.routeName).joined(separator: ", ")
      throw fields.invalid("routingSource", "must be one of \(names).")
    }
    self.source = source
  }
}

/// What trying one route gave.
public struct RouteTestResult: Equatable, Sendable {
  /// The three values of a condition.
  public enum Outcome: String, Sendable {
    /// The message would take the route.
    case `true`
    /// It would not.
    case `false`
    /// It would not, because something is missing, of another type, or does not compile.
    case undefined
  }

  /// A place where a condition does not compile; lines and columns count from 1.
  public struct CompilationError: Equatable, Sendable {
    /// What is wrong, for a person.
    public var message: String
    /// Line where it begins.
    public var startLine: Int
    /// Column where it begins.
    public var startColumn: Int
    /// Line where it ends.
    public var endLine: Int
    /// Column behind its end.
    public var endColumn: Int

    /// Creates an error.
    public init(message: String, line: Int, column: Int, endLine: Int, endColumn: Int) {
      self.message = message
      startLine = line
      startColumn = column
      self.endLine = endLine
      self.endColumn = endColumn
    }
  }

  /// The value.
  public var outcome: Outcome
  /// Why the route could not be tried; empty if it could.
  public var errors: [CompilationError]

  /// Creates a result.
  public init(_ outcome: Outcome, errors: [CompilationError] = []) {
    self.outcome = outcome
    self.errors = errors
  }

  /// The answer's body.
  public var json: JSONValue {
    let list = errors.map { error -> JSONValue in
      [
        "message": .string(error.message), "severity": "error",
        "location": [
          "start": [
            "line": .int(Int64(error.startLine)), "column": .int(Int64(error.startColumn)),
          ],
          "end": ["line": .int(Int64(error.endLine)), "column": .int(Int64(error.endColumn))],
        ],
      ]
    }
    return ["result": .string(outcome.rawValue), "details": ["compilationErrors": .array(list)]]
  }
}
