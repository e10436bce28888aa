public import JSONTree

/// How a hub is chosen for a device (contract §6.7).
public enum AllocationPolicy: String, Sendable, CaseIterable {
  /// Evenly, by a stable hash of the registration ID.
  case hashed
  /// The one with the lowest configured latency.
  case geoLatency
  /// The one hub that the enrollment names.
  case `static`
  /// As a webhook says.
  case custom
}

/// What happens when a device that is assigned registers again (contract §6.7).
public struct ReprovisionPolicy: Equatable, Sendable {
  /// Whether the hub is chosen anew.
  public var updatesAssignment: Bool
  /// Whether the twin goes along to another hub; else it begins anew there.
  public var migratesData: Bool

  /// Creates a policy; the default chooses anew and takes the twin along.
  public init(updatesAssignment: Bool = true, migratesData: Bool = true) {
    self.updatesAssignment = updatesAssignment
    self.migratesData = migratesData
  }
}

/// What a new device's twin begins with.
public struct InitialTwin: Equatable, Sendable {
  /// The tags.
  public var tags: JSONObject
  /// The desired properties.
  public var desired: JSONObject

  /// Creates a beginning.
  public init(tags: JSONObject = [:], desired: JSONObject = [:]) {
    self.tags = tags
    self.desired = desired
  }

  /// The JSON object.
  public var json: JSONValue {
    ["tags": .object(tags), "properties": ["desired": .object(desired)]]
  }

  /// Reads the JSON object; what is null counts as empty.
  ///
  /// - Throws: 400012 for other types than objects.
  public init(json: JSONValue) throws(HubError) {
    try self.init(try BodyFields(json, path: "initialTwin"))
  }

  init(_ fields: BodyFields) throws(HubError) {
    tags = try fields.object("tags") ?? [:]
    desired = try fields.fields("properties")?.object("desired") ?? [:]
    // A section that was read elsewhere carries them.
    desired["$metadata"] = nil
    desired["$version"] = nil
  }
}

/// The webhook of a custom allocation.
public struct CustomAllocation: Equatable, Sendable {
  /// Where it is asked.
  public var webhookURL: String
  /// The version of its interface.
  public var apiVersion: String

  /// Creates a definition.
  public init(webhookURL: String, apiVersion: String) {
    self.webhookURL = webhookURL
    self.apiVersion = apiVersion
  }
}

/// The right of one device, or of a group of them, to be provisioned (contract §6.6).
public struct Enrollment: Equatable, Sendable {
  /// Its name.
  public var key: EnrollmentKey
  /// The ID in the hub, where it is not the registration ID; of individual ones alone.
  public var deviceID: String?
  /// How devices prove who they are.
  public var attestation: Attestation
  /// Whether devices become edge devices.
  public var isEdge = false
  /// What the twin begins with.
  public var initialTwin: InitialTwin?
  /// Whether devices may register.
  public var isEnabled = true
  /// What happens at further registrations.
  public var reprovisionPolicy = ReprovisionPolicy()
  /// How a hub is chosen; nil leaves that to the service.
  public var allocationPolicy: AllocationPolicy?
  /// The one hub, in the old form.
  public var hubHostName: String?
  /// The hubs to choose among; empty means all linked ones.
  public var hubs: [String] = []
  /// The webhook of a custom allocation.
  public var customAllocation: CustomAllocation?
  /// The authority that issues certificates to devices which ask for one.
  public var issuingAuthority: String?
  /// What the operator notes about the device.
  public var optionalDeviceInformation: JSONValue?
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64 = 0
  /// When it was made.
  public var createdTime = Timestamp.never
  /// When it was last written.
  public var updatedTime = Timestamp.never

  /// Creates an enrollment with the standard settings.
  public init(key: EnrollmentKey, attestation: Attestation) {
    self.key = key
    self.attestation = attestation
  }

  /// The hubs that it names.
  public var namedHubs: [String] {
    hubs.isEmpty ? [hubHostName].compactMap { $0 } : hubs
  }
}
