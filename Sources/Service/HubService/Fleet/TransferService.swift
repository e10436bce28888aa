import ByteIO
import HubContract
import HubEngine
import JSONTree
import Logging
import Platform

/// Carries out exports and imports over blobs, one after another.
///
/// What is known of them is in the registry, so that a hub that starts again goes on: an export begins
/// anew, an import that was interrupted has failed.
final class TransferService: Sendable {
  /// Devices read at a time.
  private static let page = 200
  /// Bytes of a block of an export.
  private static let blockBytes = 4 << 20
  /// What an import writes beside its input.
  static let errorsName = "importErrors.log"

  private let store: HubStore
  private let files: FileService
  private let logger: Logger
  private let looks: AsyncStream<Void>
  private let look: AsyncStream<Void>.Continuation

  init(store: HubStore, files: FileService, logger: Logger) {
    self.store = store
    self.files = files
    self.logger = logger
    (looks, look) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    look.yield()
  }

  /// Says that a job waits.
  func wake() { look.yield() }

  /// Works until cancelled, once.
  func run() async {
    for await _ in looks where !Task.isCancelled { await advance() }
  }

  /// Carries out what waits.
  func advance() async {
    do {
      let now = Timestamp(ticks: SystemClock.wallTicks())
      let next = try await store.write { engine throws(HubError) in
        try engine.nextTransfer(now: now)
      }
      if let next { await carryOut(next) }
    } catch {
      logger.error("export or import not carried out", metadata: ["error": "\(error)"])
      // The storage failed, and the job waits still.
      try? await Pause.sleep(for: .seconds(1))
      wake()
    }
  }

  private func carryOut(_ job: TransferJob) async {
    var failure: String?
    do {
      switch job.kind {
      case .export: try await exportIdentities(job)
      case .import: try await importIdentities(job)
      }
    } catch {
      // The hub stops: the next start sees to it.
      guard !Task.isCancelled else { return }
      failure = Self.reason(error)
    }
    let (now, ended) = (Timestamp(ticks: SystemClock.wallTicks()), failure)
    let end: @Sendable (inout HubStore.Engine) throws(HubError) -> Void = {
      engine throws(HubError) in
      if ended != nil { try engine.discardBlocks(of: job.output) }
      try engine.endTransfer(job.id, failure: ended, now: now)
    }
    do throws(HubError) {
      try await store.write(end)
    } catch {
      // One that never ends would keep all others from beginning.
      store.submitOwed(end)
    }
    logger.notice(
      failure == nil ? "job ended" : "job failed",
      metadata: [
        "job": "\(job.id)", "type": "\(job.kind.rawValue)", "reason": "\(failure ?? "-")",
      ]
    )
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let refusal as BlobRefusal: "\(refusal.code): \(refusal.message)"
    case let error as HubError: error.message
    default: "The hub failed; its log says more."
    }
  }

  /// Whether the job goes on, after its progress was noted.
  // Inlined into its callers, this and the other steps marked so crash the optimiser of Swift 6.3 where
  // it splits the callers at their awaits.
  @inline(never)
  private func goesOn(_ job: TransferJob, _ done: Int64, of total: Int64) async throws -> Bool {
    try Task.checkCancellation()
    let progress = total > 0 ? Int(min(99, done * 100 / total)) : 0
    return try await store.write { engine throws(HubError) in
      try engine.advanceTransfer(job.id, to: progress)
    }
  }

  // MARK: Export

  private func exportIdentities(_ job: TransferJob) async throws {
    let total = try await store.read { view throws(HubError) in try view.statistics() }
    let count = Int64(total.enabledDeviceCount + total.disabledDeviceCount)
    var blob = BlobInBlocks(key: job.output, files: files, store: store)
    var done: Int64 = 0
    var after: String?
    repeat {
      let start = after
      let page = try await store.read { view throws(HubError) in
        try view.export(after: start, limit: Self.page)
      }
      for element in page.elements {
        let line = JSON.bytes(element.json(includingKeys: !job.excludesKeys))
        blob.gathered += line + [UInt8(ascii: "\n")]
      }
      if blob.gathered.count >= Self.blockBytes { try await blob.flush() }
      done += Int64(page.elements.count { $0.moduleID == nil })
      after = page.last
      guard try await goesOn(job, done, of: count) else { return try await blob.discard() }
    } while after != nil
    try await blob.finish(contentType: "application/x-ndjson; charset=utf-8")
  }

  // MARK: Import

  private func importIdentities(_ job: TransferJob) async throws {
    guard let input = job.input else { throw BlobRefusal.notFound }
    guard let found = try await files.content(of: input) else { throw BlobRefusal.notFound }
    let now = Timestamp(ticks: SystemClock.wallTicks())
    var importer = RegistryImporter(store: store, now: now)
    guard try await feed(&importer, found, job) else { return }
    try await importer.finish()
    if importer.result.failed > 0 { try await tell(importer.result, job) }
  }

  /// Hands the blob over, piece by piece; false if the job was cancelled meanwhile.
  @inline(never)
  private func feed(
    _ importer: inout RegistryImporter,
    _ blob: ReadableBlob,
    _ job: TransferJob
  ) async throws -> Bool {
    let total = blob.record.byteCount
    var done: Int64 = 0
    for piece in files.pieces(of: blob, 0..<total) {
      let bytes = try await files.read(piece)
      done += Int64(bytes.count)
      try await importer.append(bytes)
      guard try await goesOn(job, done, of: total) else { return false }
    }
    return true
  }

  /// Writes what failed beside the input, or where the job says.
  private func tell(_ result: ImportResult, _ job: TransferJob) async throws {
    var blob = BlobInBlocks(key: job.output, files: files, store: store)
    for error in result.errors { blob.gathered += JSON.bytes(error) + [0x0A] }
    let untold = result.failed - result.failures.count
    if untold > 0 {
      blob.gathered += JSON.bytes(["errorStatus": .string("\(untold) more lines failed.")]) + [0x0A]
    }
    try await blob.finish(contentType: "application/x-ndjson; charset=utf-8")
  }
}

/// A blob that the hub itself writes, block by block; nobody sees it before it is whole.
private struct BlobInBlocks {
  let key: BlobKey
  let files: FileService
  let store: HubStore
  /// What the next block begins with.
  var gathered: [UInt8] = []
  private var ids: [String] = []

  init(key: BlobKey, files: FileService, store: HubStore) {
    self.key = key
    self.files = files
    self.store = store
  }

  /// Keeps what was gathered as a block.
  @inline(never)
  mutating func flush() async throws {
    guard !gathered.isEmpty else { return }
    let digits = String(ids.count)
    let number = String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
    let (id, key) = (Base64.encode([UInt8](number.utf8)), key)
    let part = try await files.keep(gathered, block: id)
    try await files.record(part) { engine throws(HubError) in try engine.putBlock(part, of: key) }
    ids.append(id)
    gathered.removeAll(keepingCapacity: true)
  }

  /// Makes the blob of all blocks.
  @inline(never)
  mutating func finish(contentType: String) async throws {
    try await flush()
    var write = BlobWrite(key: key)
    write.properties.headers["content-type"] = contentType
    let (whole, list) = (write, BlockList(uncommitted: ids))
    let now = Timestamp(ticks: SystemClock.wallTicks())
    let result = try await store.write { engine throws(HubError) in
      try engine.putBlockList(whole, list, now: now)
    }
    _ = try result.get()
  }

  /// Gives up what was kept.
  @inline(never)
  func discard() async throws {
    let key = key
    try await store.write { engine throws(HubError) in try engine.discardBlocks(of: key) }
  }
}
