/// A setting or a file of the operator's that cannot be used: where it stands and how to mend it.
package struct SettingsFault: Error, CustomStringConvertible, Equatable {
  /// What is wrong and where, without a full stop at the end.
  package let problem: String
  /// What a person can do about it; nil if the problem says it already.
  package let remedy: String?

  package init(_ problem: String, remedy: String? = nil) {
    self.problem = problem
    self.remedy = remedy
  }

  package var description: String { remedy.map { "\(problem). \($0)" } ?? problem }
}
