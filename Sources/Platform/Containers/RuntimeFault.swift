/// Why a module runtime did not do what it was asked.
package struct RuntimeFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// What kind of failure it was.
  package enum Code: Equatable, Sendable {
    /// The engine does not answer.
    case unreachable
    /// There is no such module, image or network.
    case notFound
    /// The engine refused; what it was asked is wrong.
    case refused
    /// There is such a module already, or it is in the way of what was asked.
    case conflict
    /// It took too long.
    case timedOut
    /// Anything else.
    case failed
  }

  /// What kind of failure it was.
  package let code: Code
  /// What failed and how to mend it, for a person.
  package let description: String

  package init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
