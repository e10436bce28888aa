import ByteIO
package import EdgeEngine
import JSONTree
import NIOHTTP1
import Platform
import Synchronization

/// What both sides of fetching an image know: how far it is, and when something came last.
private final class PullWatch: Sendable {
  private let state = Mutex((heard: SystemClock.now(), progress: PullProgress()))

  var progress: PullProgress { state.withLock { $0.progress } }

  var silentSeconds: Int64 {
    let silent = SystemClock.now().nanoseconds - state.withLock { $0.heard }.nanoseconds
    return Int64(clamping: silent / 1_000_000_000)
  }

  func heard(_ progress: PullProgress) {
    state.withLock { $0 = (SystemClock.now(), progress) }
  }
}

extension DockerRuntime {
  /// Seconds that a registry may be silent before fetching ends.
  private static let silenceSeconds: Int64 = 120

  package func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws {
    let reference = source.reference
    guard reference.layoutPath == nil else {
      throw RuntimeFault(
        .refused,
        "Fetching \(reference): a container engine fetches from registries alone. Push the image to "
          + "one, or run modules with crun (uri = \"crun:\" in [moby_runtime])."
      )
    }
    let name = (reference.registry.map { $0 + "/" } ?? "") + reference.repository
    let request = EngineClient.Request(
      method: .POST,
      path: ["images", "create"],
      query: [("fromImage", name), ("tag", reference.digest ?? reference.tag ?? "latest")],
      headers: Self.authorization(source.credential),
      subject: "Fetching \(reference)"
    )
    let watch = PullWatch()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        var stream = PullStream()
        do {
          try await client.stream(request) { bytes in
            try stream.receive(bytes)
            watch.heard(stream.progress)
            progress(stream.progress)
          }
          try stream.end()
        } catch let fault as JSONFault {
          throw RuntimeFault(
            .failed,
            "Fetching \(reference): the container engine sent what cannot be read, \(fault)."
          )
        }
        if let failure = stream.failure {
          throw RuntimeFault(
            .failed,
            "Fetching \(reference): \(failure) (got so far: \(watch.progress))"
          )
        }
      }
      group.addTask {
        while true {
          try await Pause.sleep(for: .seconds(5))
          guard watch.silentSeconds < Self.silenceSeconds else {
            throw RuntimeFault(
              .timedOut,
              "Fetching \(reference): nothing came for \(Self.silenceSeconds) seconds (got so far: "
                + "\(watch.progress)). Is the registry reachable from here?"
            )
          }
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// The header that carries a credential: base64url of JSON (edge contract section 2.5).
  private static func authorization(
    _ credential: RegistryCredential?
  ) -> [(name: String, value: String)] {
    guard let credential else { return [] }
    let fields: JSONValue = [
      "username": .string(credential.username), "password": .string(credential.password),
      "serveraddress": .string(credential.address),
    ]
    let value = String(
      Base64.encode(JSON.bytes(fields)).map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }
    )
    return [("X-Registry-Auth", value)]
  }

  package func image(_ name: String) async throws -> StoredImage? {
    do {
      return Self.stored(
        try await client.perform(
          EngineClient.Request(
            path: ["images", name, "json"],
            subject: "Looking for the image \(name)"
          )
        )
      )
    } catch let fault as RuntimeFault where fault.code == .notFound {
      return nil
    }
  }

  package func images() async throws -> [StoredImage] {
    let list = try await client.perform(
      EngineClient.Request(path: ["images", "json"], subject: "Listing images")
    )
    return (list.arrayValue ?? []).compactMap(Self.stored)
  }

  private static func stored(_ image: JSONValue) -> StoredImage? {
    guard let id = image["Id"]?.stringValue else { return nil }
    let names = ["RepoTags", "RepoDigests"].flatMap { image[$0]?.arrayValue ?? [] }
      .compactMap(\.stringValue)
      .filter { !$0.hasPrefix("<none>") }
    return StoredImage(id: id, names: names, byteCount: image["Size"]?.int64Value ?? 0)
  }

  package func removeImage(_ id: String) async throws {
    do {
      try await client.perform(
        EngineClient.Request(
          method: .DELETE,
          path: ["images", id],
          // All its names go; one that a container uses is refused all the same.
          query: [("force", "false")],
          subject: "Removing the image \(id)"
        )
      )
    } catch let fault as RuntimeFault where fault.code == .notFound {
      return
    }
  }
}
