public import JSONTree

/// What became of desired properties: the `lastDesiredStatus` of both system modules (edge contract
/// section 2.9).
public struct DesiredStatus: Error, Equatable, Sendable {
  /// The codes that exist.
  public enum Code: Int64, Equatable, Sendable {
    /// Done, or accepted.
    case ok = 200
    /// The desired properties cannot be read, or a field or route is refused.
    case refused = 400
    /// Not running.
    case notRunning = 406
    /// Unknown schema version.
    case unknownSchema = 412
    /// The desired properties are empty, or there is no twin.
    case empty = 417
    /// Anything else, also a plan that failed in part.
    case failed = 500
  }

  /// The code.
  public let code: Code
  /// What is wrong, where and how to mend it; empty if nothing is.
  public let description: String

  /// All is done.
  public static let ok = DesiredStatus(.ok)

  /// Creates a status.
  public init(_ code: Code, _ description: String = "") {
    self.code = code
    self.description = description
  }

  /// The form in reported properties.
  public var json: JSONValue {
    ["code": .int(code.rawValue), "description": .string(description)]
  }
}
