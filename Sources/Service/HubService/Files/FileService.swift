import ByteIO
import Glibc
import HubContract
import HubEngine
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Platform
import Synchronization

/// The bytes of blobs on disk, and how much of it they may take.
///
/// Each part of a blob is a file of its own with a random name, which is durable before the registry
/// names it and never changes. So a name that a client chose is no path anywhere, nobody sees half a
/// blob, and a crash leaves at most files that nothing names: the next start removes them.
///
/// Not its business: which parts make a blob (`HubEngine`), and what requests look like
/// (`BlobEndpoint`).
final class FileService: Sendable {
  /// The most bytes of one request, as the storage service has it.
  static let requestLimit: Int64 = 5_000 << 20
  /// Bytes that are gathered before they are written.
  private static let gatheredBytes = 1 << 20
  /// The slowest that a body may come, beyond a first minute, in bytes a second.
  private static let slowestRate: UInt64 = 4_096
  /// Files removed in one go.
  private static let garbagePage = 256

  /// The account that signatures are for: the hub's name.
  let account: String
  /// Signs what the hub gives out.
  let key: SymmetricKey
  private let folder: String
  let store: HubStore
  let logger: Logger
  private let quota: Mutex<FileQuota>
  private let receivedByteCount = Atomic<Int>(0)
  private let hasGarbage = Atomic<Bool>(true)
  /// Backups under way, which need the files that the registry named when they began.
  private let holdCount = Mutex(0)
  /// Files that were there when the hub started and have not been looked up yet.
  private let leftovers: Mutex<[String]>
  /// Files of which it is not known whether the registry names them.
  private let doubtful = Mutex<[BlobPart]>([])

  /// Opens the folder in `directory`, and reads or makes the key.
  init(
    directory: String,
    account: String,
    limit: Int,
    store: HubStore,
    logger: Logger
  ) throws {
    self.account = account
    self.store = store
    self.logger = logger
    folder = directory + "/files"
    try PrivateFile.makeDirectory(folder)
    key = try Self.key(in: directory)
    leftovers = Mutex(try Backup.files(in: folder))
    let cost = try store.readNow { view throws(HubError) in try view.partCost() }
    quota = Mutex(FileQuota(limit: limit, cost: cost))
  }

  private static func key(in directory: String) throws -> SymmetricKey {
    let path = directory + "/storage.key"
    do {
      let kept = try PrivateFile.read(path).filter { $0 > 0x20 && $0 < 0x7F }
      guard let key = SymmetricKey(base64: String(decoding: kept, as: UTF8.self)) else {
        throw SettingsFault(
          "\(path) holds no key of 16 to 64 bytes in base64",
          remedy: "Remove it: the next start makes a new one, and signatures given out end."
        )
      }
      return key
    } catch let fault as FileFault {
      guard fault.isMissing else { throw fault }
      let key = Base64.encode(Entropy.bytes(32))
      try PrivateFile.replace(path, with: Array(key.utf8))
      return try self.key(in: directory)
    }
  }

  /// What the files cost now, in bytes.
  var usedByteCount: Int64 { quota.withLock { $0.cost } }

  /// Files and blocks that were refused for want of room since the hub started.
  var refusedCount: Int { quota.withLock { $0.refusedCount } }

  /// Bytes that were received and kept since the hub started.
  var receivedBytes: Int { receivedByteCount.load(ordering: .relaxed) }

  /// The query that lets its holder do some things with a blob, or with a container, for some time.
  func sign(
    _ key: BlobKey,
    _ permissions: BlobPermissions,
    until expiry: Timestamp
  ) -> String {
    sign(container: key.container, name: key.name, permissions, until: expiry)
  }

  /// The same for a container with all its blobs, if there is no `name`.
  func sign(
    container: String,
    name: String?,
    _ permissions: BlobPermissions,
    until expiry: Timestamp
  ) -> String {
    BlobSignature.make(
      account: account,
      container: container,
      name: name,
      permissions: permissions,
      expiry: expiry,
      key: key,
      hmacSHA256: { Hashing.hmacSHA256(key: $0, message: $1) }
    )
  }

