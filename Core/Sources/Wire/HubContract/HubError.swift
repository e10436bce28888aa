/// An answer of the hub that is a refusal: the code that programs match and a text for people.
///
/// The message says what was wrong, where, and how to mend it. It never holds a key, a token or a
/// part of a message body.
public struct HubError: Error, Equatable, Sendable {
  /// What clients match on.
  public var code: HubErrorCode
  /// One sentence for a person.
  public var message: String

  /// Creates a refusal.
  public init(_ code: HubErrorCode, _ message: String) {
    self.code = code
    self.message = message
  }
}

extension HubError: CustomStringConvertible {
  /// Code and message, as logs show it.
  public var description: String { "\(code): \(message)" }
}
