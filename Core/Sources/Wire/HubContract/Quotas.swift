/// The hub's limits with their names (contract §10).
///
/// A value of it is passed to whatever enforces a limit; `Quotas()` holds the documented defaults.
/// What happens when one is reached stands with each.
public struct Quotas: Equatable, Sendable {
  /// Bytes of a device-to-cloud message as contract §3.4 counts them; over: the connection is closed.
  public var deviceToCloudMessageBytes = 262_144
  /// Bytes of a cloud-to-device message as contract §3.4 counts them; over: 413001.
  public var cloudToDeviceMessageBytes = 65_536
  /// Cloud-to-device messages that wait for one device; over: 403004.
  public var cloudToDeviceQueueDepth = 50
  /// Bytes of JSON of a direct method's payload, request and response each; over: 413001.
  public var methodPayloadBytes = 131_072
  /// Size of a twin's tags as twins count it; over: 400004.
  public var twinTagsBytes = 8192
  /// Size of a twin's desired properties as twins count it; over: 400004.
  public var twinDesiredBytes = 32_768
  /// Size of a twin's reported properties as twins count it; over: 400004.
  public var twinReportedBytes = 32_768
  /// UTF-8 bytes of one key in a twin; over: 400004.
  public var twinKeyBytes = 1024
  /// UTF-8 bytes of one string value in a twin; over: 400004.
  public var twinStringBytes = 4096
  /// Levels of objects in a twin section; over: 400004.
  public var twinDepth = 10
  /// Modules of one device; over: 413003.
  public var modulesPerDevice = 50
  /// Configurations of the hub; over: 413101.
  public var configurations = 100
  /// Custom metrics of one configuration; over: 400404.
  public var metricsPerConfiguration = 5
  /// Identities in one bulk call; over: 413002.
  public var bulkIdentities = 100
  /// Identities in one page of a list.
  public var listPage = 1000
  /// Characters of a query; over: 400004.
  public var queryCharacters = 8192
  /// Rows of one page of a query; a bigger wish is cut to it.
  public var queryPageMaximum = 1000
  /// Rows of one page of a query that asks for no number.
  public var queryPageDefault = 100
  /// Routes of the hub; over: the configuration is refused.
  public var routes = 100
  /// Custom endpoints of the hub; over: the configuration is refused.
  public var customEndpoints = 10
  /// Enrichments of the hub; over: the configuration is refused.
  public var enrichments = 10
  /// Devices of the hub; over: 413002.
  public var devices = 1_000_000
  /// Open file uploads of one device; over: 403006.
  public var fileUploadsPerDevice = 10
  /// Subscriptions of one MQTT client; over: return code 0x80 (contract §3.3).
  public var subscriptionsPerClient = 50
  /// Cloud-to-device messages sent and not yet acknowledged, per device (contract §3.5).
  public var cloudToDeviceWindow = 16
  /// Bytes of a REST request's body; over: 413001 (contract §7.1).
  public var restBodyBytes = 1_048_576
  /// Scheduled jobs that run at once; over: 429004 (contract §7.9).
  public var runningJobs = 10

  /// The documented defaults.
  public init() {}
}
