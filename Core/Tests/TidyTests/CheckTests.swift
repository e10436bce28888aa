import Testing

// Each check against small samples: it must find what it is for, and let the rest pass.

@Suite("Blanking comments and strings")
struct SourceTextTests {
  @Test(
    "what remains is code",
    arguments: [
      ("a // print(1)", "a            "),
      ("a /* b /* c */ d */ e", "a                   e"),
      (#"f("print(1)")"#, #"f("        ")"#),
      (#"f("a\"b") // c"#, ##"f("    ")     "##),
      (##"f(#"a"b"#)"##, ##"f(#"   "#)"##),
      (#"f("a\(g("x") + h)b")"#, #"f("  (g(" ") + h) ")"#),
      ("x /* open", "x        "),
    ]
  )
  func singleLine(text: String, code: String) {
    #expect(SourceText(text).code == [code])
  }

  @Test("strings of many lines are blank to their closing quotes")
  func multiline() {
    let source = SourceText("let a = \"\"\"\n  print(\"x\")\n  \"\"\"\nprint(a)")
    #expect(source.code == ["let a = \"\"\"", "            ", "  \"\"\"", "print(a)"])
  }

  @Test("lines keep their number")
  func lineCount() {
    let source = SourceText("/*\n\n*/\nlet a = 1\n")
    #expect(source.lines.count == 5)
    #expect(source.code.count == 5)
    #expect(source.code[3] == "let a = 1")
  }
}

@Suite("Import rules")
struct ImportRulesTests {
  private func findings(_ path: String, _ text: String) -> [String] {
    ImportRules.orrery.check(SourceTree(files: [.init(path: path, text: text)]))
      .map(\.description)
  }

  @Test("a wire format may not know the contract")
  func mqttOverHubContract() {
    #expect(
      findings("Core/Sources/Wire/MQTT/A.swift", "import ByteIO\nimport HubContract\n")
        == ["Core/Sources/Wire/MQTT/A.swift:2: MQTT may not import HubContract"]
    )
  }

  @Test("the engine knows messages, not packets")
  func hubEngineOverMQTT() {
    #expect(findings("Core/Sources/Engine/HubEngine/A.swift", "import MQTT").count == 1)
    #expect(findings("Core/Sources/Engine/HubEngine/A.swift", "public import HubContract").isEmpty)
  }

  @Test(
    "Core has no Foundation and no NIO, however the import is spelled",
    arguments: [
      "import Foundation", "@preconcurrency import NIOCore",
      "import struct FoundationEssentials.Date",
      "private import Foundation", "  import Glibc",
    ]
  )
  func systemModules(line: String) {
    #expect(findings("Core/Sources/Wire/JSONTree/A.swift", line).count == 1)
  }

  @Test("a mention in a comment or a string is no import")
  func mentions() {
    let text = "// import Foundation\nlet a = \"\"\"\nimport NIO\n\"\"\"\n"
    #expect(findings("Core/Sources/Wire/JSONTree/A.swift", text).isEmpty)
  }

  @Test("a target that the table does not know is reported once")
  func unknownTarget() {
    let tree = SourceTree(files: [
      .init(path: "Sources/Service/Weather/A.swift", text: "import HubService"),
      .init(path: "Sources/Service/Weather/B.swift", text: ""),
    ])
    #expect(
      ImportRules.orrery.check(tree).map(\.message) == [
        "target 'Weather' is not in ImportRules"
      ]
    )
  }

  @Test("tests may import what they like")
  func tests() {
    #expect(findings("Core/Tests/MQTTTests/A.swift", "import Foundation").isEmpty)
  }

  @Test(
    "a folder tells the target",
    arguments: [
      ("Core/Sources/Wire/ByteIO/A.swift", "ByteIO"),
      ("Core/Sources/Simulation/Disk/A.swift", "Simulation"),
      ("Sources/Platform/Endpoints/A.swift", "Endpoints"),
      ("Sources/Command/orrery/Sub/A.swift", "orrery"),
      ("Core/Package.swift", nil),
      ("Fuzz/Sources/FuzzJSON/A.swift", nil),
    ] as [(String, String?)]
  )
  func target(path: String, target: String?) {
    #expect(ImportRules.target(of: path) == target)
  }
}

@Suite("Banned constructs")
struct BannedConstructsTests {
  private func lines(_ path: String, _ text: String) -> [Int] {
    BannedConstructs.check(.init(path: path, text: text)).map(\.line)
  }

  @Test(
    "each is found",
    arguments: [
      "Task.detached { }", "print(1)", "let a = try! f()", "let a = b as! C", "debugPrint(a)",
      #"fatalError("TODO")"#, #"fatalError("not implemented yet")"#, "fatalError()",
      "final class A: @unchecked Sendable {}", "nonisolated(unsafe) var a = 1", "usleep(3)",
    ]
  )
  func found(line: String) {
    #expect(lines("Sources/Service/HubService/A.swift", "\n" + line) == [2])
  }

  @Test(
    "what only looks alike is not",
    arguments: [
      "// print(1)", #"log("print(1)")"#, "blueprint(1)", "table.print(1)", "try? f()", "a as? B",
      #"fatalError("slot \(a) was freed twice")"#, "func print(_ line: String) {}",
      "let a: any Sendable", "task.sleep(1)",
    ]
  )
  func passed(line: String) {
    #expect(lines("Sources/Service/HubService/A.swift", line) == [])
  }

  @Test("a command prints")
  func command() {
    #expect(lines("Sources/Command/orrery/A.swift", "print(1)") == [])
    #expect(lines("Core/Sources/Wire/MQTT/A.swift", "print(1)") == [1])
    #expect(lines("Core/Tests/MQTTTests/A.swift", "print(1)") == [])
  }

  @Test("unchecked sharing passes with a comment that explains it, but never in Core")
  func uncheckedSharing() {
    let text = """
      /// Every field is touched on its event loop only.
      @safe
      final class A: @unchecked Sendable {
      }
      """
    #expect(lines("Sources/Platform/Endpoints/A.swift", text) == [])
    #expect(lines("Core/Sources/Simulation/A.swift", text) == [3])
    let far = "// About something else.\n\nfinal class A: @unchecked Sendable {}"
    #expect(lines("Sources/Platform/Endpoints/A.swift", far) == [3])
  }
}

@Suite("File rules")
struct FileRulesTests {
  @Test("the longest allowed file passes and one more line does not")
  func length() {
    let full = String(repeating: "\n", count: FileRules.maximumLines)
    #expect(FileRules.length(.init(path: "a.swift", text: full)).isEmpty)
    #expect(FileRules.length(.init(path: "a.swift", text: full + "\n")).count == 1)
    #expect(FileRules.length(.init(path: "a.json", text: full + "\n")).isEmpty)
  }

  @Test("a path of one machine is found, a word that contains one is not")
  func machinePaths() {
    let home = "/" + "home/"
    let texts = ["see \(home)ann/x", "\(home)ann", "\"\(home)ann\"", "at home/office", "a\(home)b"]
    let found = texts.map { FileRules.machinePaths(.init(path: "a.md", text: $0)).count }
    #expect(found == [1, 1, 1, 0, 0])
  }

  @Test("an open end must say what and why")
  func openEnds() {
    let texts = [
      "// TODO", "// TODO: later", "// FIXME: mend", "let todo = 1",
      "// TODO: read the length once the format states it",
    ]
    let found = texts.map { FileRules.openEnds(.init(path: "a.swift", text: $0)).count }
    #expect(found == [1, 1, 1, 0, 0])
  }

  @Test("a placeholder is found by its name")
  func placeholders() {
    #expect(FileRules.placeholders(.init(path: "Core/Sources/X/Module.swift", text: "")).count == 1)
    #expect(FileRules.placeholders(.init(path: "Core/Sources/X/ModuleID.swift", text: "")).isEmpty)
  }
}

@Suite("Links between pages")
struct MarkdownLinksTests {
  private func messages(_ text: String, others: [SourceFile] = []) -> [String] {
    let page = SourceFile(path: "docs/page.md", text: text)
    return MarkdownLinks(SourceTree(files: [page] + others)).check(page).map(\.description)
  }

  @Test("a file that is there passes, one that is not is named with its line")
  func files() {
    let other = SourceFile(path: "docs/other.md", text: "# Two words, and `code`\n# Two\n# Two\n")
    #expect(messages("[a](other.md) ![b](../docs/other.md)", others: [other]).isEmpty)
    #expect(messages("\n[a](gone.md)") == ["docs/page.md:2: dead link 'gone.md'"])
    #expect(messages("[a](../../outside.md)").count == 1)
    #expect(messages("[a]: gone.md").count == 1)
  }

  @Test("a heading must be there too")
  func anchors() {
    let other = SourceFile(path: "docs/other.md", text: "# Two words, and `code`\n# Two\n# Two\n")
    #expect(messages("[a](other.md#two-words-and-code)", others: [other]).isEmpty)
    #expect(messages("[a](other.md#two-1)", others: [other]).isEmpty)
    #expect(messages("[a](other.md#three)", others: [other]).count == 1)
    #expect(messages("# Here\n[a](#here) [b](#there)").count == 1)
  }

  @Test("addresses elsewhere and code are not our business")
  func passed() {
    #expect(messages("[a](https://example.org/x) `[b](gone.md)`").isEmpty)
    #expect(messages("```\n[b](gone.md)\n```\n").isEmpty)
  }
}

@Suite("Completeness")
struct CompletenessTests {
  @Test("a target that the map does not mention is named")
  func targets() {
    let source = SourceFile(path: "Core/Sources/Wire/MQTT/A.swift", text: "")
    let map = SourceFile(path: "docs/ARCHITECTURE.md", text: "`MQTT`")
    let empty = SourceFile(path: "docs/ARCHITECTURE.md", text: "MQTT")
    #expect(Completeness.undocumentedTargets(SourceTree(files: [source, map])).isEmpty)
    #expect(Completeness.undocumentedTargets(SourceTree(files: [source, empty])).count == 1)
    #expect(Completeness.undocumentedTargets(SourceTree(files: [source])).count == 1)
  }

  @Test("vectors that no test names are found")
  func vectors() {
    let data = SourceFile(path: "Core/Tests/Vectors/rfc8259/a.json", text: "{}")
    let test = SourceFile(path: "Core/Tests/JSONTreeTests/A.swift", text: "load(\"rfc8259\")")
    #expect(Completeness.unusedVectors(SourceTree(files: [data, test])).isEmpty)
    #expect(
      Completeness.unusedVectors(SourceTree(files: [data])).map(\.description)
        == ["Core/Tests/Vectors/rfc8259: no test loads these vectors"]
    )
  }

  @Test("a fuzzer that the manifest does not name is found")
  func fuzzers() {
    let fuzzer = SourceFile(path: "Fuzz/Sources/FuzzX/A.swift", text: "")
    let manifest = SourceFile(path: "Fuzz/Package.swift", text: "fuzzer(\"FuzzX\")")
    let other = SourceFile(path: "Fuzz/Package.swift", text: "")
    #expect(Completeness.unbuiltFuzzers(SourceTree(files: [fuzzer, manifest])).isEmpty)
    #expect(Completeness.unbuiltFuzzers(SourceTree(files: [fuzzer, other])).count == 1)
  }
}
