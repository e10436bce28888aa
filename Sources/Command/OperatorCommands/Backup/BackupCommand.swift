import ArgumentParser
import Glibc
import JSONTree

/// `orrery backup`: a copy of a hub's data while it runs.
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy a running hub's data into a directory.",
    discussion: """
      One consistent picture of identities, twins, queues, events, certificates and keys. The hub \
      writes it, so the directory is one of the hub's machine. It holds private keys: keep it like \
      one.

        orrery backup /backup/monday
      """
  )

  @Argument(help: "A directory that does not exist yet.", completion: .directory)
  var directory: String

  @OptionGroup var hub: HubOptions

  func run() async throws {
    let path = AbsolutePath.of(directory)
    try await hub.withHub { client, printer in
      let request = HubRequest(.post, ["admin", "backup"])
        .body(["path": .string(path)])
        .timeout(seconds: 3600)
      let response = try await client.perform(request, "the backup into \(path)")
      let answer: JSONValue = response.body.isEmpty ? ["path": .string(path)] : try response.json()
      printer.show(answer) { printer in
        printer.line("Backed up to \(path).")
        printer.console.remark("Restore it with: orrery restore \(path) --data DIR")
      }
    }
  }
}

/// Paths that mean the same to another process.
package enum AbsolutePath {
  /// `path` from the root on, without `.` and `..`; seen from `directory`, or from where we are.
  package static func of(_ path: String, from directory: String? = nil) -> String {
    // By bytes, as the system takes it apart.
    let slash = UInt8(ascii: "/")
    let base = path.utf8.first == slash ? "" : directory ?? workingDirectory()
    var parts: [Substring] = []
    for part in "\(base)/\(path)".utf8.split(separator: slash).map({ Substring($0) })
    where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  private static func workingDirectory() -> String {
    guard let buffer = getcwd(nil, 0) else { return "" }
    defer { free(buffer) }
    return String(cString: buffer)
  }
}
