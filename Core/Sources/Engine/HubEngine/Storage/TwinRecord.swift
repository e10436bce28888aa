public import HubContract

/// A twin as the storage keeps it: JSON texts that are spliced into answers without being parsed.
///
/// Every text is compact UTF-8 that `JSON` wrote.
public struct TwinRecord: Equatable, Sendable {
  /// Whose twin it is.
  public var key: IdentityKey
  /// Counts writes of tags and desired properties; its text is `ETags.twin` (contract §7.5).
  public var etagCounter: UInt64
  /// Counts every change, reported properties included.
  public var version: UInt64
  /// The tags, a JSON object.
  public var tags: [UInt8]
  /// The desired properties.
  public var desired: TwinSection
  /// The reported properties.
  public var reported: TwinSection
  /// The model ID that the client announced when it connected, if any.
  public var modelID: String?

  /// Creates a twin; without more than the key that of a new identity (contract §7.5).
  public init(
    key: IdentityKey,
    etagCounter: UInt64 = 1,
    version: UInt64 = 2,
    tags: [UInt8] = TwinSection.emptyObject,
    desired: TwinSection = TwinSection(),
    reported: TwinSection = TwinSection(),
    modelID: String? = nil
  ) {
    self.key = key
    self.etagCounter = etagCounter
    self.version = version
    self.tags = tags
    self.desired = desired
    self.reported = reported
    self.modelID = modelID
  }
}

/// The desired or the reported properties of a twin.
public struct TwinSection: Equatable, Sendable {
  /// The text `{}`.
  public static let emptyObject: [UInt8] = [UInt8]("{}".utf8)

  /// The properties, a JSON object without `$metadata` and `$version`.
  public var properties: [UInt8]
  /// The value of `$metadata`: when each property was last written (contract §7.5).
  public var metadata: [UInt8]
  /// The value of `$version`: 1 for a new twin, one more with every accepted change.
  public var version: UInt64

  /// Creates a section; without arguments that of a new twin.
  public init(
    properties: [UInt8] = Self.emptyObject,
    metadata: [UInt8] = [UInt8](#"{"$lastUpdated":"0001-01-01T00:00:00Z"}"#.utf8),
    version: UInt64 = 1
  ) {
    self.properties = properties
    self.metadata = metadata
    self.version = version
  }
}
