import Containers
import EdgeEngine
import JSONTree

/// The container engine that an edge of `orrery edge dev` uses: looked at before, tidied up behind it.
struct DevelopmentEngine: Sendable {
  /// The network that modules join, unless their create options name another.
  private static let network = "azure-iot-edge"

  private let runtime: DockerRuntime
  /// Whether the network was there before.
  private let hadNetwork: Bool

  /// Looks at the engine at `uri`, `unix:///path` or `http://host:port`.
  ///
  /// - Throws: `CommandFailure` where it has an edge's modules already: an edge takes all of them for
  ///   its own, and would remove those of another.
  init(_ uri: String) async throws {
    let prefix = "unix://"
    let runtime = DockerRuntime(
      address: uri.hasPrefix(prefix) ? String(uri.dropFirst(prefix.count)) : uri,
      networkID: Self.network
    )
    do {
      let names = try await runtime.modules().map(\.name)
      guard names.isEmpty else {
        throw CommandFailure(
          .conflict,
          "the container engine at \(uri) has an edge's modules already: "
            + names.joined(separator: ", "),
          remedy: "If no edge uses it, remove what is left: docker rm -f "
            + names.joined(separator: " ")
        )
      }
      let networks = try await runtime.ask(.networks).arrayValue ?? []
      hadNetwork = networks.contains { $0["Name"]?.stringValue == Self.network }
      self.runtime = runtime
    } catch {
      await runtime.close()
      throw (error as? RuntimeFault).map {
        CommandFailure(.failure, $0.description.withoutFullStop)
      }
        ?? error
    }
  }

  /// Removes what the edge has made there, but for images; says what it could not.
  func tidyUp(_ console: Console) async {
    do {
      for module in try await runtime.modules() { try await runtime.remove(module.name) }
      if !hadNetwork { try await runtime.removeNetwork() }
    } catch {
      console.remark("warning: something stays in the container engine: \(error)")
    }
    await runtime.close()
  }
}
