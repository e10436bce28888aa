/// Rules on files as a whole and on the plain text of their lines.
enum FileRules {
  /// A file that nobody reads to its end is two files.
  static let maximumLines = 800

  /// Extensions of what people write by hand as code.
  private static let codeExtensions: Set<String> = ["swift", "c", "h", "py", "sh", "js"]

  static func length(_ file: SourceFile) -> [Finding] {
    guard let last = file.name.split(separator: ".").last,
      codeExtensions.contains(String(last))
    else { return [] }
    // A text's last line feed ends its last line; it does not begin another.
    let lines = file.text.utf8.count { $0 == UInt8(ascii: "\n") }
    guard lines > maximumLines else { return [] }
    return [
      .init(
        path: file.path,
        line: 0,
        message: "\(lines) lines; split files of more than \(maximumLines) by theme"
      )
    ]
  }

  /// Paths that exist on one person's machine only.
  static func machinePaths(_ file: SourceFile) -> [Finding] {
    // Spelled in two parts, or this file would name them itself.
    let homes = ["home", "Users", "root", "work"].joined(separator: "|")
    guard let pattern = try? Regex("(?:^|[^\\w./-])/(?:\(homes))/[A-Za-z]") else { return [] }
    return lines(of: file).compactMap { number, line in
      guard line.firstMatch(of: pattern) != nil else { return nil }
      return .init(
        path: file.path,
        line: number,
        message: "names a path of one machine; say it relative to the repository"
      )
    }
  }

  /// Something left undone must say what and why in at least four words.
  static func openEnds(_ file: SourceFile) -> [Finding] {
    guard let last = file.name.split(separator: ".").last,
      codeExtensions.contains(String(last)) || !file.name.contains("."),
      !file.isUnder("Core/Tests/TidyTests")
    else { return [] }
    return lines(of: file).compactMap { number, line in
      guard let match = line.firstMatch(of: /(?:\/\/|#|\*).*?\b(?:TODO|FIXME|XXX)\b[:(]?(.*)/),
        match.output.1.split(separator: " ").count < 4
      else { return nil }
      return .init(
        path: file.path,
        line: number,
        message: "says that something is left to do, but not what and why"
      )
    }
  }

  /// `Module.swift` stands in a target's folder until its first real file does.
  static func placeholders(_ file: SourceFile) -> [Finding] {
    guard file.name == "Module.swift" else { return [] }
    return [.init(path: file.path, line: 0, message: "a placeholder; a target begins with code")]
  }

  private static func lines(of file: SourceFile) -> [(Int, Substring)] {
    file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
      .map { ($0.offset + 1, $0.element) }
  }
}
