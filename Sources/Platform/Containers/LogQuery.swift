package import HubContract

/// Which part of a module's log is wanted.
package struct LogQuery: Equatable, Sendable {
  /// From then on.
  package var since: Timestamp?
  /// Up to then.
  package var until: Timestamp?
  /// So many lines at the end, nil for all.
  package var tail: Int?
  /// Whether to wait for what the module goes on to write.
  package var follow = false
  /// Whether each line begins with its time.
  package var timestamps = false

  /// Asks for everything.
  package init() {}

  /// Asks for a part.
  package init(
    since: Timestamp? = nil,
    until: Timestamp? = nil,
    tail: Int? = nil,
    follow: Bool = false,
    timestamps: Bool = false
  ) {
    (self.since, self.until, self.tail) = (since, until, tail)
    (self.follow, self.timestamps) = (follow, timestamps)
  }
}

/// A piece of a module's log; lines may go over several.
package struct LogChunk: Equatable, Sendable {
  /// Where a module writes, by the numbers of the engine's frames.
  package enum Stream: UInt8, Equatable, Sendable {
    case output = 1
    case error = 2
  }

  /// Where it was written.
  package var stream: Stream
  /// What was written.
  package var bytes: [UInt8]

  package init(_ stream: Stream, _ bytes: [UInt8]) { (self.stream, self.bytes) = (stream, bytes) }
}
