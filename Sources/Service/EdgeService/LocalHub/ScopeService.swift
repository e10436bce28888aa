import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
import Logging
import Platform
import Synchronization

/// Who may connect here: keeps what the hub above says of it, on disk too, and asks again.
final class ScopeService: Sendable {
  /// What a look at the hub above for one identity came to.
  enum Look: Equatable {
    /// It has answered.
    case answered
    /// It was asked a moment ago.
    case tooSoon
    /// It can't be reached.
    case unavailable
  }

  /// Identities of a page.
  private static let pageSize = 1_000
  /// For how long nobody is asked after an identity, in milliseconds, when there was no answer.
  private static let silenceMilliseconds: UInt64 = 5_000
  /// The pause between looks that an edge below asks for; it makes longer ones itself.
  private static let pauseForEdges = EdgeScope.retryMilliseconds / 2

  private let scope: Mutex<EdgeScope>
  /// The revision of the scope that the file has.
  private let written = Mutex<UInt64>(0)
  /// Whether the file has what is known here.
  private let kept = Atomic(true)
  /// For how long nobody is asked for everything, in milliseconds, after an edge below had that done.
  private static let listMilliseconds: UInt64 = 60_000
  /// When an edge below may have everything asked for again.
  private let nextList = Mutex(Instant(nanoseconds: 0))
  /// When the hub above may be asked after identities again.
  private let silence = Mutex(Instant(nanoseconds: 0))
  private let identity: EdgeIdentity
  private let upstream: any RegistryAbove
  /// Who vouches for devices by certificate.
  private let authorities: LeafAuthorities
  private let file: SealedFile
  private let logger: Logger
  /// Told whose entry has changed.
  private let changed = Mutex<(@Sendable ([IdentityKey]) -> Void)?>(nil)

  /// Begins with what is in `file`.
  init(
    identity: EdgeIdentity,
    upstream: any RegistryAbove,
    authorities: LeafAuthorities,
    file: SealedFile,
    logger: Logger
  ) {
    self.identity = identity
    self.upstream = upstream
    self.authorities = authorities
    self.file = file
    self.logger = logger
    scope = Mutex(EdgeScope(edgeID: identity.deviceID))
    do {
      guard let bytes = try file.read() else { return }
      let entries = try ScopePage(json: try JSON.parse(bytes)).entries
      scope.withLock { $0.restore(entries) }
      logger.info("identities below this edge", metadata: ["count": "\(entries.count)"])
    } catch {
      logger.error(
        "who may connect is not known until the hub above answers",
        metadata: ["file": "\(file.path)", "fault": "\(error)"]
      )
    }
  }

  /// Has `body` called with whose entry has changed, from any thread.
  func onChange(_ body: @escaping @Sendable ([IdentityKey]) -> Void) {
    changed.withLock { $0 = body }
  }

  /// How many identities are known.
  var count: Int { scope.withLock { $0.count } }

  /// What decides about `key`.
  func facts(of key: IdentityKey) -> DeviceAuthenticator.Facts {
    scope.withLock { scope in
      DeviceAuthenticator.Facts(
        device: scope.device(key.deviceID),
        module: scope.module(key),
        authorities: authorities.all
      )
    }
  }

  /// Whether `key` is below this edge and may connect.
  func isAllowed(_ key: IdentityKey) -> Bool { scope.withLock { $0.isAllowed(key) } }

  /// Whether `key` is below this edge, whether it may connect or not.
  func isKnown(_ key: IdentityKey) -> Bool {
    scope.withLock { key.moduleID == nil ? $0.device(key.deviceID) != nil : $0.module(key) != nil }
  }

  /// What `body` reads of it; for more than one question at the same moment.
  func read<Answer: Sendable>(
    _ body: (EdgeScope) throws(HubError) -> Answer
  ) throws(HubError) -> Answer {
    try scope.withLock { scope throws(HubError) in try body(scope) }
  }

  /// The way from `key` up to this edge.
  func chain(from key: IdentityKey) -> [String]? { scope.withLock { $0.chain(from: key) } }

