import Endpoints
package import HubContract
import Platform

/// Who a module is, where its edge is, and what it signs with, as its variables tell (edge contract
/// section 14, rule 1).
package struct ModuleEnvironment: Sendable {
  /// Who signs for the module, and tells whom it trusts.
  enum Signer: Sendable {
    /// The workload API of the edge.
    case workload(SocketAddressURI, generationID: String, version: String)
    /// A key of the module's own, and the file with the authorities that it trusts: PEM, nil for
    /// those of the system.
    case key(SymmetricKey, authorities: String?)
  }

  /// The module.
  package let identity: IdentityKey
  /// The hub above, as tokens and user names have it.
  package let hubHostName: String
  /// The host that is dialled, which the certificate there names.
  package let gatewayHostName: String
  let signer: Signer

  /// The hub's name without a port.
  package var hubName: String { SASResource(decoded: hubHostName).host }

  /// The variables of a module that an edge has started, all of which it gives.
  private static let required = [
    "IOTEDGE_WORKLOADURI", "IOTEDGE_IOTHUBHOSTNAME", "IOTEDGE_GATEWAYHOSTNAME", "IOTEDGE_DEVICEID",
    "IOTEDGE_MODULEID", "IOTEDGE_MODULEGENERATIONID",
  ]
  /// All variables that are read.
  static let names =
    required + ["IOTEDGE_APIVERSION", "EdgeHubConnectionString", "EdgeModuleCACertificateFile"]

  private init(identity: IdentityKey, hub: String, gateway: String, signer: Signer) {
    self.identity = identity
    (hubHostName, gatewayHostName) = (hub, gateway)
    self.signer = signer
  }

  /// Reads the variables that an edge gives its modules; where one of them is missing, those of a
  /// module that is started by hand: `EdgeHubConnectionString`, `EdgeModuleCACertificateFile`.
  ///
  /// - Throws: `environment`; what it says names variables and shows no values.
  package init(_ variables: [String: String]) throws(ModuleFault) {
    let missing = Self.required.filter { variables[$0]?.isEmpty ?? true }
    if missing.isEmpty {
      self = try Self.given(variables, Self.required.map { variables[$0] ?? "" })
    } else {
      self = try Self.byHand(variables, missing)
    }
  }

  private static func given(
    _ variables: [String: String],
    _ values: [String]
  ) throws(ModuleFault) -> ModuleEnvironment {
    guard let address = SocketAddressURI(values[0]) else {
      throw ModuleFault(
        .environment,
        "IOTEDGE_WORKLOADURI is neither unix:///path nor http://host:port"
      )
    }
    let identity = IdentityKey(deviceID: values[3], moduleID: values[4])
    guard identity.isValid else {
      throw ModuleFault(.environment, "IOTEDGE_DEVICEID or IOTEDGE_MODULEID is no ID")
    }
    let version = variables["IOTEDGE_APIVERSION"] ?? LocalClient.newestVersion
    return ModuleEnvironment(
      identity: identity,
      hub: values[1],
      gateway: values[2],
      signer: .workload(address, generationID: values[5], version: version)
    )
  }

  private static func byHand(
    _ variables: [String: String],
    _ missing: [String]
  ) throws(ModuleFault) -> ModuleEnvironment {
    guard let text = variables["EdgeHubConnectionString"] else {
      throw ModuleFault(
        .environment,
        "this is no module's environment: there is neither \(missing.joined(separator: ", ")) nor "
          + "EdgeHubConnectionString"
      )
    }
    let read: ConnectionString
    do throws(ConnectionStringFault) {
      read = try ConnectionString(text)
    } catch {
      throw ModuleFault(.environment, "EdgeHubConnectionString: \(error)")
    }
    guard case .identity(let host, let identity, .key(let key), let gateway) = read,
      identity.moduleID != nil
    else {
      throw ModuleFault(.environment, "EdgeHubConnectionString is not that of a module with a key")
    }
    return ModuleEnvironment(
      identity: identity,
      hub: host,
      gateway: gateway ?? host,
      signer: .key(key, authorities: variables["EdgeModuleCACertificateFile"])
    )
  }
}
