/// Rules on what must exist because something else does.
enum Completeness {
  /// Every target stands in the map, so that a reader finds out what it is for.
  static func undocumentedTargets(_ tree: SourceTree) -> [Finding] {
    let map = "docs/ARCHITECTURE.md"
    guard let page = tree.file(map) else {
      return [.init(path: map, line: 0, message: "the map of targets is missing")]
    }
    return targets(of: tree)
      .filter { !page.text.contains("`\($0)`") }
      .map { .init(path: map, line: 0, message: "does not mention the target `\($0)`") }
  }

  /// Data from a standard that no test loads checks nothing.
  static func unusedVectors(_ tree: SourceTree) -> [Finding] {
    let root = "Core/Tests/Vectors"
    var folders: Set<String> = []
    for file in tree.files where file.isUnder(root) {
      let inner = file.path.dropFirst(root.count + 1).split(separator: "/")
      if inner.count > 1, let folder = inner.first { folders.insert(String(folder)) }
    }
    let tests = tree.files.filter {
      $0.hasExtension("swift") && ($0.isUnder("Core/Tests") || $0.isUnder("Tests"))
    }
    return folders.sorted()
      .filter { folder in
        !tests.contains {
          $0.text.contains("Vectors/\(folder)") || $0.text.contains("\"\(folder)\"")
        }
      }
      .map { .init(path: "\(root)/\($0)", line: 0, message: "no test loads these vectors") }
  }

  /// A fuzzer that no target names is never built, and nobody would notice.
  static func unbuiltFuzzers(_ tree: SourceTree) -> [Finding] {
    guard let manifest = tree.file("Fuzz/Package.swift") else { return [] }
    let folders = Set(
      tree.files.filter { $0.isUnder("Fuzz/Sources") }.compactMap {
        $0.path.split(separator: "/").dropFirst(2).first.map(String.init)
      }
    )
    return folders.sorted()
      .filter { !manifest.text.contains("\"\($0)\"") }
      .map { .init(path: "Fuzz/Sources/\($0)", line: 0, message: "no target builds this fuzzer") }
  }

  static func targets(of tree: SourceTree) -> [String] {
    Set(tree.files.compactMap { ImportRules.target(of: $0.path) }).sorted()
  }
}
