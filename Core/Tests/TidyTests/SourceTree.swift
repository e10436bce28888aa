import Foundation

/// A text file of the repository.
struct SourceFile {
  /// Path from the repository's root, with `/` between its parts.
  let path: String
  let text: String

  /// Name of the file without its folder.
  var name: String { String(path.split(separator: "/").last ?? "") }

  func hasExtension(_ wanted: String...) -> Bool {
    wanted.contains { path.hasSuffix("." + $0) }
  }

  /// Whether the file lies in the folder with this path, at any depth.
  func isUnder(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }
}

/// The text files of the repository, without what builds and runs leave behind.
struct SourceTree {
  let files: [SourceFile]
  /// Every path there is, files and folders, text or not: what links may point to.
  let paths: Set<String>

  /// Files larger than this are data, not source.
  private static let maximumBytes = 1 << 20
  /// Names that no commit contains.
  ///
  /// `.git` is among them: in a linked working tree it is a file with a path of the machine.
  private static let ignoredNames: Set<String> = [
    ".git", ".build", ".cache", ".orrery", ".venv", "__pycache__", ".pytest_cache", ".hypothesis",
    ".swiftpm", "node_modules",
  ]

  /// The repository this test was compiled from.
  static let repository: SourceTree = {
    let root = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../..").standardizedFileURL
    return SourceTree(root: root)
  }()

  init(root: URL) {
    var files: [SourceFile] = []
    var paths: Set<String> = [""]
    Self.walk(root, prefix: "", files: &files, paths: &paths)
    self.files = files.sorted { $0.path < $1.path }
    self.paths = paths
  }

  init(files: [SourceFile]) {
    self.files = files
    var paths: Set<String> = [""]
    for file in files {
      let parts = file.path.split(separator: "/")
      for count in 1...parts.count { paths.insert(parts.prefix(count).joined(separator: "/")) }
    }
    self.paths = paths
  }

  private static func walk(
    _ folder: URL,
    prefix: String,
    files: inout [SourceFile],
    paths: inout Set<String>
  ) {
    let keys: [URLResourceKey] = [.isDirectoryKey, .fileSizeKey]
    let entries =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: keys))
      ?? []
    for entry in entries {
      let name = entry.lastPathComponent
      guard !ignoredNames.contains(name) else { continue }
      let path = prefix + name
      let values = try? entry.resourceValues(forKeys: Set(keys))
      if values?.isDirectory == true {
        paths.insert(path)
        walk(entry, prefix: path + "/", files: &files, paths: &paths)
      } else {
        paths.insert(path)
        guard (values?.fileSize ?? 0) <= maximumBytes,
          let text = try? String(contentsOf: entry, encoding: .utf8)
        else { continue }
        files.append(SourceFile(path: path, text: text))
      }
    }
  }

  func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}
