internal import ByteIO
public import HubContract

/// One queue that a message goes to.
public struct StoreDelivery: Hashable, Sendable {
  /// Number of the endpoint, as `EdgeStore.configure` gave it.
  public let endpoint: UInt16
  /// The message's rank there.
  public let priority: PriorityClass
  /// How many seconds the message may wait there, nil for ever.
  public let lifetimeSeconds: UInt32?
  /// Whether older messages give way when the store is full (edge contract section 16, EXT 5); else
  /// the sender is refused.
  public let dropsOldest: Bool

  /// Describes a delivery.
  public init(
    endpoint: UInt16,
    priority: PriorityClass = .default,
    lifetimeSeconds: UInt32? = nil,
    dropsOldest: Bool = false
  ) {
    self.endpoint = endpoint
    self.priority = priority
    // The last number means for ever.
    self.lifetimeSeconds = lifetimeSeconds.map { min($0, .max - 1) }
    self.dropsOldest = dropsOldest
  }

  static let byteCount = 8
  private static let dropsOldestFlag: UInt8 = 1

  func append(to writer: inout ByteWriter) {
    writer.uint16LE(endpoint)
    writer.uint8(priority.rawValue)
    writer.uint8(dropsOldest ? Self.dropsOldestFlag : 0)
    writer.uint32LE(lifetimeSeconds ?? .max)
  }

  /// Reads the delivery that begins at `start`, nil if none does.
  init?(_ bytes: Span<UInt8>, at start: Int) {
    guard start + Self.byteCount <= bytes.count, bytes[start + 2] < UInt8(PriorityClass.count)
    else { return nil }
    endpoint = UInt16(bytes[start]) | UInt16(bytes[start + 1]) << 8
    priority = PriorityClass(unchecked: bytes[start + 2])
    dropsOldest = bytes[start + 3] & Self.dropsOldestFlag != 0
    let seconds =
      UInt32(bytes[start + 4]) | UInt32(bytes[start + 5]) << 8 | UInt32(bytes[start + 6]) << 16
      | UInt32(bytes[start + 7]) << 24
    lifetimeSeconds = seconds == .max ? nil : seconds
  }
}

extension EventRouting {
  /// What a record carries to the store: the queues it goes to.
  ///
  /// Eight bytes each, little-endian: endpoint 2 · priority 1 · flags 1 (1 = drops oldest) ·
  /// seconds 4 (the last number = for ever).
  public init(_ deliveries: [StoreDelivery]) {
    var writer = ByteWriter(capacity: deliveries.count * StoreDelivery.byteCount)
    for delivery in deliveries { delivery.append(to: &writer) }
    self.init([], opaque: writer.bytes)
  }
}
