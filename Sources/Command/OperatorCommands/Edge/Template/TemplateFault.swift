/// Why a manifest, a template or what belongs to it cannot be used: what, where, and how to mend it.
package struct TemplateFault: Error, Equatable, CustomStringConvertible {
  /// What is wrong, without a full stop.
  package var problem: String
  /// What a person can do about it; nil if the problem says it already.
  package var remedy: String?

  init(_ problem: String, remedy: String? = nil) {
    self.problem = problem
    self.remedy = remedy
  }

  package var description: String { remedy.map { "\(problem)\n  \($0)" } ?? problem }

  /// The same of a file.
  func inFile(_ path: String) -> CommandFailure {
    CommandFailure(.usage, "\(path): \(problem)", remedy: remedy)
  }
}