  /// The chain by which the edge hub of `edge` may act for `child`, nil if it may not.
  func standing(of child: IdentityKey, below edge: String) -> [String]? {
    scope.withLock { $0.standing(of: child, below: edge) }
  }

  /// The edge device whose edge hub acts for `key` by a chain, nil if the chain does not hold.
  func actingEdge(for key: IdentityKey, authChain: [String]) -> String? {
    scope.withLock { $0.actingEdge(for: key, authChain: authChain) }
  }

  /// Whether another edge speaks for `key`.
  func isBehindAnotherEdge(_ key: IdentityKey) -> Bool {
    scope.withLock { $0.isBehindAnotherEdge(key) }
  }

  /// Asks the hub above for everything.
  ///
  /// - Throws: Why there is no answer; what was known stays.
  func refresh() async throws {
    let begun = SystemClock.now()
    var entries: [ScopeEntry] = []
    // Each edge device as the chain that leads from it up to this one.
    var edges = [[identity.deviceID]]
    var seen: Set = [identity.deviceID]
    var closed: [String] = []
    while let chain = edges.popLast() {
      let found: [ScopeEntry]
      do {
        found = try await self.entries(of: chain, room: ScopePage.identityLimit - entries.count)
      } catch RegistryFault.refused(_, let reason) where chain.count > 1 {
        logger.warning(
          "who is below an edge below was not told; those who were known stay",
          metadata: ["edge": "\(chain[0])", "reason": "\(reason)"]
        )
        closed.append(chain[0])
        continue
      }
      entries += found
      for case .device(let device) in found
      where device.isEdge && seen.insert(device.deviceID).inserted {
        // Of a disabled one nothing is said above.
        if device.status == .enabled, chain.count < UserName.authChainLimit {
          edges.append([device.deviceID] + chain)
        } else {
          closed.append(device.deviceID)
        }
      }
    }
    let (all, gone) = (entries, closed)
    take { $0.replace(by: all, keepingBelow: gone, begun: begun) }
  }

  /// Has everybody in the scope of an edge below known, if that can be done now.
  ///
  /// - Throws: 503 if it can't.
  func list(_ edge: String) async throws(HubError) {
    func isListed() -> Bool { scope.withLock { $0.isListed(edge) } }
    guard !isListed() else { return }
    let now = SystemClock.now()
    let isDue = nextList.withLock { next in
      guard next <= now else { return false }
      next = now.adding(milliseconds: Self.listMilliseconds)
      return true
    }
    var reason = "it is being asked"
    if isDue {
      do {
        try await refresh()
      } catch {
        reason = "\(error)"
      }
    }
    guard isListed() else {
      throw HubError(
        .serviceUnavailable,
        "Who is below \(edge) is not known before the hub above has said it: \(reason)."
      )
    }
  }

  /// All entries of one edge device's scope.
  private func entries(of chain: [String], room: Int) async throws -> [ScopeEntry] {
    var entries: [ScopeEntry] = []
    var continuation: String?
    repeat {
      let page = try await page(of: chain, continuation)
      for fault in page.faults {
        logger.warning("an identity cannot be read", metadata: ["fault": "\(fault.message)"])
      }
      entries += page.entries
      guard entries.count <= room else {
        throw HubError(
          .argumentInvalid,
          "More than \(ScopePage.identityLimit) identities are below this edge."
        )
      }
      continuation = page.continuation
    } while continuation != nil
    return entries
  }

  private func page(of chain: [String], _ continuation: String?) async throws -> ScopePage {
    let path =
      "/devices/\(PercentCoding.encode(identity.deviceID))/modules/$edgeHub/"
    guard chain.count > 1 else {
      if let continuation { return try ScopePage(json: try await upstream.get(continuation)) }
      return try ScopePage(
        json: try await upstream.get(
          path + "devicesAndModulesInDeviceScope?deviceCount=\(Self.pageSize)"
            + "&api-version=2018-08-30-preview"
        )
      )
    }
    return try ScopePage(
      json: try await upstream.post(
        path + "devicesAndModulesInTargetDeviceScope?api-version=2020-06-30-preview",
        [
          "pageSize": .int(Int64(Self.pageSize)),
          "continuationLink": .string(continuation ?? ""),
          "authChain": .string(chain.joined(separator: ";")),
        ],
        ifMatch: nil
      )
    )
  }

