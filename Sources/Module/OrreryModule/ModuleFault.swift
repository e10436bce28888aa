/// Why a module cannot do what it was asked to.
public struct ModuleFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of faults; there may be more in later versions.
  public struct Code: Sendable, Hashable {
    private enum Kind { case environment, message, refused, unanswered, stopped }
    private let kind: Kind

    /// The variables do not tell who the module is, and where its edge is.
    public static let environment = Code(kind: .environment)
    /// The message can never be sent: it is too large, or its output has no name.
    public static let message = Code(kind: .message)
    /// The hub refuses what it was asked for.
    public static let refused = Code(kind: .refused)
    /// The hub does not answer, or not with what it should.
    public static let unanswered = Code(kind: .unanswered)
    /// The client has stopped, or was started twice.
    public static let stopped = Code(kind: .stopped)
  }

  /// What kind of fault it is.
  public let code: Code
  /// What happened, for people.
  public let description: String

  init(_ code: Code, _ description: String) {
    (self.code, self.description) = (code, description)
  }
}
