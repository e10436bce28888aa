/// Words that may not stand in our sources, and where they may.
enum BannedConstructs {
  /// A word, where it is banned, and what to do instead.
  private struct Rule {
    let pattern: Regex<Substring>
    let applies: @Sendable (SourceFile) -> Bool
    let message: String
  }

  // Matched against code alone: comments and strings are blank there.
  private static var rules: [Rule] {
    [
      Rule(
        pattern: /\bTask\s*\.\s*detached\b/,
        applies: isShipped,
        message: "a detached task escapes its owner and the simulation; use a task group"
      ),
      Rule(
        pattern: /(?:^|[^.\w`])(?:debugPrint|print|dump)\(/,
        applies: { isShipped($0) && !isCommand($0) },
        message: "only a command prints; log, or return the value"
      ),
      Rule(
        pattern: /\btry\s*!/,
        applies: isShipped,
        message: "'try!' turns a fault into a crash; handle it"
      ),
      Rule(
        pattern: /\bas\s*!/,
        applies: isShipped,
        message: "'as!' turns a wrong guess into a crash; use 'as?' and say what else"
      ),
      Rule(
        pattern: /(?:^|[^.\w])(?:Task\.sleep|Thread\.sleep|usleep|sleep)\(/,
        applies: { isShipped($0) && !$0.isUnder("Sources/Platform/Platform") && !isCommand($0) },
        message: "sleep only on an injected clock"
      ),
      Rule(
        pattern: /@unchecked\s+Sendable\b|\bnonisolated\(unsafe\)/,
        applies: { $0.isUnder("Core/Sources") },
        message: "Core keeps no unchecked shared state"
      ),
    ]
  }

  /// Sources that end up in what we ship, as opposed to tests, fuzzers and benchmarks.
  @Sendable private static func isShipped(_ file: SourceFile) -> Bool {
    file.isUnder("Core/Sources") || file.isUnder("Sources")
  }

  @Sendable private static func isCommand(_ file: SourceFile) -> Bool {
    file.isUnder("Sources/Command")
  }

  static func check(_ file: SourceFile) -> [Finding] {
    guard file.hasExtension("swift") else { return [] }
    let source = SourceText(file.text)
    let active = rules.filter { $0.applies(file) }
    var findings: [Finding] = []
    for (index, line) in source.code.enumerated() {
      for rule in active where line.firstMatch(of: rule.pattern) != nil {
        // A declaration of that name is not a call of it.
        guard line.firstMatch(of: /\bfunc\s+(?:print|dump|sleep)\b/) == nil else { continue }
        findings.append(.init(path: file.path, line: index + 1, message: rule.message))
      }
      findings += uncommented(line, at: index, of: source, in: file)
      findings += unwritten(source.lines[index], code: line, at: index, in: file)
    }
    return findings
  }

  /// Shared state that the compiler cannot check needs a comment naming what protects it.
  private static func uncommented(
    _ code: String,
    at index: Int,
    of source: SourceText,
    in file: SourceFile
  ) -> [Finding] {
    guard file.isUnder("Sources"),
      code.firstMatch(of: /@unchecked\s+Sendable\b|\bnonisolated\(unsafe\)/) != nil
    else { return [] }
    if source.lines[index].contains("//") { return [] }
    // Above: the comment may stand over the attributes and the first lines of the declaration.
    var above = index - 1
    while above >= 0, above >= index - 3 {
      let line = source.lines[above].drop { $0 == " " }
      if line.hasPrefix("//") { return [] }
      guard !line.isEmpty, !line.hasPrefix("}") else { break }
      above -= 1
    }
    return [
      .init(
        path: file.path,
        line: index + 1,
        message: "unchecked sharing needs a comment that names what protects the state"
      )
    ]
  }

  /// A trap in place of code that nobody wrote yet.
  ///
  /// What it says is a string and thus blank in the code: the raw line decides.
  private static func unwritten(
    _ raw: String,
    code: String,
    at index: Int,
    in file: SourceFile
  ) -> [Finding] {
    guard isShipped(file),
      code.firstMatch(of: /\b(?:fatalError|preconditionFailure|assertionFailure)\(/) != nil,
      raw.firstMatch(
        of: /(?:fatalError|Failure)\(\s*(?:\)|"[^"]*(?i:todo|fixme|unimplemented|not implemented))/
      ) != nil
    else { return [] }
    return [
      .init(
        path: file.path,
        line: index + 1,
        message: "a trap must say which rule was broken; unwritten code must not be reachable"
      )
    ]
  }
}
