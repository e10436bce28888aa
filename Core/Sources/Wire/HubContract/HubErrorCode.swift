/// A number of the hub's error table (contract §7.2).
///
/// The first three digits are the HTTP status; the name travels in the header `iothub-errorcode`,
/// which is what the stock clients discriminate on.
public struct HubErrorCode: RawRepresentable, Hashable, Sendable {
  /// The six-digit number.
  public let rawValue: Int

  /// Creates the code of a number, which need not be in the table.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// The response header that carries `name`.
  public static let headerName = "iothub-errorcode"

  /// The HTTP status: the first three digits, or 500 if these are no status.
  public var httpStatus: Int {
    let status = rawValue / 1000
    return (100...599).contains(status) ? status : 500
  }

  /// The name in the table, or `ServerError` for a number that is not in it.
  public var name: String { Self.names[rawValue] ?? "ServerError" }

  /// The api-version is missing or unknown.
  public static let invalidProtocolVersion = HubErrorCode(rawValue: 400_001)
  /// The operation makes no sense here.
  public static let invalidOperation = HubErrorCode(rawValue: 400_003)
  /// A part of the request breaks a rule.
  public static let argumentInvalid = HubErrorCode(rawValue: 400_004)
  /// A required part is missing.
  public static let argumentNull = HubErrorCode(rawValue: 400_005)
  /// The body is not the format it claims to be.
  public static let iotHubFormatError = HubErrorCode(rawValue: 400_006)
  /// A bulk call names one device twice.
  public static let deviceDefinedMultipleTimes = HubErrorCode(rawValue: 400_011)
  /// The body is JSON but not of the expected shape.
  public static let deserializationError = HubErrorCode(rawValue: 400_012)
  /// Some elements of a bulk call failed.
  public static let bulkRegistryOperationFailure = HubErrorCode(rawValue: 400_013)
  /// File upload without configured storage.
  public static let defaultStorageEndpointNotConfigured = HubErrorCode(rawValue: 400_014)
  /// The correlation ID names no upload.
  public static let invalidFileUploadCorrelationID = HubErrorCode(rawValue: 400_015)
  /// The upload was not completed in time.
  public static let expiredFileUploadCorrelationID = HubErrorCode(rawValue: 400_016)
  /// A newer connection of the same identity took over; only logged.
  public static let connectionForcefullyClosedOnNewConnection = HubErrorCode(rawValue: 400_027)
  /// The device scope names no edge device.
  public static let invalidDeviceScope = HubErrorCode(rawValue: 400_028)
  /// A configuration's target condition does not compile.
  public static let invalidConfigurationTargetCondition = HubErrorCode(rawValue: 400_401)
  /// A configuration's content breaks a rule.
  public static let invalidConfigurationContent = HubErrorCode(rawValue: 400_402)
  /// A configuration's content can't be changed.
  public static let cannotModifyImmutableConfigurationContent = HubErrorCode(rawValue: 400_403)
  /// A configuration's metric query does not compile.
  public static let invalidConfigurationCustomMetricsQuery = HubErrorCode(rawValue: 400_404)
  /// No such hub here.
  public static let iotHubNotFound = HubErrorCode(rawValue: 401_001)
  /// The credential does not give this right.
  public static let iotHubUnauthorizedAccess = HubErrorCode(rawValue: 401_002)
  /// The credential is missing, wrong or expired.
  public static let iotHubUnauthorized = HubErrorCode(rawValue: 401_003)
  /// A quota of the hub is used up.
  public static let iotHubQuotaExceeded = HubErrorCode(rawValue: 403_002)
  /// A second import or export job.
  public static let jobQuotaExceeded = HubErrorCode(rawValue: 403_003)
  /// The device's queue of cloud-to-device messages is full.
  public static let deviceMaximumQueueDepthExceeded = HubErrorCode(rawValue: 403_004)
  /// Too many open uploads of one device.
  public static let deviceMaximumActiveFileUploadLimitExceeded = HubErrorCode(rawValue: 403_006)
  /// The device is disabled.
  public static let deviceDisabled = HubErrorCode(rawValue: 403_012)
  /// No such device.
  public static let deviceNotFound = HubErrorCode(rawValue: 404_001)
  /// No such job.
  public static let jobNotFound = HubErrorCode(rawValue: 404_002)
  /// No such module.
  public static let moduleNotFound = HubErrorCode(rawValue: 404_010)
  /// The device is not connected, or did not subscribe to methods.
  public static let deviceNotOnline = HubErrorCode(rawValue: 404_103)
  /// No such configuration.
  public static let configurationNotFound = HubErrorCode(rawValue: 404_301)
  /// The path exists, but not for this verb.
  public static let genericMethodNotAllowed = HubErrorCode(rawValue: 405_000)
  /// The object's state forbids the operation.
  public static let operationNotAllowedInCurrentState = HubErrorCode(rawValue: 405_102)
  /// A device of this ID exists.
  public static let deviceAlreadyExists = HubErrorCode(rawValue: 409_001)
  /// A newer link of the same device took over (contract §4).
  public static let linkCreationConflict = HubErrorCode(rawValue: 409_002)
  /// A job of this ID exists.
  public static let jobAlreadyExists = HubErrorCode(rawValue: 409_104)
  /// A module of this ID exists on the device.
  public static let moduleAlreadyExistsOnDevice = HubErrorCode(rawValue: 409_301)
  /// A configuration of this ID exists.
  public static let configurationAlreadyExists = HubErrorCode(rawValue: 409_401)
  /// The ETag in `If-Match` is not the current one.
  public static let preconditionFailed = HubErrorCode(rawValue: 412_001)
  /// The lock of a cloud-to-device message is over.
  public static let deviceMessageLockLost = HubErrorCode(rawValue: 412_002)
  /// The message or body is above its limit.
  public static let messageTooLarge = HubErrorCode(rawValue: 413_001)
  /// Too many devices, in the hub or in one call.
  public static let tooManyDevices = HubErrorCode(rawValue: 413_002)
  /// Too many modules on one device.
  public static let tooManyModulesOnDevice = HubErrorCode(rawValue: 413_003)
  /// Too many configurations.
  public static let configurationCountLimitExceeded = HubErrorCode(rawValue: 413_101)
  /// Too many requests; come back later.
  public static let throttlingException = HubErrorCode(rawValue: 429_001)
  /// Too many throttled requests wait already.
  public static let throttleBacklogLimitExceeded = HubErrorCode(rawValue: 429_002)
  /// A throttled request waited too long.
  public static let throttlingBacklogTimeout = HubErrorCode(rawValue: 429_003)
  /// Too many jobs run at once.
  public static let throttlingMaxActiveJobCountExceeded = HubErrorCode(rawValue: 429_004)
  /// Our own failure.
  public static let serverError = HubErrorCode(rawValue: 500_001)
  /// The hub can't serve at the moment.
  public static let serviceUnavailable = HubErrorCode(rawValue: 503_001)
  /// The device did not answer a direct method in time.
  public static let gatewayTimeout = HubErrorCode(rawValue: 504_101)