  /// The blob that a signature in a URL's query is for; nil where the name is none, or for a
  /// container.
  ///
  /// Some SDKs escape the name that an upload was answered once more; the signature decides which of
  /// the two is meant.
  ///
  /// - Throws: 403 for a signature that is over, not valid yet, or for something else.
  func check(
    _ signature: BlobSignature,
    container: String,
    name: String?,
    now: Timestamp,
    skewSeconds: Int64
  ) throws(BlobRefusal) -> BlobKey? {
    var names = [name]
    if let name, let again = PercentCoding.decode(name), again != name { names.append(again) }
    let signed = names.first { name in
      signature.isSigned(
        by: key,
        account: account,
        container: container,
        name: name,
        hmacSHA256: { Hashing.hmacSHA256(key: $0, message: $1) }
      )
    }
    guard let signed else {
      throw .authentication(
        "The signature is not for this resource, or something in it was changed."
      )
    }
    guard signature.expiry > now else {
      throw .authentication("The signature ended at \(signature.expiry.iso8601).")
    }
    guard signature.start.map({ $0 <= now.adding(seconds: skewSeconds) }) ?? true else {
      throw .authentication("The signature is not valid yet.")
    }
    return signed.flatMap { BlobKey(container: container, name: $0) }
  }

  // MARK: Receiving

  /// Takes a request's body, for which room was reserved, into a file that is durable when this
  /// returns, and that nothing names.
  ///
  /// A body that cannot be kept is read to its end all the same: a client that still sends would not
  /// hear why.
  ///
  /// - Throws: `BlobRefusal`; nothing is left of the body then, and the room is free again.
  func receive(
    _ body: HummingbirdCore.RequestBody,
    byteCount: Int64,
    block: String = "",
    digest: inout ContentDigest
  ) async throws -> BlobPart {
    let file = Hex.encode(Entropy.bytes(16))
    let path = "\(folder)/\(file)"
    do {
      try await write(body, byteCount: byteCount, to: path, &digest)
    } catch {
      unlink(path)
      release(BlobPart.cost(of: byteCount))
      throw refusal(of: error)
    }
    receivedByteCount.add(Int(clamping: byteCount), ordering: .relaxed)
    return BlobPart(
      file: file,
      role: .garbage,
      block: block,
      byteCount: byteCount,
      time: Timestamp(ticks: SystemClock.wallTicks())
    )
  }

  /// Puts bytes of the hub's own into a file that is durable when this returns.
  ///
  /// - Throws: `BlobRefusal`; nothing is left then.
  func keep(_ bytes: [UInt8], block: String) async throws -> BlobPart {
    var digest = try ContentDigest()
    try reserve(Int64(bytes.count))
    return try await receive(
      HummingbirdCore.RequestBody(buffer: ByteBuffer(bytes: bytes)),
      byteCount: Int64(bytes.count),
      block: block,
      digest: &digest
    )
  }

  /// Carries out a command that lets the registry name a file, if there is one.
  ///
  /// When the storage fails nobody knows whether the registry names it now; that is found out later.
  func record<Value: Sendable>(
    _ part: BlobPart?,
    _ command: @escaping @Sendable (inout HubStore.Engine) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    do throws(HubError) {
      return try await store.write(command)
    } catch {
      if let part { doubtful.withLock { $0.append(part) } }
      throw error
    }
  }

  /// Removes a file that was received and, as the registry has answered, is not named.
  func discard(_ part: BlobPart) {
    unlink("\(folder)/\(part.file)")
    release(BlobPart.cost(of: part.byteCount))
  }

  private func write(
    _ body: HummingbirdCore.RequestBody,
    byteCount: Int64,
    to path: String,
    _ digest: inout ContentDigest
  ) async throws {
    let seconds = 60 + UInt64(clamping: byteCount) / Self.slowestRate
    let deadline = SystemClock.now().nanoseconds + seconds * 1_000_000_000
    let pool = NIOThreadPool.singleton
    var file: GrowingFile?
    var failure: (any Error)?
    do { file = try await pool.runIfActive { try GrowingFile(path) } } catch { failure = error }
    var gathered: [UInt8] = []
    var received: Int64 = 0
    for try await buffer in body {
      received += Int64(buffer.readableBytes)
      guard received <= byteCount else { break }
      guard SystemClock.now().nanoseconds < deadline else {
        throw BlobRefusal(400, "InvalidInput", "The body did not arrive in \(seconds) seconds.")
      }
      guard failure == nil else { continue }
      gathered.append(contentsOf: buffer.readableBytesView)
      guard gathered.count >= Self.gatheredBytes else { continue }
      digest.update(gathered)
      do {
        let (chunk, open) = (gathered, file)
        try await pool.runIfActive { try open?.append(chunk) }
      } catch {
        failure = error
      }
      gathered.removeAll(keepingCapacity: true)
    }
    if let failure { throw failure }
    guard received == byteCount else {
      throw BlobRefusal(
        400,
        "InvalidInput",
        "The body has not the \(byteCount) bytes that Content-Length says."
      )
    }
    digest.update(gathered)
    try digest.check()
    let (rest, whole) = (gathered, file)
    try await pool.runIfActive {
      try whole?.append(rest)
      try whole?.sync()
    }
  }

