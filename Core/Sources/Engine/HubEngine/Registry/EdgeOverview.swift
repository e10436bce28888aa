public import HubContract
public import JSONTree

/// How an edge device is: its connection, its deployment, its modules, and who is below it.
public struct EdgeOverview: Equatable, Sendable {
  /// The deployment that the edge device was given, and what its agent says of it.
  public struct Deployment: Equatable, Sendable {
    /// Version of the desired properties of `$edgeAgent`.
    public var desiredVersion: UInt64
    /// The version that the agent has dealt with, nil if it never reported.
    public var reportedVersion: Int64?
    /// What became of it: 200 if all was done.
    public var code: Int64?
    /// What is wrong; empty if nothing is.
    public var description: String

    /// Whether the machine is as the desired properties say.
    public var isApplied: Bool {
      code == 200 && reportedVersion.map { UInt64(clamping: $0) } == desiredVersion
    }
  }

  /// A module, as it was last reported, or as it is wanted and not reported yet.
  public struct Module: Equatable, Sendable {
    /// Its name.
    public var name: String
    /// The status that is wanted, nil if the module is not wanted any more.
    public var desiredStatus: String?
    /// What it was doing, nil if nothing was reported.
    public var runtimeStatus: String?
    /// How often it was restarted.
    public var restartCount: Int64?
    /// How it ended last.
    public var exitCode: Int64?
    /// The runtime's own words.
    public var statusDescription: String?
    /// Its image.
    public var image: String?
    /// When it was started.
    public var lastStart: String?
  }

  /// A device below the edge device.
  public struct Child: Equatable, Sendable {
    /// Its ID.
    public var deviceID: String
    /// The edge device that it belongs to.
    public var parentID: String
    /// Whether it is an edge device itself.
    public var isEdge: Bool
    /// Whether it may connect.
    public var status: IdentityStatus
    /// Its connection.
    public var activity: IdentityActivity
  }

  /// The edge device.
  public var deviceID: String
  /// Whether it may connect.
  public var status: IdentityStatus
  /// The edge device above it, nil for none.
  public var parentID: String?
  /// The connection of its agent.
  public var agent: IdentityActivity
  /// The connection of its local hub.
  public var hub: IdentityActivity
  /// Its deployment.
  public var deployment: Deployment
  /// Its modules by name, those of the system first.
  public var modules: [Module]
  /// How many devices are directly below it.
  public var childCount: Int
  /// Whether there are more than were counted.
  public var isCountCut: Bool
  /// All devices below it, near and far, each behind its parent; where they were asked for.
  public var children: [Child]?

  /// Modules that should run and are not said to.
  public var unwellCount: Int {
    modules.count { $0.desiredStatus == "running" && $0.runtimeStatus != "running" }
  }

  /// The object of answers.
  public var json: JSONValue {
    var object: JSONObject = [
      "deviceId": .string(deviceID), "status": .string(status.rawValue),
      "parent": parentID.map { .string($0) } ?? .null, "agent": Self.json(agent),
      "hub": Self.json(hub),
      "deployment": [
        "isApplied": .bool(deployment.isApplied),
        "desiredVersion": .int(Int64(clamping: deployment.desiredVersion)),
        "lastDesiredVersion": deployment.reportedVersion.map { .int($0) } ?? .null,
        "code": deployment.code.map { .int($0) } ?? .null,
        "description": .string(deployment.description),
      ],
      "unwellModuleCount": .int(Int64(unwellCount)),
      "modules": .array(modules.map(\.json)), "childCount": .int(Int64(childCount)),
    ]
    if isCountCut { object["isChildCountCut"] = true }
    if let children {
      object["children"] = .array(
        children.map { child in
          [
            "deviceId": .string(child.deviceID), "parent": .string(child.parentID),
            "isEdge": .bool(child.isEdge), "status": .string(child.status.rawValue),
            "connection": Self.json(child.activity),
          ]
        }
      )
    }
    return .object(object)
  }

  private static func json(_ activity: IdentityActivity) -> JSONValue {
    [
      "connectionState": activity.isConnected ? "Connected" : "Disconnected",
      "connectionStateUpdatedTime": .string(activity.connectionStateUpdatedTime.iso8601),
      "lastActivityTime": .string(activity.lastActivityTime.iso8601),
    ]
  }
}

extension EdgeOverview.Module {
  fileprivate var json: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "name": .string(name), "desiredStatus": text(desiredStatus),
      "runtimeStatus": text(runtimeStatus),
      "restartCount": restartCount.map { .int($0) } ?? .null,
      "exitCode": exitCode.map { .int($0) } ?? .null,
      "statusDescription": text(statusDescription), "image": text(image),
      "lastStartTimeUtc": text(lastStart),
    ]
  }
}
