/// What a shared access policy allows (contract §2.1).
public struct AccessRights: OptionSet, Hashable, Sendable {
  /// The rights as bits.
  public let rawValue: UInt8

  /// Creates rights from bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Reading identities and statistics.
  public static let registryRead = AccessRights(rawValue: 1)
  /// Writing identities, bulk, import.
  public static let registryWrite = AccessRights(rawValue: 2)
  /// Cloud-to-device messages, feedback, events, twins, queries, methods, jobs.
  public static let serviceConnect = AccessRights(rawValue: 4)
  /// Connecting as a device.
  public static let deviceConnect = AccessRights(rawValue: 8)
  /// Reading enrollments and registrations of the provisioning service.
  public static let enrollmentRead = AccessRights(rawValue: 16)
  /// Writing enrollments, and reading their keys.
  public static let enrollmentWrite = AccessRights(rawValue: 32)
  /// Everything of the hub; the provisioning service is a realm of its own.
  public static let all: AccessRights = [
    .registryRead, .registryWrite, .serviceConnect, .deviceConnect,
  ]
}
