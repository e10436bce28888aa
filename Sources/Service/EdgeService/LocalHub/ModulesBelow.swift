import ByteIO
import EdgeEngine
import HTTPTypes
import HubContract
import HummingbirdCore
import JSONTree
import Logging

/// The modules of edges below: what these ask of them is asked of the hub above, on their behalf, and
/// what that says of keys is known here at once (edge contract section 9.3).
struct ModulesBelow: Sendable {
  private let hub: LocalHub

  init(hub: LocalHub) { self.hub = hub }

  /// All modules of an edge device below.
  func list(of device: String) async throws(HubError) -> Response {
    let answer = try await ask("getModulesOnTargetDevice", of: device, [:], nil)
    for module in answer.arrayValue ?? [] { learn(module, of: device) }
    return Response(json: answer, status: 200)
  }

  /// One of them.
  func get(_ moduleID: String, of device: String) async throws(HubError) -> Response {
    let body: JSONObject = ["moduleId": .string(moduleID)]
    let answer = try await ask("getModuleOnBehalfOf", of: device, body, nil)
    learn(answer, of: device)
    return Response(json: answer, status: 200)
  }

  /// Makes one, or with `ifMatch` changes it.
  func put(
    _ moduleID: String,
    of device: String,
    _ module: JSONValue,
    _ ifMatch: String?
  ) async throws(HubError) -> Response {
    let answer = try await ask("putModuleOnBehalfOf", of: device, ["module": module], ifMatch)
    learn(answer, of: device)
    hub.logger.info(
      "module of an edge below made or changed",
      metadata: ["module": "\(IdentityKey(deviceID: device, moduleID: moduleID))"]
    )
    return Response(json: answer, status: 200)
  }

  /// Removes one.
  func delete(
    _ moduleID: String,
    of device: String,
    _ ifMatch: String?
  ) async throws(HubError) -> Response {
    let body: JSONObject = ["moduleId": .string(moduleID)]
    _ = try await ask("deleteModuleOnBehalfOf", of: device, body, ifMatch)
    let key = IdentityKey(deviceID: device, moduleID: moduleID)
    hub.scope.learn(key, nil)
    hub.logger.info("module of an edge below removed", metadata: ["module": "\(key)"])
    return Response(status: .noContent)
  }

  /// The module connects here next, with the key that it has been given just now.
  private func learn(_ json: JSONValue, of device: String) {
    guard case .module(let module)? = try? ScopeEntry(module: json), module.deviceID == device
    else { return }
    hub.scope.learn(module.key, module)
  }

  private func ask(
    _ name: String,
    of device: String,
    _ body: JSONObject,
    _ ifMatch: String?
  ) async throws(HubError) -> JSONValue {
    guard let chain = hub.scope.chain(from: IdentityKey(deviceID: device)) else {
      throw HubError(.invalidDeviceScope, "\(device) is not below this edge.")
    }
    var body = body
    body["authChain"] = .string(chain.joined(separator: ";"))
    let path =
      "/devices/\(PercentCoding.encode(hub.identity.deviceID))/modules/$edgeHub/\(name)"
      + "?api-version=2020-06-30-preview"
    do {
      return try await hub.registry.post(path, .object(body), ifMatch: ifMatch)
    } catch RegistryFault.refused(let status, let text) where ![401, 403].contains(status) {
      throw HubError(HubErrorCode(rawValue: status * 1_000), "The hub above: \(text)")
    } catch {
      // That this edge is not let in above is no fault of the one below, which goes on by what it knows.
      throw HubError(.serviceUnavailable, "The hub above cannot be asked now: \(error)")
    }
  }
}
