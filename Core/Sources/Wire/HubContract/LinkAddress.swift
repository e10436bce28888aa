internal import ByteIO

/// What an AMQP link's address names (contract §4, §8).
///
/// Absolute addresses lose their scheme and host, which are checked nowhere: the connection came to
/// this hub. Words are compared without regard to case, identifiers are taken percent-decoded.
public enum LinkAddress: Equatable, Sendable {
  /// `$cbs`: tokens.
  case claimsBasedSecurity
  /// `$management`, of the hub or of an event stream.
  case management
  /// `/messages/devicebound`: cloud-to-device messages are sent here.
  case cloudToDevice
  /// `/messages/serviceBound/feedback`: what became of them.
  case feedback
  /// `/messages/serviceBound/filenotifications` or `…/fileUploadNotifications`.
  case fileNotifications
  /// `<entity>/ConsumerGroups/<group>/Partitions/<partition>`: events of a partition.
  case events(entity: String, consumerGroup: String, partition: String)
  /// `<entity>` or `<entity>/Partitions/<partition>`: an event stream as a whole, to send to.
  case stream(entity: String, partition: String?)
  /// `/devices/<d>[/modules/<m>]/messages/events`: telemetry, or inputs of a module.
  case telemetry(IdentityKey)
  /// `/devices/<d>/messages/deviceBound`: what a device receives.
  case deviceBound(IdentityKey)
  /// `/devices/<d>[/modules/<m>]/methods/deviceBound`: direct methods.
  case methods(IdentityKey)
  /// `/devices/<d>[/modules/<m>]/twin`: the twin.
  case twin(IdentityKey)
  /// `<scope>/registrations/<id>`, of the provisioning service: requests and their answers.
  case registration(ProvisioningUserName)

  /// The most bytes of an address.
  public static let byteLimit = 1_024

  /// Reads an address; nil for one that names nothing that a hub could have.
  public init?(_ text: String) {
    guard text.utf8.count <= Self.byteLimit else { return nil }
    let segments = Self.segments(text)
    let words = segments.map { SASResource.lowercase($0) }
    switch words {
    case ["$cbs"]: self = .claimsBasedSecurity
    case _ where words.last == "$management" && words.count <= 3: self = .management
    case ["messages", "devicebound"]: self = .cloudToDevice
    case ["messages", "servicebound", "feedback"]: self = .feedback
    case ["messages", "servicebound", "filenotifications"],
      ["messages", "servicebound", "fileuploadnotifications"]:
      self = .fileNotifications
    case _ where words.first == "devices" && words.count > 1:
      guard let address = Self.identity(segments, words) else { return nil }
      self = address
    case _ where words.count == 3 && words[1] == "registrations":
      let name = "\(segments[0])/registrations/\(segments[2])"
      guard let name = ProvisioningUserName(name.utf8) else { return nil }
      self = .registration(name)
    default:
      guard let address = Self.entity(segments, words) else { return nil }
      self = address
    }
  }

  /// The segments behind scheme and host.
  private static func segments(_ text: String) -> [String] {
    var rest = Substring(text)
    if let scheme = text.utf8.firstIndex(of: UInt8(ascii: ":")),
      text.utf8[scheme...].starts(with: "://".utf8)
    {
      rest = text[scheme...].dropFirst(3)
      guard let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/")) else { return [] }
      rest = rest[slash...]
    }
    return parts(rest.utf8)
  }

  private static func parts(_ path: Substring.UTF8View) -> [String] {
    path.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
  }

  private static func identity(_ segments: [String], _ words: [String]) -> LinkAddress? {
    guard segments.count > 2, let device = PercentCoding.decode(segments[1]) else { return nil }
    var key = IdentityKey(deviceID: device)
    var rest = words.dropFirst(2)
    if rest.first == "modules", segments.count > 4 {
      guard let module = PercentCoding.decode(segments[3]) else { return nil }
      key = IdentityKey(deviceID: device, moduleID: module)
      rest = rest.dropFirst(2)
    }
    guard key.isValid else { return nil }
    switch Array(rest) {
    case ["messages", "events"]: return .telemetry(key)
    case ["messages", "devicebound"]: return .deviceBound(key)
    case ["methods", "devicebound"]: return .methods(key)
    case ["twin"]: return .twin(key)
    default: return nil
    }
  }

  private static func entity(_ segments: [String], _ words: [String]) -> LinkAddress? {
    let count = segments.count
    if count >= 5, words[count - 4] == "consumergroups", words[count - 2] == "partitions" {
      return .events(
        entity: segments[..<(count - 4)].joined(separator: "/"),
        consumerGroup: segments[count - 3],
        partition: segments[count - 1]
      )
    }
    if count >= 3, words[count - 2] == "partitions" {
      return .stream(
        entity: segments[..<(count - 2)].joined(separator: "/"),
        partition: segments[count - 1]
      )
    }
    guard 1...2 ~= count else { return nil }
    return .stream(entity: segments.joined(separator: "/"), partition: nil)
  }

  /// The path that a token's resource must cover (contract §2.1).
  public var resourceSegments: [String] {
    switch self {
    case .claimsBasedSecurity, .management: []
    case .cloudToDevice: ["messages", "devicebound"]
    case .feedback: ["messages", "servicebound", "feedback"]
    case .fileNotifications: ["messages", "servicebound", "filenotifications"]
    case .events(let entity, let group, let partition):
      Self.parts(entity.utf8[...])
        + ["consumergroups", group, "partitions", partition]
    case .stream(let entity, let partition):
      Self.parts(entity.utf8[...])
        + (partition.map { ["partitions", $0] } ?? [])
    case .telemetry(let key), .deviceBound(let key), .methods(let key), .twin(let key):
      SASResource(host: "", identity: key).segments
    case .registration(let name): [name.scope, "registrations", name.registrationID]
    }
  }
}
