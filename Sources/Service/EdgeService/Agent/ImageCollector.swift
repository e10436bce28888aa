package import Containers
import EdgeEngine
package import HubContract
import JSONTree
package import Logging
import Platform

/// Removes images that no module has used for a while (edge contract section 4.7).
///
/// When an image was used last is kept in a file, since an engine does not know. An image is in use if
/// a module is made of it, or the deployment names it.
package struct ImageCollector: Sendable {
  let agent: ModuleAgent
  let runtime: any ModuleRuntime
  let settings: ImageCollectionSettings
  let path: String
  let logger: Logger

  /// Collects images of `runtime`; when each was used last is kept at `path`.
  package init(
    agent: ModuleAgent,
    runtime: any ModuleRuntime,
    settings: ImageCollectionSettings,
    path: String,
    logger: Logger
  ) {
    self.agent = agent
    self.runtime = runtime
    self.settings = settings
    self.path = path
    self.logger = logger
  }

  /// Runs until it is cancelled.
  func run() async {
    guard settings.isEnabled else { return }
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(Self.pause(settings, now: ModuleAgent.now())))
      guard !Task.isCancelled else { return }
      do {
        try await collect(now: ModuleAgent.now())
      } catch let fault as RuntimeFault where fault.code == .unreachable {
        // Without an engine there are no images.
      } catch {
        logger.warning("unused images cannot be removed", metadata: ["error": "\(error)"])
      }
    }
  }

  /// Seconds until the next removal: at a minute of the day, and then every so often.
  static func pause(_ settings: ImageCollectionSettings, now: Timestamp) -> Int64 {
    let day: Int64 = 86_400
    let sinceMidnight = ((now.seconds % day) + day) % day
    let wait = Int64(settings.minuteOfDay) * 60 - sinceMidnight
    let first = wait > 0 ? wait : wait + day
    return first + max(settings.recurrenceSeconds - day, 0)
  }

  /// Looks at all images once.
  package func collect(now: Timestamp) async throws {
    let used = await agent.usedImages()
    var lastUse = Self.read(path)
    let images = try await runtime.images()
    for image in images {
      // Only what this agent has used is its business.
      let isUsed =
        used.hashes.contains(image.id) || image.names.contains(where: used.names.contains)
      if isUsed { lastUse[image.id] = now }
      guard !isUsed, let last = lastUse[image.id],
        last.adding(seconds: settings.ageSeconds) <= now
      else { continue }
      do {
        try await runtime.removeImage(image.id)
        lastUse[image.id] = nil
        logger.info(
          "removed an image that is not used",
          metadata: ["image": "\(image.names.first ?? image.id)", "bytes": "\(image.byteCount)"]
        )
      } catch let fault as RuntimeFault where fault.code == .conflict {
        // A container that is no module uses it.
      }
    }
    agent.verifier.keepOnly(images)
    let there = Set(images.map(\.id))
    let kept = lastUse.filter { there.contains($0.key) }
    let json = JSONObject(
      kept.sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value.iso8601)) }
    )
    try PrivateFile.replace(path, with: JSON.bytes(.object(json)))
  }

  private static func read(_ path: String) -> [String: Timestamp] {
    guard let bytes = try? PrivateFile.read(path), let json = try? JSON.parse(bytes).objectValue
    else { return [:] }
    var found: [String: Timestamp] = [:]
    for (id, time) in json { found[id] = time.stringValue.flatMap { Timestamp(iso8601: $0) } }
    return found
  }
}

extension ModuleAgent {
  /// The images that are in use: by hash those of modules, by name those of the deployment.
  func usedImages() -> (hashes: Set<String>, names: Set<String>) {
    let wanted = agent.configuration?.allModules.filter { $0.kind == .docker } ?? []
    let names = wanted.compactMap { agent.source(of: $0.pinnedImage)?.reference }
      .flatMap { reference in
        // An engine leaves out what it takes for granted, and the tag where there is a digest.
        [reference, reference.digest.map { reference.pinned(to: $0) }].compactMap {
          $0?.description
        }
        .flatMap { [$0, $0.replacing("docker.io/library/", with: "")] }
      }
    return (Set(machine.map(\.imageHash)), Set(names + machine.map(\.image)))
  }
}
