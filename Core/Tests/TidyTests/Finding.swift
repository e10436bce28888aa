/// One thing that a check found wrong, in the form editors and build logs turn into a link.
struct Finding: Equatable, CustomStringConvertible {
  /// Path from the repository's root.
  let path: String
  /// Line, counted from 1; 0 means the file as a whole.
  let line: Int
  /// What is wrong and what to do instead.
  let message: String

  var description: String { line == 0 ? "\(path): \(message)" : "\(path):\(line): \(message)" }
}
