/// What makes bytes no AMQP (AMQP 1.0 part 1 and 3).
public enum AMQPFault: Error, Equatable, Sendable {
  /// The bytes end inside a value.
  case truncated
  /// No type has this constructor (part 1 §1.2).
  case unknownConstructor(UInt8)
  /// A compound's or an array's size does not fit what is inside it (part 1 §1.2.3).
  case invalidSize
  /// A string is not UTF-8, a symbol not ASCII, a boolean neither 0 nor 1, a character no scalar.
  case invalidText
  /// Values nest deeper than `AMQPLimits.depth`.
  case nestingTooDeep
  /// More values than `AMQPLimits.elements` in one decoding.
  case tooManyElements
  /// A value of another type than the one that belongs here.
  case unexpectedType
  /// A map whose values don't come in pairs (part 1 §1.6.23).
  case unpairedMap
  /// A section out of order, twice, or unknown (part 3 §3.2).
  case unexpectedSection
  /// A frame is longer than what was agreed, or shorter than its own header (part 2 §2.3).
  case frameSize(Int)
  /// A protocol header that is none, or not the expected one (part 2 §2.2).
  case protocolHeader
  /// A frame that does not belong here: a SASL frame out of turn (part 5 §5.3.2), a performative of
  /// no kind, a transfer from the end of a link that receives.
  case unexpectedFrame
  /// A begin on a channel, or an attach on a handle, that is in use (part 2 §2.5.1, §2.6.2).
  case endpointInUse
  /// A frame for a channel or handle that is not in use, or can't be (part 2 §2.5.1, §2.6.2).
  case unknownEndpoint
}

/// How much one decoding may build at most; a peer can't ask for more.
public struct AMQPLimits: Equatable, Sendable {
  /// Compounds and descriptors inside each other.
  public var depth = 16
  /// Values altogether; an array of nulls takes no bytes for its elements, so bytes are no limit.
  public var elements = 8_192

  /// The defaults.
  public init() {}
}
