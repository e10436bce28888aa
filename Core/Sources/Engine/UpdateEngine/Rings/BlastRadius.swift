/// A device as a rollout would meet it.
public struct FleetDevice: Equatable, Sendable {
  /// Its name.
  public var name: String
  /// What stands or falls together: a building, a line.
  public var site: String
  /// The release that was last attested; nil if none was.
  public var release: UInt64?
  /// Its rollback floor.
  public var floor: UInt64
  /// Whether the target fits its board and interfaces.
  public var isCompatible: Bool
  /// Whether it is set apart.
  public var isQuarantined: Bool

  /// Creates a device.
  public init(
    name: String,
    site: String,
    release: UInt64?,
    floor: UInt64 = 0,
    isCompatible: Bool = true,
    isQuarantined: Bool = false
  ) {
    (self.name, self.site, self.release, self.floor) = (name, site, release, floor)
    (self.isCompatible, self.isQuarantined) = (isCompatible, isQuarantined)
  }
}

/// What a rollout would do, without doing any of it.
public struct BlastRadius: Equatable, Sendable {
  /// Of one ring.
  public struct RingEffect: Equatable, Sendable {
    /// Name of the ring.
    public var name: String
    /// Devices that would get the target and restart.
    public var restarts = 0
    /// Devices that run it already.
    public var alreadyThere = 0
    /// Devices that cannot get it: it does not fit, or is below their floor.
    public var incompatible = 0
    /// Devices that are set apart and get nothing.
    public var quarantined = 0
    /// Names in the plan that no device has.
    public var unknown = 0
    /// How many devices a bad target reaches before the rollout stops by itself.
    public var worstCase = 0
    /// Sites all of whose devices restart in this ring, sorted.
    public var wholeSites: [String] = []
    /// Of the restarting devices how many come from which release; nil for those never attested.
    public var releases: [UInt64?: Int] = [:]
    /// Whether enough devices can get the target for the ring ever to pass.
    public var canPass = false

    /// Creates the effect of a ring in which nothing happens.
    public init(name: String) { self.name = name }
  }

  /// Of each ring, in order.
  public var rings: [RingEffect] = []
  /// Devices of the fleet that are in no ring.
  public var untouched = 0

  /// Tries a plan on a fleet.
  ///
  /// - Parameters:
  ///   - plan: the plan.
  ///   - release: the target's release.
  ///   - fleet: every device that there is.
  public init(_ plan: RolloutPlan, release: UInt64, fleet: [FleetDevice]) {
    var byName: [String: FleetDevice] = [:]
    var siteSizes: [String: Int] = [:]
    for device in fleet {
      byName[device.name] = device
      siteSizes[device.site, default: 0] += 1
    }
    var touched = 0
    for ring in plan.rings {
      var effect = RingEffect(name: ring.name)
      var sites: [String: Int] = [:]
      for name in ring.devices {
        guard let device = byName[name] else {
          effect.unknown += 1
          continue
        }
        touched += 1
        if device.isQuarantined {
          effect.quarantined += 1
        } else if !device.isCompatible || release < device.floor {
          effect.incompatible += 1
        } else if device.release == release {
          effect.alreadyThere += 1
        } else {
          effect.restarts += 1
          effect.releases[device.release, default: 0] += 1
          sites[device.site, default: 0] += 1
        }
      }
      effect.worstCase = min(effect.restarts, ring.worstCase)
      effect.wholeSites = sites.filter { siteSizes[$0.key] == $0.value }.keys.sorted()
      let possible = effect.restarts + effect.alreadyThere
      effect.canPass = possible * 1000 >= ring.successPerMille * ring.devices.count
      rings.append(effect)
    }
    untouched = byName.count - touched
  }
}
