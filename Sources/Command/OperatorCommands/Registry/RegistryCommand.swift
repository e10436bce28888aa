import ArgumentParser
import JSONTree
import Platform

/// `orrery registry`: all identities at once.
struct RegistryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "registry",
    abstract: "Export and import all identities.",
    discussion: """
      One identity with its twin a line, as JSON, modules after their devices.
      """,
    subcommands: [RegistryExport.self, RegistryImport.self]
  )
}

struct RegistryExport: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write all identities and twins, one a line.",
    discussion: """
      With --keys it can be imported elsewhere and devices go on as they are. Keep such a file as you \
      keep keys; it is made for you alone.

        orrery registry export fleet.ndjson --keys
        orrery registry export | jq -r .id
      """
  )

  @Argument(
    help: ArgumentHelp("Where to write; without it, to the output.", valueName: "file"),
    completion: .file()
  )
  var file: String?

  @Flag(help: "With the keys; takes a policy with RegistryWrite.") var keys = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let request = HubRequest(.get, ["registry", "export"])
        .query("keys", keys ? "true" : nil)
        .timeout(seconds: 600)
      let response = try await client.perform(request, "the export")
      let lines = response.body.split(separator: UInt8(ascii: "\n")).count
      guard let file else {
        printer.console.writeOutput(String(decoding: response.body, as: UTF8.self))
        return
      }
      do {
        try PrivateFile.replace(file, with: response.body)
      } catch {
        throw CommandFailure(.file(error), "\(error)")
      }
      printer.console.remark("Wrote \(lines) identities to \(file).")
    }
  }
}

struct RegistryImport: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Create, change or delete identities that a file lists.",
    discussion: """
      Each line may say what to do with importMode: create, update, delete and so on; without, it \
      creates or updates. What fails is listed, and the rest is done.

        orrery registry import fleet.ndjson
      """
  )

  @Argument(
    help: ArgumentHelp("What to read; - is the input.", valueName: "file"),
    completion: .file()
  )
  var file: String

  @OptionGroup var hub: HubOptions

  /// Lines in one request: few enough that progress shows and a request stays short.
  private static let batch = 2000

  func run() async throws {
    let bytes = try InputText.bytes(file == "-" ? file : "@\(file)")
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
      .filter { line in line.contains { $0 > 0x20 } }
    try await hub.withHub { client, printer in
      let progress = Progress("identities")
      var outcome = ImportOutcome()
      var done = 0
      while done < lines.count {
        let part = lines[done..<min(done + Self.batch, lines.count)]
        var request = HubRequest(.post, ["registry", "import"]).timeout(seconds: 600)
        request.headers.append((name: "Content-Type", value: "application/x-ndjson"))
        request.body = Array(part.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")]
        let answer = try await client.perform(request, "the import, from line \(done + 1) on")
        outcome.add(try answer.json(), firstLine: done)
        done += part.count
        progress.show(done, of: lines.count)
      }
      progress.end()
      printer.show(outcome.json) { printer in
        printer.line("Imported \(outcome.succeeded) of \(lines.count) identities.")
        if !outcome.failures.isEmpty { printer.table(outcome.table, none: "") }
      }
      guard outcome.failed == 0 else {
        throw CommandFailure(.failure, "\(outcome.failed) identities were not imported")
      }
    }
  }
}

/// What became of an import's lines.
struct ImportOutcome {
  private(set) var succeeded: Int64 = 0
  private(set) var failed: Int64 = 0
  /// The first thousand failures of each part of the file.
  private(set) var failures: [JSONValue] = []

  /// Adds the answer for a part of the file that begins behind `firstLine`.
  mutating func add(_ answer: JSONValue, firstLine: Int) {
    succeeded += answer["succeeded"]?.int64Value ?? 0
    failed += answer["failed"]?.int64Value ?? 0
    for failure in answer["errors"]?.arrayValue ?? [] {
      var failure = failure.objectValue ?? [:]
      if let line = failure["line"]?.int64Value { failure["line"] = .int(line + Int64(firstLine)) }
      failures.append(.object(failure))
    }
  }

  /// For programs.
  var json: JSONValue {
    ["succeeded": .int(succeeded), "failed": .int(failed), "errors": .array(failures)]
  }

  /// What failed, for people.
  var table: Table {
    var table = Table(["LINE", "DEVICE", "MODULE", "ERROR"])
    for failure in failures {
      let error = [failure["errorCode"], failure["errorStatus"]].compactMap { $0?.shown }
      table.append([
        Cell(failure["line"]?.shown ?? "-", .plain),
        Cell(failure["deviceId"]?.shown ?? "-", .strong), Cell(failure["moduleId"]?.shown ?? "-"),
        Cell(error.joined(separator: ": "), .plain),
      ])
    }
    return table
  }
}
