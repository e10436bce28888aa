/// One step of a rollout: devices that get the target together, and what has to be seen of them.
public struct Ring: Equatable, Sendable {
  /// Its name, for people.
  public var name: String
  /// Its devices, each in one ring only, in the order in which they are offered the target.
  public var devices: [String]
  /// So many thousandths of the devices have to be attested running the target.
  public var successPerMille: Int
  /// So many seconds it has to stay so before the next ring begins.
  public var soakSeconds: Int64
  /// One failure more than this stops the rollout.
  public var failureLimit: Int
  /// More failures than so many thousandths of the devices that came to an end stop it too.
  public var failurePerMille: Int
  /// The share of failures counts as soon as so many devices came to an end.
  public var failureSample: Int
  /// How many are on their way at the same time; the others wait.
  public var parallelLimit: Int
  /// A device that began to start the target and was not attested for so long counts as failed.
  public var lostSeconds: Int64

  /// Creates a ring that wants nine of ten devices to run the target for an hour, stops beyond two
  /// failures, and lets all devices begin together.
  public init(name: String, devices: [String]) {
    (self.name, self.devices) = (name, devices)
    (successPerMille, soakSeconds) = (900, 3600)
    (failureLimit, failurePerMille, failureSample) = (2, 100, 20)
    (parallelLimit, lostSeconds) = (.max, 6 * 3600)
  }

  /// How many devices a bad target can reach before the rollout stops by itself: those that fail until
  /// then, and those that are on their way at that time.
  public var worstCase: Int {
    let (sum, overflow) = failureLimit.addingReportingOverflow(parallelLimit)
    return min(devices.count, overflow ? .max : sum)
  }
}

/// Why a plan is refused.
public enum RolloutPlanFault: Error, Equatable, Sendable {
  /// There is no ring, or more than `RolloutPlan.maximumRings`.
  case ringCount(Int)
  /// A ring without devices would be passed unseen.
  case emptyRing(String)
  /// There are more devices than `RolloutPlan.maximumDevices`.
  case tooManyDevices(Int)
  /// A device stands in two places.
  case deviceTwice(String)
  /// A number of the ring is out of its range; the name is that of the field.
  case outOfRange(ring: String, field: String)
}

/// What is to run where, and in which order it gets there.
public struct RolloutPlan: Equatable, Sendable {
  /// The most rings.
  public static let maximumRings = 32
  /// The longest time that a ring may name, in seconds: ten years.
  public static let maximumSeconds: Int64 = 10 * 365 * 86_400
  /// The most devices of all rings.
  public static let maximumDevices = 1_000_000

  /// The digest of the target's manifest: what an attestation result has to name.
  public let target: [UInt8]
  /// The rings, the first one first.
  public let rings: [Ring]
  /// Whether devices that have the target are told to go back when the rollout stops by itself.
  public let goesBack: Bool
  /// Evidence older than this says nothing of what runs now, in seconds.
  public let evidenceSeconds: Int64

  /// Checks a plan.
  ///
  /// - Throws: the first rule that it breaks.
  public init(
    target: [UInt8],
    rings: [Ring],
    goesBack: Bool = true,
    evidenceSeconds: Int64 = 25 * 3600
  ) throws(RolloutPlanFault) {
    guard (1...Self.maximumRings).contains(rings.count) else { throw .ringCount(rings.count) }
    var seen: Set<String> = []
    var count = 0
    for ring in rings {
      guard !ring.devices.isEmpty else { throw .emptyRing(ring.name) }
      count += ring.devices.count
      guard count <= Self.maximumDevices else { throw .tooManyDevices(count) }
      for device in ring.devices {
        guard seen.insert(device).inserted else { throw .deviceTwice(device) }
      }
      let fields: [(String, Bool)] = [
        ("successPerMille", (1...1000).contains(ring.successPerMille)),
        ("soakSeconds", (0...Self.maximumSeconds).contains(ring.soakSeconds)),
        ("failureLimit", ring.failureLimit >= 0),
        ("failurePerMille", (0...1000).contains(ring.failurePerMille)),
        ("failureSample", ring.failureSample >= 1), ("parallelLimit", ring.parallelLimit >= 1),
        ("lostSeconds", (1...Self.maximumSeconds).contains(ring.lostSeconds)),
      ]
      for (field, isGood) in fields where !isGood {
        throw .outOfRange(ring: ring.name, field: field)
      }
    }
    self.target = target
    self.rings = rings
    self.goesBack = goesBack
    self.evidenceSeconds = evidenceSeconds
  }
}
