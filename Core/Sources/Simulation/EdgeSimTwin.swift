import EdgeEngine
import HubContract
import JSONTree

/// The twin of one simulated device, as the hub has it and as the device has it.
struct EdgeSimTwin {
  let key: IdentityKey
  /// Desired properties at the hub.
  private(set) var desired = JSONObject()
  private(set) var desiredVersion: UInt64 = 1
  /// Reported properties at the hub.
  private(set) var reported = JSONObject()
  private(set) var reportedVersion: UInt64 = 1

  /// Desired properties as the device has seen them.
  private(set) var seen = JSONObject()
  private var seenVersion: UInt64 = 0
  /// Reported properties as the device has made them, those that were acknowledged to it.
  private(set) var acknowledged = JSONObject()
  private var acknowledgedVersion: UInt64 = 0
  /// The patch that the device waits for an answer to.
  private(set) var open: JSONObject?
  private(set) var failure: String?

  init(_ key: IdentityKey) { self.key = key }

  // MARK: - The hub

  /// The whole twin as the hub answers.
  var document: [UInt8] {
    var desired = desired
    desired["$version"] = .int(Int64(desiredVersion))
    var reported = reported
    reported["$version"] = .int(Int64(reportedVersion))
    return JSON.bytes(.object(["desired": .object(desired), "reported": .object(reported)]))
  }

  /// Somebody changes the desired properties; answers the patch.
  mutating func changeDesired(_ patch: JSONObject) -> [UInt8] {
    desired.merge(patch: patch)
    desiredVersion += 1
    return JSON.bytes(.object(patch))
  }

  /// The hub takes a patch of reported properties; answers their version.
  mutating func report(_ patch: [UInt8]) -> UInt64 {
    guard let patch = (try? JSON.parse(patch))?.objectValue else {
      failure = "\(key): a patch that is no object went upstream"
      return reportedVersion
    }
    reported.merge(patch: patch)
    reportedVersion += 1
    return reportedVersion
  }

  // MARK: - The device

  mutating func begin(_ patch: JSONObject) { open = patch }

  /// The device was told that its patch is safe.
  mutating func answered(version: UInt64) {
    guard let patch = open else { return }
    acknowledged.merge(patch: patch)
    open = nil
    if version < acknowledgedVersion {
      failure = "\(key): the version of its reported properties fell to \(version)"
    }
    acknowledgedVersion = version
  }

  /// The device gets a patch of desired properties.
  mutating func delivered(_ body: [UInt8], version: UInt64) {
    guard var patch = (try? JSON.parse(body))?.objectValue else {
      failure = "\(key): desired properties that are no object were delivered"
      return
    }
    patch["$version"] = nil
    seen.merge(patch: patch)
    note(version)
  }

  private mutating func note(_ version: UInt64) {
    if version < seenVersion {
      failure = "\(key): the version of its desired properties fell to \(version)"
    }
    seenVersion = version
  }

  /// What keeps the copies apart; nil if all are the same.
  var difference: String? {
    if let failure { return failure }
    if open != nil { return "\(key): a patch was never answered" }
    if reported != acknowledged { return "\(key): the hub has other reported properties" }
    if seen != desired { return "\(key): the device has other desired properties" }
    return nil
  }
}

/// What the hub has answered, on its way to the edge.
enum EdgeSimAnswer {
  case twin(IdentityKey, exchange: UInt64, body: [UInt8])
  case reported(IdentityKey, exchange: UInt64, version: UInt64)
}
