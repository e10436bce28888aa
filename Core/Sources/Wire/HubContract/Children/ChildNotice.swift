internal import ByteIO

/// What the hub tells an edge hub of a child, by the part of a topic behind the child's prefix.
public enum ChildNotice: Equatable, Sendable {
  /// The child is no longer present on this connection, for this reason.
  case ended(reason: String)
  /// A message for the child was acknowledged and dropped: the edge hub may not send for it.
  case refused

  /// Reads the part of a topic behind the prefix; nil if it is none of this kind.
  public init?(_ topic: Span<UInt8>) {
    if topic.equals("refused/") {
      self = .refused
    } else if topic.starts(with: "ended/?$reason=") {
      self = .ended(reason: String(decoding: topic.extracting(15...).array(), as: UTF8.self))
    } else {
      return nil
    }
  }

  /// The part of a topic behind the prefix; a reason must be of unreserved characters.
  public var topic: [UInt8] {
    switch self {
    case .ended(let reason): [UInt8]("ended/?$reason=\(reason)".utf8)
    case .refused: [UInt8]("refused/".utf8)
    }
  }
}
