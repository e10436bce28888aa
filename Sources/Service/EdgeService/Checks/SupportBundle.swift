import Containers
package import EdgeEngine
import Glibc
package import HubContract
import JSONTree
import NIOPosix
package import Platform

/// What support wants to see of a box, besides its modules.
///
/// That is what checks find, how the processes are and what they have written. Secrets are taken out of
/// all of it.
package struct SupportBundle: Sendable {
  private let settings: Result<EdgeSettings, SettingsFault>
  private let paths: EdgePaths
  private let variables: [String: String]

  /// The most bytes of a log.
  private static let logLimit = 16 << 20
  /// The name of the edge's service in the journal.
  package static let unit = "orrery-edge"

  package init(
    settings: Result<EdgeSettings, SettingsFault>,
    paths: EdgePaths,
    variables: [String: String]
  ) {
    (self.settings, self.paths, self.variables) = (settings, paths, variables)
  }

  /// Adds all of it to an archive.
  package func add(
    to archive: inout ZipArchive,
    since: Timestamp? = nil,
    options: CheckOptions = CheckOptions()
  ) async {
    let ports = BoxPorts(paths: paths, variables: variables)
    let reports = await CheckRun.run(
      settings: settings,
      paths: paths,
      options: options,
      ports: ports
    )
    let checks = CheckRun.json(reports, version: EdgeVersion.runtime.version)
    archive.add("check.json", Redaction.redact(Array(JSON.prettyText(checks).utf8)))
    if let status = try? ports.supervisor() {
      archive.add("processes.json", Array(JSON.prettyText(status).utf8))
    }
    guard let read = try? settings.get() else { return }
    if let networks = try? await ports.engine(.networks, read) {
      archive.add("network/networks.json", Redaction.redact(Array(JSON.prettyText(networks).utf8)))
    }
    for (name, bytes) in await logs(read.logFolder, since) {
      archive.add("service-logs/\(name)", Redaction.redact(bytes))
    }
  }

  private func logs(_ folder: String?, _ since: Timestamp?) async -> [(String, [UInt8])] {
    guard let folder else {
      let journal = try? await NIOThreadPool.singleton.runIfActive { Self.journal(since) }
      return journal.map { [("journal.txt", $0)] } ?? []
    }
    return EdgeRole.allCases.compactMap { role in
      let parts = RoleLogs.files(of: role, in: folder).compactMap {
        try? PrivateFile.read($0, limit: 64 << 20)
      }
      guard !parts.isEmpty else { return nil }
      return ("\(role.rawValue).txt", Array(parts.joined().suffix(Self.logLimit)))
    }
  }

  /// What the journal has of the service; empty where there is no journal.
  private static func journal(_ since: Timestamp?) -> [UInt8] {
    // Nothing in the line comes from outside but a number.
    let time = since.map { " --since @\($0.seconds)" } ?? ""
    let command =
      "timeout 20 journalctl --unit \(unit)\(time) --lines 100000 --no-pager --output cat 2>/dev/null"
    guard let pipe = popen(command, "re") else { return [] }
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < logLimit {
      let count = fread(&chunk, 1, chunk.count, pipe)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return bytes
  }
}
