import HTTPTypes
import HubContract
import JSONTree

/// The identity part of the management API (contract §4.6): for the agent alone, which may make and
/// delete modules.
package struct IdentityAPI: Sendable {
  private let device: EdgeDevice
  /// Told which module has come or gone.
  private let changed: @Sendable (WorkloadChange) -> Void
  private let reprovision: @Sendable () -> Void

  package init(
    device: EdgeDevice,
    changed: @escaping @Sendable (WorkloadChange) -> Void,
    reprovision: @escaping @Sendable () -> Void
  ) {
    self.device = device
    self.changed = changed
    self.reprovision = reprovision
  }

  /// Answers a request.
  ///
  /// - Throws: `LocalRefusal`.
  package func respond(to request: LocalRequest) async throws -> LocalAnswer {
    try WorkloadAPI.checkVersion(request)
    let path = request.path
    switch (request.method, path.first, path.count) {
    case (.get, "identities", 1): return try await list()
    case (.get, "identities", 2): return try await get(path[1])
    case (.post, "identities", 1): return try await put(nil, try request.object())
    case (.put, "identities", 2): return try await put(path[1], try request.object())
    case (.delete, "identities", 2): return try await delete(path[1])
    case (.post, "device", 2) where path[1] == "reprovision":
      reprovision()
      return LocalAnswer(.noContent)
    default: throw WorkloadAPI.unknownPath(request)
    }
  }

  private func list() async throws -> LocalAnswer {
    let (_, modules) = try await device.known()
    do {
      let all = try await modules.list()
      return LocalAnswer(.ok, ["identities": .array(all.map(\.json))])
    } catch let fault as IdentityFault {
      throw fault.refusal
    }
  }

  private func get(_ moduleID: String) async throws -> LocalAnswer {
    let (_, modules) = try await device.known()
    do throws(IdentityFault) {
      return LocalAnswer(.ok, try await modules.get(moduleID).json)
    } catch {
      throw error.refusal
    }
  }

  private func put(_ pathID: String?, _ body: JSONObject) async throws -> LocalAnswer {
    let (_, modules) = try await device.known()
    guard let moduleID = pathID ?? body["moduleId"]?.stringValue else {
      throw LocalRefusal(.badRequest, "the body's moduleId is missing")
    }
    if let managedBy = body["managedBy"], !managedBy.isNull, managedBy.stringValue == nil {
      throw LocalRefusal(.badRequest, "the body's managedBy must be a text")
    }
    do throws(IdentityFault) {
      let record = try await modules.put(moduleID, managedBy: body["managedBy"]?.stringValue)
      changed(.opened(moduleID))
      return LocalAnswer(.ok, record.json)
    } catch {
      throw error.refusal
    }
  }

  private func delete(_ moduleID: String) async throws -> LocalAnswer {
    let (_, modules) = try await device.known()
    guard !ModuleID.isReserved(moduleID) else {
      throw LocalRefusal(.forbidden, "\(moduleID) is a part of the edge and stays")
    }
    do throws(IdentityFault) {
      try await modules.delete(moduleID)
    } catch {
      throw error.refusal
    }
    changed(.closed(moduleID))
    return LocalAnswer(.noContent)
  }
}

/// A module's workload socket is to be there, or to go.
package enum WorkloadChange: Equatable, Sendable {
  case opened(String)
  case closed(String)
}