  /// Every code of the table, in rising order.
  public static let all: [HubErrorCode] = names.keys.sorted().map { HubErrorCode(rawValue: $0) }

  private static let names: [Int: String] = [
    400_001: "InvalidProtocolVersion", 400_003: "InvalidOperation", 400_004: "ArgumentInvalid",
    400_005: "ArgumentNull", 400_006: "IotHubFormatError", 400_011: "DeviceDefinedMultipleTimes",
    400_012: "DeserializationError", 400_013: "BulkRegistryOperationFailure",
    400_014: "DefaultStorageEndpointNotConfigured", 400_015: "InvalidFileUploadCorrelationId",
    400_016: "ExpiredFileUploadCorrelationId",
    400_027: "ConnectionForcefullyClosedOnNewConnection", 400_028: "InvalidDeviceScope",
    400_201: "InvalidEndorsementKey", 400_202: "InvalidRegistrationId",
    400_203: "InvalidStorageRootKey", 400_204: "InvalidEnrollmentGroupId",
    400_205: "TooManyEnrollments", 400_206: "RegistrationIdDefinedMultipleTimes",
    400_207: "CustomAllocationFailed", 400_208: "CustomAllocationIotHubNotSpecified",
    400_209: "CustomAllocationUnauthorizedAccess",
    400_401: "InvalidConfigurationTargetCondition", 400_402: "InvalidConfigurationContent",
    400_403: "CannotModifyImmutableConfigurationContent",
    400_404: "InvalidConfigurationCustomMetricsQuery", 401_001: "IotHubNotFound",
    401_002: "IotHubUnauthorizedAccess", 401_003: "IotHubUnauthorized",
    403_002: "IotHubQuotaExceeded", 403_003: "JobQuotaExceeded",
    403_004: "DeviceMaximumQueueDepthExceeded",
    403_006: "DeviceMaximumActiveFileUploadLimitExceeded", 403_012: "DeviceDisabled",
    404_001: "DeviceNotFound", 404_002: "JobNotFound", 404_010: "ModuleNotFound",
    404_103: "DeviceNotOnline", 404_201: "EnrollmentNotFound",
    404_202: "DeviceRegistrationNotFound", 404_203: "AsyncOperationNotFound",
    404_204: "EnrollmentGroupNotFound", 404_301: "ConfigurationNotFound",
    405_000: "GenericMethodNotAllowed", 405_102: "OperationNotAllowedInCurrentState",
    409_001: "DeviceAlreadyExists", 409_002: "LinkCreationConflict", 409_104: "JobAlreadyExists",
    409_201: "EnrollmentConflict", 409_202: "EnrollmentGroupConflict",
    409_301: "ModuleAlreadyExistsOnDevice", 409_401: "ConfigurationAlreadyExists",
    412_000: "PreconditionFailed", 412_001: "PreconditionFailed", 412_002: "DeviceMessageLockLost",
    413_001: "MessageTooLarge",
    413_002: "TooManyDevices", 413_003: "TooManyModulesOnDevice",
    413_101: "ConfigurationCountLimitExceeded", 429_001: "ThrottlingException",
    429_002: "ThrottleBacklogLimitExceeded", 429_003: "ThrottlingBacklogTimeout",
    429_004: "ThrottlingMaxActiveJobCountExceeded", 500_001: "ServerError",
    503_001: "ServiceUnavailable", 504_101: "GatewayTimeout",
  ]
}

extension HubErrorCode: CustomStringConvertible {
  /// Number and name, as logs show it: `404001 DeviceNotFound`.
  public var description: String { "\(rawValue) \(name)" }
}
