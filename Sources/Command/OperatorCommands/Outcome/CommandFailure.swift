/// Why a command ended without doing what it was asked to: what, where, and how to mend it.
package struct CommandFailure: Error, Equatable, CustomStringConvertible {
  /// What the program's exit status will be.
  package var status: CommandStatus
  /// What went wrong and where, without a full stop at the end.
  package var problem: String
  /// What a person can do about it; nil if the problem says it already.
  package var remedy: String?

  /// Creates a failure.
  package init(_ status: CommandStatus, _ problem: String, remedy: String? = nil) {
    self.status = status
    self.problem = problem
    self.remedy = remedy
  }

  /// Problem and remedy as they are printed behind `orrery: `.
  package var description: String {
    guard let remedy else { return problem }
    return "\(problem)\n  \(remedy)"
  }
}