  /// Reserves room for a file of so many bytes.
  ///
  /// - Throws: 403 over the quota.
  func reserve(_ byteCount: Int64) throws(BlobRefusal) {
    let price = BlobPart.cost(of: byteCount)
    let (fits, isNews) = quota.withLock { $0.take(price) }
    guard fits else {
      if isNews {
        logger.warning(
          "files are refused: files.quota_bytes would be exceeded",
          metadata: ["used": "\(usedByteCount)", "refused": "\(price)"]
        )
      }
      throw BlobRefusal(
        403,
        "AccountQuotaExceeded",
        "The hub's files would take more than files.quota_bytes allows; delete some, or raise it."
      )
    }
  }

  private func release(_ price: Int64) { quota.withLock { $0.giveBack(price) } }

  private func refusal(of error: any Error) -> BlobRefusal {
    switch error {
    case let refusal as BlobRefusal: return refusal
    case let fault as FileFault:
      logger.error("file not kept", metadata: ["error": "\(fault)"])
      guard fault.number == ENOSPC || fault.number == EDQUOT else {
        return BlobRefusal(500, "InternalError", "The hub's disk failed; its log says more.")
      }
      return BlobRefusal(507, "InsufficientStorage", "The hub's disk is full; free some space.")
    default: return BlobRefusal(400, "InvalidInput", "The body broke off.")
    }
  }

  // MARK: Reading

  /// The file that a part is in.
  func open(_ part: BlobPart) throws(FileFault) -> ReadableFile {
    try ReadableFile("\(folder)/\(part.file)")
  }

  // MARK: Cleaning up

  /// Says that some parts may have become garbage.
  func discarded() { hasGarbage.store(true, ordering: .releasing) }

  /// Removes what nothing names, unless a backup is under way.
  func removeGarbage() async throws(HubError) {
    guard holdCount.withLock({ $0 }) == 0 else { return }
    try await removeLeftovers()
    try await settleDoubtful()
    guard hasGarbage.exchange(false, ordering: .acquiringAndReleasing) else { return }
    while true {
      let garbage = try await store.read { view throws(HubError) in
        try view.garbage(limit: Self.garbagePage)
      }
      guard !garbage.isEmpty, holdCount.withLock({ $0 }) == 0 else { break }
      await remove(garbage.map(\.file))
      try await store.write { engine throws(HubError) in
        try engine.forgetGarbage(garbage.map(\.file))
      }
      release(garbage.reduce(0) { $0 + BlobPart.cost(of: $1.byteCount) })
    }
    if holdCount.withLock({ $0 }) > 0 { discarded() }
  }

  /// Removes what a former process received and never named.
  private func removeLeftovers() async throws(HubError) {
    while true {
      let page = leftovers.withLock { Array($0.suffix(Self.garbagePage)) }
      guard !page.isEmpty else { return }
      let unknown = try await store.read { view throws(HubError) in try view.unknown(page) }
      await remove(unknown)
      leftovers.withLock { $0.removeLast(page.count) }
      if !unknown.isEmpty {
        logger.notice("unfinished files removed", metadata: ["count": "\(unknown.count)"])
      }
    }
  }

  /// Finds out which files of failed commands the registry names, and makes garbage of the others.
  private func settleDoubtful() async throws(HubError) {
    let parts = doubtful.withLock { $0 }
    guard !parts.isEmpty else { return }
    try await store.write { engine throws(HubError) in try engine.discardUnrecorded(parts) }
    doubtful.withLock { $0.removeFirst(parts.count) }
  }

  private func remove(_ files: [String]) async {
    let folder = folder
    // A file that is gone already is what is wanted; another fault leaves one to the next start.
    try? await NIOThreadPool.singleton.runIfActive {
      for file in files { unlink("\(folder)/\(file)") }
    }
  }

  /// Runs `body` with the folder while no file is removed from it.
  func holding<Value>(_ body: (_ folder: String) throws -> Value) rethrows -> Value {
    holdCount.withLock { $0 += 1 }
    defer { holdCount.withLock { $0 -= 1 } }
    return try body(folder)
  }
}
