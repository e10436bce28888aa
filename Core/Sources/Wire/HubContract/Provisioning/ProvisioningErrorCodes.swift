/// The codes of the provisioning service, whose numbers are its own (contract §6.8).
extension HubErrorCode {
  /// The endorsement key is none.
  public static let invalidEndorsementKey = HubErrorCode(rawValue: 400_201)
  /// The registration ID breaks the rule of names.
  public static let invalidRegistrationID = HubErrorCode(rawValue: 400_202)
  /// The storage root key is none.
  public static let invalidStorageRootKey = HubErrorCode(rawValue: 400_203)
  /// The name of an enrollment group breaks the rule.
  public static let invalidEnrollmentGroupID = HubErrorCode(rawValue: 400_204)
  /// More enrollments than allowed, in the service or in one call.
  public static let tooManyEnrollments = HubErrorCode(rawValue: 400_205)
  /// A bulk call names one registration ID twice.
  public static let registrationIDDefinedMultipleTimes = HubErrorCode(rawValue: 400_206)
  /// The webhook of a custom allocation did not answer, or not as it must.
  public static let customAllocationFailed = HubErrorCode(rawValue: 400_207)
  /// The webhook named no linked hub.
  public static let customAllocationHubNotSpecified = HubErrorCode(rawValue: 400_208)
  /// The webhook refused the service.
  public static let customAllocationUnauthorized = HubErrorCode(rawValue: 400_209)
  /// The credential is missing, wrong, expired, or its enrollment is disabled.
  public static let provisioningUnauthorized = HubErrorCode(rawValue: 401_002)
  /// No such enrollment.
  public static let enrollmentNotFound = HubErrorCode(rawValue: 404_201)
  /// The device never registered.
  public static let registrationNotFound = HubErrorCode(rawValue: 404_202)
  /// No such operation, or it is too long ago.
  public static let operationNotFound = HubErrorCode(rawValue: 404_203)
  /// No such enrollment group.
  public static let enrollmentGroupNotFound = HubErrorCode(rawValue: 404_204)
  /// An enrollment of this registration ID exists.
  public static let enrollmentConflict = HubErrorCode(rawValue: 409_201)
  /// An enrollment group of this name exists.
  public static let enrollmentGroupConflict = HubErrorCode(rawValue: 409_202)
  /// The ETag is not the current one.
  public static let provisioningPrecondition = HubErrorCode(rawValue: 412_000)
}
