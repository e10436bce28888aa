public import JSONTree

/// A fault that a hub commits on purpose, so that people see how their devices and back ends bear it.
///
/// Ours alone: the original has nothing like it.
public struct InjectedFault: Equatable, Sendable {
  /// What happens.
  public enum Kind: String, CaseIterable, Sendable {
    /// Devices that connect over MQTT hear that the hub is unavailable (CONNACK 3).
    case refuseConnections
    /// What devices prove themselves with is refused as if it had expired, over every protocol.
    case rejectCredentials
    /// Devices wait before what they prove themselves with is judged, over every protocol.
    case delayConnections
    /// Connections of devices are closed, at once and again if `everySeconds` says so.
    case disconnect
    /// HTTPS requests are refused with `status`.
    case failRequests
    /// HTTPS requests wait before they are looked at.
    case delayRequests
    /// Telemetry is not kept and not acknowledged: connections close as on a full disk.
    case loseTelemetry
    /// Every commit of telemetry takes longer, as on a slow disk.
    case slowLog
    /// Direct methods do not reach their devices.
    case dropMethods
    /// The hub's clock goes wrong by `shiftSeconds`, for credentials, twins and queues.
    case shiftClock

    /// The members that say more of it; those that must be there, and others.
    fileprivate var members: (required: [String], optional: [String]) {
      let chance = ["probability", "times"]
      return switch self {
      case .refuseConnections, .rejectCredentials, .dropMethods: ([], ["deviceId"] + chance)
      case .delayConnections: (["delayMilliseconds"], ["deviceId"] + chance)
      case .disconnect: ([], ["deviceId", "everySeconds"] + chance)
      case .failRequests: (["status"], ["path", "retryAfterSeconds"] + chance)
      case .delayRequests: (["delayMilliseconds"], ["path"] + chance)
      case .loseTelemetry: ([], chance)
      case .slowLog: (["delayMilliseconds"], chance)
      case .shiftClock: (["shiftSeconds"], [])
      }
    }
  }

  /// What it is called, so that it can be replaced and removed.
  public let name: String
  /// What happens.
  public let kind: Kind
  /// The device it is for, with its modules; nil for all.
  public let deviceID: String?
  /// The beginning of the paths it is for; nil for all but those of administration.
  public let path: String?
  /// The status of refused requests: 401, 429, 500 or 503.
  public let status: Int?
  /// What `Retry-After` says in seconds, nil for no such header.
  public let retryAfterSeconds: UInt64?
  /// How long it holds up.
  public let delayMilliseconds: UInt64
  /// After how many seconds it happens again; nil for once.
  public let everySeconds: UInt64?
  /// By how much the clock is wrong, in seconds; above 0 it is fast.
  public let shiftSeconds: Int64
  /// How likely it strikes where it can, above 0 to 1.
  public let probability: Double
  /// How often it strikes; nil for as often as it can.
  public let times: Int?
  /// After how many seconds it is gone; nil for never.
  public let lifetimeSeconds: UInt64?

  /// The longest delay, in milliseconds: a minute.
  public static let longestDelayMilliseconds: Int64 = 60_000
  /// The statuses of refused requests.
  public static let statuses = [401, 429, 500, 503]

  /// Reads a body.
  ///
  /// - Throws: 400004 and 400005 for a name or member that is not what it must be, 400012 for a member
  ///   of another type.
  public init(name: String, json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    guard JobID.isValid(name) else {
      throw HubError(
        .argumentInvalid,
        "A fault's name has 1 to 64 lower-case letters, digits or characters of - '"
      )
    }
    let word = try fields.requiredString("fault")
    guard let kind = Kind(rawValue: word) else {
      let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw fields.invalid("fault", "must be one of \(known).")
    }
    let (required, optional) = kind.members
    let always = ["name", "fault", "lifetimeSeconds"]
    // Null counts as absent for both.
    for (member, value) in json.objectValue ?? [:] where !value.isNull {
      guard (required + optional + always).contains(member) else {
        throw fields.invalid(member, "says nothing of \(word); leave it out.")
      }
    }
    for member in required where fields.value(member) == nil {
      throw HubError(.argumentNull, "\(member) is missing; \(word) needs it.")
    }
    self.name = name
    self.kind = kind
    deviceID = try fields.string("deviceId")
    if let deviceID, !DeviceID.isValid(deviceID) {
      throw fields.invalid("deviceId", "is no device ID.")
    }
    path = try fields.string("path")
    if let path, !path.hasPrefix("/") { throw fields.invalid("path", "must begin with /.") }
    status = try fields.integer("status", Self.statuses, "401, 429, 500 or 503")
    retryAfterSeconds = try fields.integer("retryAfterSeconds", 0...3_600).map { UInt64($0) }
    let delays = 1...Self.longestDelayMilliseconds
    delayMilliseconds = UInt64(try fields.integer("delayMilliseconds", delays) ?? 0)
    everySeconds = try fields.integer("everySeconds", 1...86_400).map { UInt64($0) }
    // Ten years: enough for every certificate, and no overflow of times.
    shiftSeconds = try fields.integer("shiftSeconds", -315_576_000...315_576_000) ?? 0
    times = try fields.integer("times", 1...1_000_000).map { Int($0) }
    lifetimeSeconds = try fields.integer("lifetimeSeconds", 1...86_400).map { UInt64($0) }
    let probability = try fields.value("probability", "a number") { $0.doubleValue } ?? 1
    guard probability > 0, probability <= 1 else {
      throw fields.invalid("probability", "must be above 0 and at most 1.")
    }
    self.probability = probability
  }

  /// The members, with those alone that the kind has.
  public var json: JSONObject {
    var object: JSONObject = ["name": .string(name), "fault": .string(kind.rawValue)]
    if let deviceID { object["deviceId"] = .string(deviceID) }
    if let path { object["path"] = .string(path) }
    if let status { object["status"] = .int(Int64(status)) }
    if let retryAfterSeconds {
      object["retryAfterSeconds"] = .int(Int64(clamping: retryAfterSeconds))
    }
    if delayMilliseconds > 0 {
      object["delayMilliseconds"] = .int(Int64(clamping: delayMilliseconds))
    }
    if let everySeconds { object["everySeconds"] = .int(Int64(clamping: everySeconds)) }
    if kind == .shiftClock { object["shiftSeconds"] = .int(shiftSeconds) }
    if probability < 1 { object["probability"] = .double(probability) }
    if let times { object["times"] = .int(Int64(times)) }
    if let lifetimeSeconds { object["lifetimeSeconds"] = .int(Int64(clamping: lifetimeSeconds)) }
    return object
  }
}

extension BodyFields {
  /// An integer within `range`, nil if it is null or absent.
  fileprivate func integer(
    _ key: String,
    _ range: ClosedRange<Int64>
  ) throws(HubError) -> Int64? {
    guard let number = try integer(key) else { return nil }
    guard range.contains(number) else {
      throw invalid(key, "must be \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  /// One of some integers, nil if it is null or absent.
  fileprivate func integer(
    _ key: String,
    _ known: [Int],
    _ meaning: String
  ) throws(HubError) -> Int? {
    guard let number = try integer(key) else { return nil }
    guard let found = known.first(where: { Int64($0) == number }) else {
      throw invalid(key, "must be \(meaning).")
    }
    return found
  }
}
