/// Who holds a delivered message: a connection's number.
///
/// Numbers rise from connection to connection as long as the hub runs, so that of two connections of
/// one device the later is known.
public struct ConnectionID: Hashable, Sendable {
  /// The number; the driver gives it, 0 stands for an HTTP request.
  public let rawValue: UInt64

  /// Creates the ID of connection number `rawValue`.
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// A holder without a connection: who takes messages by HTTP.
  public static let http = ConnectionID(0)
}
