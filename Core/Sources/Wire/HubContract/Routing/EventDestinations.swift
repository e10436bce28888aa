/// Where an event goes: the built-in stream, and endpoints by the slot that each has for its life.
public struct EventDestinations: OptionSet, Hashable, Sendable {
  /// The bits, as they stand in a record.
  public let rawValue: UInt32

  /// Creates destinations of bits.
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The built-in stream, `events`.
  public static let events = EventDestinations(rawValue: 1)

  /// The slots that endpoints can have.
  public static let slots = 1...31

  /// The endpoint that has `slot`; nothing for a number that is no slot.
  public init(slot: Int) {
    self.init(rawValue: Self.slots.contains(slot) ? 1 << UInt32(slot) : 0)
  }
}
