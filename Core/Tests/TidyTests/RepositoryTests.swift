import Testing

/// The checks of this folder, run over the repository itself.
@Suite("The repository is tidy")
struct RepositoryTests {
  private let tree = SourceTree.repository

  @Test("the tree was found: it holds the manifests and more than a handful of sources")
  func treeIsThere() {
    #expect(tree.file("Package.swift") != nil)
    #expect(tree.file("Core/Package.swift") != nil)
    #expect(tree.files.count { $0.hasExtension("swift") } > 20)
    #expect(!tree.paths.contains { $0.contains(".build/") })
  }

  @Test("imports follow the rings")
  func imports() { expectNone(ImportRules.orrery.check(tree)) }

  @Test("banned constructs stay out")
  func bannedConstructs() { expectNone(tree.files.flatMap(BannedConstructs.check)) }

  @Test("no file is longer than a person reads")
  func fileLength() { expectNone(tree.files.flatMap(FileRules.length)) }

  @Test("no file names a path of one machine")
  func machinePaths() { expectNone(tree.files.flatMap(FileRules.machinePaths)) }

  @Test("what is left undone says what and why")
  func openEnds() { expectNone(tree.files.flatMap(FileRules.openEnds)) }

  @Test("no target stands on a placeholder")
  func placeholders() { expectNone(tree.files.flatMap(FileRules.placeholders)) }

  @Test("links between our pages lead somewhere")
  func links() { expectNone(tree.files.flatMap(MarkdownLinks(tree).check)) }

  @Test("every target stands in the map")
  func documentedTargets() { expectNone(Completeness.undocumentedTargets(tree)) }

  @Test("every folder of vectors is loaded by a test")
  func vectors() { expectNone(Completeness.unusedVectors(tree)) }

  @Test("every fuzzer is built")
  func fuzzers() { expectNone(Completeness.unbuiltFuzzers(tree)) }
}

/// Fails once per finding, so that each is a line of its own in the log.
private func expectNone(
  _ findings: [Finding],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  for finding in findings {
    Issue.record(Comment(rawValue: finding.description), sourceLocation: sourceLocation)
  }
}