  /// Asks the hub above for `key`, unless it was asked a moment ago.
  ///
  /// `isForEdge` says that an edge below wants to know.
  @discardableResult
  func look(for key: IdentityKey, isForEdge: Bool = false) async -> Look {
    let now = SystemClock.now()
    guard silence.withLock({ $0 <= now }) else { return .unavailable }
    let pause = isForEdge ? Self.pauseForEdges : EdgeScope.retryMilliseconds
    guard scope.withLock({ $0.mayLook(for: key, now: now, pause: pause) }) else { return .tooSoon }
    var path =
      "/devices/\(PercentCoding.encode(identity.deviceID))/modules/$edgeHub/"
      + "deviceAndModuleInDeviceScope?targetDeviceId=\(PercentCoding.encode(key.deviceID))"
    if let module = key.moduleID { path += "&targetModuleId=\(PercentCoding.encode(module))" }
    do {
      let json = try await upstream.get(path + "&api-version=2018-08-30-preview")
      let page = try ScopePage(json: json)
      take { $0.update(key, by: page.entries, now: SystemClock.now()) }
      return .answered
    } catch RegistryFault.refused(let status, _) where [400, 403, 404].contains(status) {
      take { $0.update(key, by: [], now: SystemClock.now()) }
      return .answered
    } catch {
      scope.withLock { $0.lookFailed(for: key) }
      silence.withLock { $0 = SystemClock.now().adding(milliseconds: Self.silenceMilliseconds) }
      logger.debug(
        "the hub above was not asked for an identity",
        metadata: ["identity": "\(key)", "reason": "\(error)"]
      )
      return .unavailable
    }
  }

  /// Takes over what the hub above has just said of a module below; nil for one that is gone.
  func learn(_ key: IdentityKey, _ module: ModuleIdentity?) {
    take { $0.update(key, by: module.map { [.module($0)] } ?? [], now: SystemClock.now()) }
  }

  private func take(_ change: (inout EdgeScope) -> [IdentityKey]) {
    let (keys, revision, json) = scope.withLock { scope -> ([IdentityKey], UInt64, JSONValue?) in
      let before = scope.revision
      let keys = change(&scope)
      let isKept = scope.revision == before && kept.load(ordering: .relaxed)
      return (keys, scope.revision, isKept ? .none : ScopePage.json(scope.all))
    }
    if let json { keep(json, revision) }
    if !keys.isEmpty { changed.withLock { $0 }?(keys) }
  }

  /// Writes the file, unless it has something newer already.
  private func keep(_ json: JSONValue, _ revision: UInt64) {
    do {
      try written.withLock { written in
        guard revision > written else { return }
        try file.write(JSON.bytes(json))
        written = revision
      }
      kept.store(true, ordering: .relaxed)
    } catch {
      kept.store(false, ordering: .relaxed)
      logger.error(
        "who may connect is not kept; after a restart without the hub above they are unknown",
        metadata: ["fault": "\(error)"]
      )
    }
  }
}

/// The registry of the hub above, or of the parent edge.
protocol RegistryAbove: Sendable {
  /// What is at a path.
  ///
  /// - Throws: `RegistryFault`.
  func get(_ path: String) async throws -> JSONValue
  /// The answer to a body, if what it is about still has the version `ifMatch`.
  ///
  /// - Throws: `RegistryFault`.
  func post(_ path: String, _ body: JSONValue, ifMatch: String?) async throws -> JSONValue
}

/// Why the registry above gave nothing.
enum RegistryFault: Error, Equatable {
  /// It can't be reached, or can't answer now.
  case unavailable(String)
  /// It said no.
  case refused(status: Int, String)
}
