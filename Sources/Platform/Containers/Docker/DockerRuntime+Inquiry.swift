package import JSONTree
import NIOHTTP1

/// What operators ask of the engine itself.
extension DockerRuntime {
  /// A question that changes nothing.
  package enum Question: Equatable, Sendable {
    /// Its versions.
    case version
    /// Itself and its machine.
    case information
    /// All networks.
    case networks

    fileprivate var path: String {
      switch self {
      case .version: "version"
      case .information: "info"
      case .networks: "networks"
      }
    }
  }

  /// A container that is run once, to see what it comes to.
  package struct Trial: Equatable, Sendable {
    package let image: String
    package let words: [String]
    /// Nil for the engine's default network.
    package let networkID: String?

    package init(image: String, words: [String], networkID: String?) {
      (self.image, self.words, self.networkID) = (image, words, networkID)
    }
  }

  /// Seconds that an answer may take.
  private static let inquirySeconds: Int64 = 10
  /// The most bytes of what a trial has written.
  private static let outputLimit = 2_000

  /// Asks the engine.
  ///
  /// - Throws: `RuntimeFault`.
  package func ask(_ question: Question) async throws -> JSONValue {
    try await client.perform(
      EngineClient.Request(
        path: [question.path],
        subject: "Asking the container engine",
        seconds: Self.inquirySeconds
      )
    )
  }

  /// Runs a container until it ends, and removes it: its exit code, and the end of what it wrote.
  ///
  /// - Throws: `RuntimeFault`.
  package func run(_ trial: Trial) async throws -> (code: Int64, output: String) {
    let created = try await client.perform(
      EngineClient.Request(
        method: .POST,
        path: ["containers", "create"],
        body: [
          "Image": .string(trial.image), "Cmd": .array(trial.words.map { .string($0) }),
          "HostConfig": ["NetworkMode": .string(trial.networkID ?? "default")],
        ],
        subject: "Creating a container of \(trial.image)"
      )
    )
    let id = created["Id"]?.stringValue ?? ""
    do {
      try await start(id)
      let end = try await client.perform(
        EngineClient.Request(
          method: .POST,
          path: ["containers", id, "wait"],
          subject: "Waiting for a container of \(trial.image)",
          seconds: Self.inquirySeconds
        )
      )
      var output: [UInt8] = []
      try await logs(of: id, LogQuery(tail: 20)) { output += $0.bytes }
      try await remove(id)
      return (
        end["StatusCode"]?.int64Value ?? -1,
        String(decoding: output.suffix(Self.outputLimit), as: UTF8.self)
      )
    } catch {
      try? await remove(id)
      throw error
    }
  }
}
