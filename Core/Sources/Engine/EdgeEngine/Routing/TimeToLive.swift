/// How long a message may wait for its endpoint.
public enum TimeToLive: Comparable, Hashable, Sendable {
  /// So many seconds, at least 0.
  case seconds(Int64)
  /// Until it is delivered.
  case forever
}
