extension EdgeRehearsal {
  /// What became of the messages.
  public struct Report: Equatable, Sendable {
    /// Messages that came.
    public internal(set) var sentCount: UInt64 = 0
    /// Messages that no route took: dropped, and acknowledged.
    public internal(set) var unroutedCount: UInt64 = 0
    /// Messages that found no room: their senders keep them.
    public internal(set) var refusedCount: UInt64 = 0
    /// The endpoints, in the order of the routes that lead there.
    public internal(set) var endpoints: [EndpointReport] = []
    /// The routes, highest priority first.
    public internal(set) var routes: [RouteReport] = []
    /// The most bytes that waited at one time: what the quota counts.
    public internal(set) var peakBytes: UInt64 = 0
    /// The most bytes that the files took, with what is reserved for the segments that are written.
    public internal(set) var peakDiskBytes: UInt64 = 0
    /// How long it took, until the traffic was over and everything that could be delivered was.
    public internal(set) var milliseconds: UInt64 = 0
    /// The steps that times are exact to.
    public internal(set) var stepMilliseconds: UInt64 = 0
    /// Whether it came to its end, and was not ended.
    public internal(set) var isComplete = true

    /// Nothing has happened.
    public init() {}
  }

  /// What became of the messages for one endpoint.
  ///
  /// What was accepted was delivered, expired, was dropped, or waits.
  public struct EndpointReport: Equatable, Sendable {
    /// Its name: `iothub`, or `<edge>/<module>/<input>`.
    public let name: String
    /// Messages that were stored, durably, and acknowledged.
    public internal(set) var acceptedCount: UInt64 = 0
    /// Messages that arrived and were confirmed.
    public internal(set) var deliveredCount: UInt64 = 0
    /// Messages that were sent once more, since the link broke before their confirmation came.
    public internal(set) var repeatedCount: UInt64 = 0
    /// Messages whose time was over before they could be delivered.
    public internal(set) var expiredCount: UInt64 = 0
    /// Messages that gave way to newer ones.
    public internal(set) var droppedCount: UInt64 = 0
    /// Messages that found no room.
    public internal(set) var refusedCount: UInt64 = 0
    /// Messages that wait at the end.
    public internal(set) var waitingCount: UInt64 = 0
    /// Bytes that the files of its queue take at the end, 0 if nothing waits.
    public internal(set) var waitingBytes: UInt64 = 0
    /// The most bytes that they took.
    public internal(set) var peakBytes: UInt64 = 0
    /// The longest time between the acceptance of a message and its delivery.
    public internal(set) var longestDelayMilliseconds: UInt64 = 0
    /// When everything that had waited for the endpoint to come back was delivered, the last time;
    /// nil if nothing ever waited, or something still does.
    public internal(set) var drainedAt: UInt64?
    /// The longest time from the endpoint's return until then.
    public internal(set) var longestDrainMilliseconds: UInt64 = 0
  }

  /// What one route took.
  public struct RouteReport: Equatable, Sendable {
    /// Its name.
    public let name: String
    /// Messages whose delivery it decided; of several routes to one endpoint the first does.
    public internal(set) var messageCount: UInt64 = 0
  }
}
