public import HubContract
public import HubEngine

/// Everything a hub remembers, as plain values: what `SimHubStorage` copies, loses and restores.
public struct HubTables: Equatable, Sendable {
  /// The devices by ID.
  public var devices: [String: DeviceIdentity] = [:]
  /// The modules.
  public var modules: [IdentityKey: ModuleIdentity] = [:]
  /// The twins.
  public var twins: [IdentityKey: TwinRecord] = [:]
  /// What is known of connections.
  public var connections: [IdentityKey: ConnectionRecord] = [:]
  /// The lasting sessions.
  public var subscriptions: [IdentityKey: [SessionSubscription]] = [:]
  /// The cloud-to-device messages of all devices, by rising sequence.
  public var cloudToDevice: [CloudToDeviceMessage] = []
  /// The feedback, by rising sequence.
  public var feedback: [FeedbackRecord] = []
  /// The hub's own events that are not in the log yet, by rising sequence.
  public var outgoingEvents: [OutgoingEvent] = []
  /// The policies by name.
  public var policies: [String: PolicyRecord] = [:]
  /// The certificate authorities by name.
  public var authorities: [String: CertificateAuthorityRecord] = [:]
  /// The configurations by ID.
  public var configurations: [String: Configuration] = [:]
  /// What configurations have done to twins.
  public var configurationStates: [IdentityKey: ConfigurationState] = [:]
  /// The walk through all devices, if one is under way.
  public var configurationSweep: ConfigurationSweep?
  /// The jobs by ID.
  public var jobs: [String: ScheduledJob] = [:]
  /// The devices' parts in jobs.
  public var deviceJobs: [DeviceJobKey: DeviceJob] = [:]
  /// The blobs.
  public var blobs: [BlobKey: BlobRecord] = [:]
  /// The parts of blobs by file.
  public var blobParts: [String: BlobPart] = [:]
  /// The uploads by correlation ID.
  public var uploads: [String: FileUpload] = [:]
  /// News of files, by rising sequence.
  public var fileNotifications: [FileNotification] = []
  /// The exports and imports by ID.
  public var transfers: [String: TransferJob] = [:]
  /// The counters.
  public var counters: [HubCounter: UInt64] = [:]
  /// The last sequence that was given to a message, feedback record or notification.
  public var sequence: UInt64 = 0

  /// Creates an empty hub.
  public init() {}

  /// Whether `first` comes before `second` by their bytes.
  static func ordinal(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }
}

extension Dictionary {
  /// At most `limit` values whose key comes after `key` (nil: from the first), in order.
  func page(
    after key: Key?,
    limit: Int,
    by comesBefore: (Key, Key) -> Bool
  ) -> [Value] {
    let keys = keys.filter { candidate in key.map { comesBefore($0, candidate) } ?? true }
    return keys.sorted(by: comesBefore).prefix(limit).compactMap { self[$0] }
  }
}
