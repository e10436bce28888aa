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
  /// Identities of a page.
  private static let pageSize = 1_000

  private let scope = Mutex(EdgeScope())
  private let identity: EdgeIdentity
  private let upstream: any RegistryAbove
  private let file: SealedFile
  private let logger: Logger
  /// Told whose entry has changed.
  private let changed = Mutex<(@Sendable ([IdentityKey]) -> Void)?>(nil)

  /// Begins with what is in `file`.
  init(
    identity: EdgeIdentity,
    upstream: any RegistryAbove,
    file: SealedFile,
    logger: Logger
  ) {
    self.identity = identity
    self.upstream = upstream
    self.file = file
    self.logger = logger
    do {
      guard let bytes = try file.read() else { return }
      let entries = try ScopePage(json: try JSON.parse(bytes)).entries
      scope.withLock { _ = $0.replace(by: entries) }
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
      DeviceAuthenticator.Facts(device: scope.device(key.deviceID), module: scope.module(key))
    }
  }

  /// Whether `key` is below this edge and may connect.
  func isAllowed(_ key: IdentityKey) -> Bool { scope.withLock { $0.isAllowed(key) } }

  /// Whether `key` is below this edge, whether it may connect or not.
  func isKnown(_ key: IdentityKey) -> Bool {
    scope.withLock { key.moduleID == nil ? $0.device(key.deviceID) != nil : $0.module(key) != nil }
  }

  /// The way from `key` up to this edge.
  func chain(from key: IdentityKey) -> [String]? {
    scope.withLock { $0.chain(from: key, to: identity.deviceID) }
  }

  /// Asks the hub above for everything.
  ///
  /// - Throws: Why there is no answer; what was known stays.
  func refresh() async throws {
    var entries: [ScopeEntry] = []
    var edges = [identity.deviceID]
    var seen = Set(edges)
    while let edge = edges.popLast() {
      var continuation: String?
      repeat {
        let page = try await page(of: edge, continuation)
        for fault in page.faults {
          logger.warning("an identity cannot be read", metadata: ["fault": "\(fault.message)"])
        }
        entries += page.entries
        guard entries.count <= ScopePage.identityLimit else {
          throw HubError(
            .argumentInvalid,
            "More than \(ScopePage.identityLimit) identities are below this edge."
          )
        }
        for case .device(let device) in page.entries
        where device.isEdge && seen.insert(device.deviceID).inserted {
          edges.append(device.deviceID)
        }
        continuation = page.continuation
      } while continuation != nil
    }
    take { $0.replace(by: entries) }
  }

  private func page(of edge: String, _ continuation: String?) async throws -> ScopePage {
    let path =
      "/devices/\(PercentCoding.encode(identity.deviceID))/modules/$edgeHub/"
    guard edge != identity.deviceID else {
      if let continuation { return try ScopePage(json: try await upstream.get(continuation)) }
      return try ScopePage(
        json: try await upstream.get(
          path + "devicesAndModulesInDeviceScope?deviceCount=\(Self.pageSize)"
            + "&api-version=2018-08-30-preview"
        )
      )
    }
    let chain = chain(from: IdentityKey(deviceID: edge)) ?? [edge, identity.deviceID]
    return try ScopePage(
      json: try await upstream.post(
        path + "devicesAndModulesInTargetDeviceScope?api-version=2020-06-30-preview",
        [
          "pageSize": .int(Int64(Self.pageSize)),
          "continuationLink": .string(continuation ?? ""),
          "authChain": .string(chain.joined(separator: ";")),
        ]
      )
    )
  }

  /// Asks the hub above for `key`, unless it was asked a moment ago; answers whether it was asked.
  func refresh(_ key: IdentityKey) async -> Bool {
    guard scope.withLock({ $0.mayLook(for: key, now: SystemClock.now()) }) else { return false }
    var path =
      "/devices/\(PercentCoding.encode(identity.deviceID))/modules/$edgeHub/"
      + "deviceAndModuleInDeviceScope?targetDeviceId=\(PercentCoding.encode(key.deviceID))"
    if let module = key.moduleID { path += "&targetModuleId=\(PercentCoding.encode(module))" }
    do {
      let json = try await upstream.get(path + "&api-version=2018-08-30-preview")
      let page = try ScopePage(json: json)
      take { $0.update(key, by: page.entries) }
      return true
    } catch RegistryFault.refused(let status, _) where [400, 403, 404].contains(status) {
      take { $0.update(key, by: []) }
      return true
    } catch {
      logger.debug(
        "the hub above was not asked for an identity",
        metadata: ["identity": "\(key)", "reason": "\(error)"]
      )
      return false
    }
  }

  private func take(_ change: (inout EdgeScope) -> [IdentityKey]) {
    let (keys, json) = scope.withLock { scope in
      (change(&scope), ScopePage.json(scope.all))
    }
    do {
      try file.write(JSON.bytes(json))
    } catch {
      logger.error(
        "who may connect is not kept; after a restart without the hub above they are unknown",
        metadata: ["fault": "\(error)"]
      )
    }
    if !keys.isEmpty { changed.withLock { $0 }?(keys) }
  }
}

/// The registry of the hub above, or of the parent edge.
protocol RegistryAbove: Sendable {
  /// What is at a path.
  ///
  /// - Throws: `RegistryFault`.
  func get(_ path: String) async throws -> JSONValue
  /// The answer to a body.
  ///
  /// - Throws: `RegistryFault`.
  func post(_ path: String, _ body: JSONValue) async throws -> JSONValue
}

/// Why the registry above gave nothing.
enum RegistryFault: Error, Equatable {
  /// It can't be reached, or can't answer now.
  case unavailable(String)
  /// It said no.
  case refused(status: Int, String)
}
