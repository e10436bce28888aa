/// Links between our own pages: the file must be there, and so must the heading.
struct MarkdownLinks {
  private let tree: SourceTree

  init(_ tree: SourceTree) { self.tree = tree }

  func check(_ file: SourceFile) -> [Finding] {
    guard file.hasExtension("md") else { return [] }
    var findings: [Finding] = []
    for (line, link) in Self.links(in: file.text) {
      guard !link.contains("://"), !link.hasPrefix("mailto:") else { continue }
      let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let target = parts[0].isEmpty ? file.path : Self.resolve(String(parts[0]), from: file.path)
      guard let target, tree.paths.contains(target) else {
        findings.append(.init(path: file.path, line: line, message: "dead link '\(link)'"))
        continue
      }
      guard parts.count == 2, target.hasSuffix(".md"), let page = tree.file(target) else {
        continue
      }
      if !Self.anchors(of: page.text).contains(String(parts[1])) {
        findings.append(
          .init(path: file.path, line: line, message: "no heading '#\(parts[1])' in \(target)")
        )
      }
    }
    return findings
  }

  /// The targets of `[text](target)`, `![text](target)` and `[name]: target` outside code.
  static func links(in text: String) -> [(line: Int, target: String)] {
    var found: [(Int, String)] = []
    for (number, line) in prose(text) {
      for match in line.matches(of: /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/) {
        found.append((number, String(match.output.1)))
      }
      if let match = line.firstMatch(of: /^\s*\[[^\]]+\]:\s+<?([^\s>]+)/) {
        found.append((number, String(match.output.1)))
      }
    }
    return found
  }

  /// The fragment identifiers that the usual renderers give to a page's headings.
  static func anchors(of text: String) -> Set<String> {
    var anchors: Set<String> = []
    for (_, line) in prose(text, keepingInlineCode: true) where line.hasPrefix("#") {
      let title = line.drop { $0 == "#" }.drop { $0 == " " }
      let slug = String(
        title.lowercased().compactMap { character -> Character? in
          if character == " " { return "-" }
          return character.isLetter || character.isNumber || "-_".contains(character)
            ? character : nil
        }
      )
      // A repeated heading gets a number.
      var unique = slug
      var count = 0
      while !anchors.insert(unique).inserted {
        count += 1
        unique = "\(slug)-\(count)"
      }
    }
    return anchors
  }

  /// The lines outside fenced code, with inline code blanked unless asked otherwise.
  private static func prose(
    _ text: String,
    keepingInlineCode: Bool = false
  ) -> [(number: Int, line: String)] {
    var lines: [(Int, String)] = []
    var isFenced = false
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      if line.drop(while: { $0 == " " }).hasPrefix("```") {
        isFenced.toggle()
      } else if !isFenced {
        let blanked = keepingInlineCode ? line : Substring(line.replacing(/`[^`]*`/, with: "`"))
        lines.append((index + 1, String(blanked)))
      }
    }
    return lines
  }

  /// The path a relative link leads to; nil when it leaves the repository.
  static func resolve(_ link: String, from path: String) -> String? {
    var parts = link.hasPrefix("/") ? [] : Array(path.split(separator: "/").dropLast())
    for part in link.split(separator: "/") where part != "." {
      if part == ".." {
        guard parts.popLast() != nil else { return nil }
      } else {
        parts.append(part)
      }
    }
    return parts.joined(separator: "/")
  }
}
