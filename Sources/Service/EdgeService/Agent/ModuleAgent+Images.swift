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

  private func fetchNow(_ image: String) async {
    guard let source = agent.source(of: image, ownCredentials: surroundings.credentials) else {
      let text = "\(image) is no image, or names $upstream and there is no parent."
      agent.pullEnded(image: image, failure: text, isPresent: false, now: Self.now())
      return poke()
    }
    logger.info("fetches an image", metadata: ["image": "\(source.reference)"])
    var failure: String?
    var isPresent = true
    do {
      try await runtimes.docker.pull(source) { _ in }
    } catch {
      failure = "\(error)"
      isPresent = (try? await runtimes.docker.hasImage(source.reference)) ?? false
      logger.warning(
        isPresent
          ? "an image cannot be fetched; the one that is here is used"
          : "an image cannot be fetched",
        metadata: ["image": "\(source.reference)", "error": "\(error)"]
      )
    }
    agent.pullEnded(image: image, failure: failure, isPresent: isPresent, now: Self.now())
    poke()
  }
}
