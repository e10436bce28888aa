/// What a module is told of where it runs (edge contract section 3.6).
public struct ModuleSurroundings: Equatable, Sendable {
  /// Host name of the IoT hub.
  public var hubHostName: String
  /// The edge device's ID.
  public var deviceID: String
  /// Host name of the edge device, which modules and leaf devices connect to.
  public var edgeHostName: String
  /// Host name of the parent in nested set-ups.
  public var parentHostName: String?
  /// The workload API as modules see it: `unix://` and a path.
  public var workloadURI: String
  /// The container network.
  public var networkID: String
  /// What the agent was told itself, and passes on.
  public var upstreamProtocol, runtimeLogLevel: String?
  /// The management API, for the agent itself.
  public var managementURI: String?
  /// Where the sockets of modules are made, for the agent itself.
  public var workloadListenMountURI: String?

  /// The version of the workload API that modules are to ask for.
  static let workloadAPIVersion = "2022-08-03"

  /// Creates surroundings.
  public init(
    hubHostName: String,
    deviceID: String,
    edgeHostName: String,
    parentHostName: String? = nil,
    workloadURI: String = "unix:///var/run/iotedge/workload.sock",
    networkID: String = "azure-iot-edge",
    upstreamProtocol: String? = nil,
    runtimeLogLevel: String? = nil,
    managementURI: String? = nil,
    workloadListenMountURI: String? = nil
  ) {
    self.hubHostName = hubHostName
    self.deviceID = deviceID
    self.edgeHostName = edgeHostName
    self.parentHostName = parentHostName
    self.workloadURI = workloadURI
    self.networkID = networkID
    self.upstreamProtocol = upstreamProtocol
    self.runtimeLogLevel = runtimeLogLevel
    self.managementURI = managementURI
    self.workloadListenMountURI = workloadListenMountURI
  }

  /// The variables for `module`, whose identity has `generationID`; those of its deployment win.
  public func environment(
    of module: ModuleConfiguration,
    generationID: String
  ) -> [String: String] {
    var variables = [
      "IOTEDGE_WORKLOADURI": workloadURI, "IOTEDGE_APIVERSION": Self.workloadAPIVersion,
      "IOTEDGE_AUTHSCHEME": "sasToken", "IOTEDGE_DEVICEID": deviceID,
      "IOTEDGE_MODULEID": module.moduleID, "IOTEDGE_MODULEGENERATIONID": generationID,
      "IOTEDGE_IOTHUBHOSTNAME": hubHostName,
    ]
    variables["UpstreamProtocol"] = upstreamProtocol
    variables["RuntimeLogLevel"] = runtimeLogLevel
    if module.isSystem {
      variables["EdgeDeviceHostName"] = edgeHostName
      variables["IOTEDGE_GATEWAYHOSTNAME"] = parentHostName
    } else {
      variables["IOTEDGE_GATEWAYHOSTNAME"] = edgeHostName
      variables["IOTEDGE_PARENTHOSTNAME"] = parentHostName
    }
    if module.name == ModuleConfiguration.edgeAgent {
      variables["IOTEDGE_MANAGEMENTURI"] = managementURI
      variables["IOTEDGE_WORKLOADLISTEN_MNTURI"] = workloadListenMountURI
      variables["NetworkId"] = networkID
      variables["Mode"] = "iotedged"
    }
    return variables.merging(module.environment) { _, own in own }
  }
}

extension ModuleConfiguration {
  /// Whether this is one of the two modules that are the runtime itself.
  var isSystem: Bool { name == Self.edgeAgent || name == Self.edgeHub }
}
