/// One long time offline, for which a simulated edge is to be measured: one day connected, then none
/// until the link comes back for good.
public struct EdgeOfflineCase: Equatable, Sendable {
  /// What the edge's clock does while nobody tells it the time.
  public enum Clock: Equatable, Sendable {
    /// It goes on, also without power.
    case right
    /// It has no battery: after every power cut it begins in the year 2000.
    case noBattery
    /// It has a battery, and somebody sets it so many times, by up to three years.
    case set(times: Int)
  }

  /// Days without a link.
  public var days: Int
  /// Messages that all senders together try to send, spread evenly.
  public var messagesPerDay: Int
  /// Size of each body; at least 24.
  public var bodyBytes: Int
  /// What all that waits may take together, nil for no limit but the disk's.
  public var maxSizeBytes: UInt64?
  /// Whether the oldest messages give way when the store is full; else the sender keeps its message.
  public var dropsOldest: Bool
  /// How long messages may wait, nil for ever.
  public var lifetimeSeconds: UInt32?
  /// Power cuts, evenly likely over all of the time.
  public var powerCuts: Int
  /// The clock.
  public var clock: Clock

  /// Describes a case.
  public init(
    days: Int,
    messagesPerDay: Int,
    bodyBytes: Int,
    maxSizeBytes: UInt64? = nil,
    dropsOldest: Bool = false,
    lifetimeSeconds: UInt32? = nil,
    powerCuts: Int = 0,
    clock: Clock = .right
  ) {
    self.days = days
    self.messagesPerDay = messagesPerDay
    self.bodyBytes = bodyBytes
    self.maxSizeBytes = maxSizeBytes
    self.dropsOldest = dropsOldest
    self.lifetimeSeconds = lifetimeSeconds
    self.powerCuts = powerCuts
    self.clock = clock
  }

  /// Messages a second that the link takes when it is back.
  public static let drainPerSecond = 1000
}
