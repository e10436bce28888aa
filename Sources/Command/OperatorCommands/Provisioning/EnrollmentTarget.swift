import ArgumentParser
import HubContract
import JSONTree

/// The argument that names an enrollment, with what the commands on it say of themselves.
protocol EnrollmentTarget: ParsableArguments {
  /// The options that this kind has besides those of both.
  associatedtype Details: EnrollmentDetails

  /// Its name.
  var id: String { get }
  /// Words and paths of its kind.
  static var terms: EnrollmentTerms { get }

  static var create: CommandConfiguration { get }
  static var list: CommandConfiguration { get }
  static var show: CommandConfiguration { get }
  static var update: CommandConfiguration { get }
  static var delete: CommandConfiguration { get }
  static var key: CommandConfiguration { get }
}

extension EnrollmentTarget {
  /// Where it is.
  var path: [String] { [Self.terms.collection, id] }

  /// What messages call it.
  var subject: String { "\(Self.terms.noun) '\(id)'" }

  /// Checks the name before it travels.
  static func check(_ id: String) throws {
    guard RegistrationID.normalized(id) != nil else {
      throw ValidationError(
        "'\(Cell.visible(id))' cannot name an enrollment: 1 to 128 letters, digits and - . _ :, "
          + "a letter, a digit or - at the end"
      )
    }
  }
}

/// What one kind of enrollments is called in the REST interface and in messages (contract §6.6).
struct EnrollmentTerms: Sendable {
  /// The collection's path, which is the table of its query too.
  let collection: String
  /// The member that holds the name.
  let idMember: String
  /// The member that holds certificates.
  let certificatesMember: String
  /// The word for one.
  let noun: String
  /// The command's name.
  let command: String

  static let individual = EnrollmentTerms(
    collection: "enrollments",
    idMember: "registrationId",
    certificatesMember: "clientCertificates",
    noun: "enrollment",
    command: "enrollment"
  )

  static let group = EnrollmentTerms(
    collection: "enrollmentGroups",
    idMember: "enrollmentGroupId",
    certificatesMember: "signingCertificates",
    noun: "enrollment group",
    command: "enrollment-group"
  )
}

/// Options that only one kind of enrollments has.
protocol EnrollmentDetails: ParsableArguments {
  /// Whether nothing was said.
  var isEmpty: Bool { get }
  /// The options' names, for messages.
  static var names: [String] { get }
  /// Puts what was said into an enrollment.
  func apply(to body: inout JSONObject)
}

/// The options of individual enrollments.
struct IndividualDetails: EnrollmentDetails {
  @Option(
    help: ArgumentHelp(
      "Its ID at the hub, if that is not the registration ID.",
      valueName: "device"
    )
  )
  var deviceId: String?

  static let names = ["--device-id"]

  var isEmpty: Bool { deviceId == nil }

  func validate() throws {
    if let deviceId { try IdentityName.check(device: deviceId) }
  }

  func apply(to body: inout JSONObject) {
    if let deviceId { body["deviceId"] = .string(deviceId) }
  }
}

/// Enrollment groups have no options of their own.
struct GroupDetails: EnrollmentDetails {
  static let names: [String] = []
  var isEmpty: Bool { true }
  func apply(to body: inout JSONObject) {}
}
