public import ByteIO
public import HubContract

/// The faults that a hub for tests has been told to commit: says when one strikes, and commits none.
///
/// Where several of a kind could strike, the one that was armed first does.
public struct FaultPlan: Sendable {
  /// One fault and what became of it.
  public struct Armed: Equatable, Sendable {
    /// The fault.
    public let fault: InjectedFault
    /// When it is gone, nil for never.
    public let end: Instant?
    /// How often it has struck.
    public fileprivate(set) var hits = 0
    /// When a fault that strikes by itself does so next.
    fileprivate var next: Instant?

    fileprivate init(_ fault: InjectedFault, now: Instant) {
      self.fault = fault
      end = fault.lifetimeSeconds.map { now.adding(milliseconds: $0 * 1_000) }
      next = fault.kind == .disconnect ? now : nil
    }

    /// Whether it may strike once more.
    fileprivate var isReady: Bool { fault.times.map { hits < $0 } ?? true }
  }

  /// How many may be armed at once.
  public static let limit = 100

  /// How often each kind has struck, by faults that are gone too.
  public private(set) var strikes: [InjectedFault.Kind: Int] = [:]
  private var all: [Armed] = []

  /// A plan of none.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { all.isEmpty }

  /// The faults as they were armed, without those whose time is over.
  public mutating func armed(now: Instant) -> [Armed] {
    forget(now)
    return all
  }

  /// Arms `fault`, in place of the one of the same name.
  ///
  /// - Throws: 429004 if as many are armed as may.
  public mutating func arm(_ fault: InjectedFault, now: Instant) throws(HubError) {
    forget(now)
    let new = Armed(fault, now: now)
    if let index = all.firstIndex(where: { $0.fault.name == fault.name }) {
      all[index] = new
      return
    }
    guard all.count < Self.limit else {
      throw HubError(
        .throttlingMaxActiveJobCountExceeded,
        "There are \(Self.limit) faults already; remove some."
      )
    }
    all.append(new)
  }

  /// Removes the fault called `name`; false if there is none.
  public mutating func disarm(_ name: String) -> Bool {
    let count = all.count
    all.removeAll { $0.fault.name == name }
    return all.count < count
  }

  /// Removes all of them.
  public mutating func disarmAll() { all = [] }

  /// Looks whether a fault strikes now, and counts it.
  ///
  /// - Parameters:
  ///   - kind: what could happen.
  ///   - deviceID: the device it would happen to, nil where there is none.
  ///   - path: the path of the request, nil where there is none.
  ///   - now: the time.
  ///   - chance: a random number from 0 up to 1, for faults that strike sometimes.
  /// - Returns: the fault; nil if none strikes.
  public mutating func strike(
    _ kind: InjectedFault.Kind,
    deviceID: String? = nil,
    path: String? = nil,
    now: Instant,
    chance: Double
  ) -> InjectedFault? {
    forget(now)
    let index = all.firstIndex { armed in
      let fault = armed.fault
      return fault.kind == kind && armed.isReady
        && (fault.deviceID == nil || fault.deviceID == deviceID)
        && (fault.path.map { path?.hasPrefix($0) ?? false } ?? true)
    }
    guard let index, chance < all[index].fault.probability else { return nil }
    return struck(index)
  }

  /// Looks which faults strike by themselves now, and counts them.
  ///
  /// - Parameters:
  ///   - now: the time.
  ///   - chance: a random number from 0 up to 1 for each.
  /// - Returns: the faults that strike.
  public mutating func due(now: Instant, chance: () -> Double) -> [InjectedFault] {
    forget(now)
    var due: [InjectedFault] = []
    for index in all.indices {
      let fault = all[index].fault
      guard let next = all[index].next, next <= now, all[index].isReady else { continue }
      all[index].next = fault.everySeconds.map { now.adding(milliseconds: $0 * 1_000) }
      guard chance() < fault.probability else { continue }
      due.append(struck(index))
    }
    return due
  }

  /// By how many seconds the hub's clock is wrong; faults of that kind add up.
  public mutating func clockShift(now: Instant) -> Int64 {
    forget(now)
    return all.reduce(0) { $1.fault.kind == .shiftClock ? $0 + $1.fault.shiftSeconds : $0 }
  }

  private mutating func struck(_ index: Int) -> InjectedFault {
    all[index].hits += 1
    strikes[all[index].fault.kind, default: 0] += 1
    return all[index].fault
  }

  private mutating func forget(_ now: Instant) {
    all.removeAll { $0.end.map { $0 <= now } ?? false }
  }
}
