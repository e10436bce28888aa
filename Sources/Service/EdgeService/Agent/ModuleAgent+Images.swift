import Containers
import EdgeEngine
import Logging

extension ModuleAgent {
  func fetch(_ image: String) { pulls.continuation.yield(image) }

  func fetchImages() async {
    await withDiscardingTaskGroup { group in
      for await image in pulls.stream { group.addTask { await self.fetchNow(image) } }
    }
  }

  static func noImage(_ image: String) -> String {
    "\(image) is no image, or names $upstream and there is no parent."
  }

  private func fetchNow(_ image: String) async {
    guard let source = agent.source(of: image, ownCredentials: surroundings.credentials) else {
      agent.pullEnded(image: image, failure: Self.noImage(image), isPresent: false, now: Self.now())
      return poke()
    }
    logger.info("fetches an image", metadata: ["image": "\(source.reference)"])
    var failure: String?
    var isPresent = true
    do {
      try await runtimes.docker.pull(source) { _ in }
    } catch {
      failure = "\(error)"
      isPresent = (try? await runtimes.docker.image(source.reference.description)) ?? nil != nil
      logger.warning(
        isPresent
          ? "an image cannot be fetched; the one that is here is used"
          : "an image cannot be fetched",
        metadata: ["image": "\(source.reference)", "error": "\(error)"]
      )
    }
    if isPresent {
      // Before anything is stopped for it.
      do {
        _ = try await admitted(source)
      } catch {
        failure = "\(error)"
        isPresent = false
      }
    }
    agent.pullEnded(image: image, failure: failure, isPresent: isPresent, now: Self.now())
    poke()
  }

  /// What a module of that image is to be made of.
  ///
  /// - Throws: `RuntimeFault` if the image must not be run.
  func admitted(_ source: ImageSource) async throws -> String {
    do {
      return try await verifier.admit(source, on: runtimes.docker)
    } catch {
      refused(source.reference, error)
      throw error
    }
  }

  /// Starts a module, unless the image that it was made of must not be run, or no longer.
  func start(_ name: String, on runtime: any ModuleRuntime) async throws {
    try await checkImage(of: name)
    try await runtime.start(name)
  }

  /// Stops a module and starts it; one that must not be started is not stopped either.
  func restartNow(_ name: String, on runtime: any ModuleRuntime) async throws {
    try await checkImage(of: name)
    try await runtime.stop(name, within: Self.stopSeconds)
    try await runtime.start(name)
  }

  private func checkImage(of name: String) async throws {
    guard homes[name] == .docker, let module = machine.first(where: { $0.name == name }),
      let source = agent.source(of: module.image, ownCredentials: surroundings.credentials)
        ?? ImageReference(module.image).map({ ImageSource(reference: $0) })
    else { return }
    do {
      try await verifier.admit(made: module.imageHash, of: source, on: runtimes.docker)
    } catch {
      refused(source.reference, error)
      throw error
    }
  }

  private func refused(_ image: ImageReference, _ error: any Error) {
    metrics.refusedImage()
    logger.error(
      "an image is not run",
      metadata: ["image": "\(image)", "reason": "\(error)"]
    )
  }
}
