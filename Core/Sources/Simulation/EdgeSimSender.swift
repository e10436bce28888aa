import EdgeEngine
import HubContract

/// A device or module of a simulated edge: it counts its messages, and keeps each until it is
/// acknowledged.
struct EdgeSimSender {
  let identity: IdentityKey
  let priority: PriorityClass
  /// How long its messages may wait upstream.
  let lifetimeSeconds: UInt32?
  /// Whether they go to a module too, there for ever and with the default priority.
  let isForModule: Bool
  /// The size of each body, nil for several.
  var bodyBytes: Int?
  /// Whether its oldest messages give way in a full store.
  var dropsOldest = false
  /// Messages that are not acknowledged, oldest first.
  private(set) var outbox: [Int] = []
  private var nextNumber = 0

  /// The most messages that it keeps; a device has little memory, and measures less then.
  private static let outboxLimit = 40

  init(
    identity: IdentityKey,
    priority: PriorityClass,
    lifetimeSeconds: UInt32?,
    isForModule: Bool
  ) {
    self.identity = identity
    self.priority = priority
    self.lifetimeSeconds = lifetimeSeconds
    self.isForModule = isForModule
  }

  /// Where its messages go; `numbers` are those of the endpoint upstream and the module's.
  func deliveries(_ numbers: [UInt16]) -> [StoreDelivery] {
    let upstream = StoreDelivery(
      endpoint: numbers[0],
      priority: priority,
      lifetimeSeconds: lifetimeSeconds,
      dropsOldest: dropsOldest
    )
    return isForModule ? [upstream, StoreDelivery(endpoint: numbers[1])] : [upstream]
  }

  mutating func produce(_ count: Int) {
    for _ in 0..<min(count, Self.outboxLimit - outbox.count) {
      outbox.append(nextNumber)
      nextNumber += 1
    }
  }

  mutating func acknowledged() { outbox.removeAll() }

  static func body(_ number: Int, _ byteCount: Int?) -> [UInt8] {
    let head = [UInt8]("\(number) ".utf8)
    let count = byteCount.map { max($0 - head.count, 0) } ?? number % 61
    return head + [UInt8](repeating: UInt8(ascii: "x"), count: count)
  }

  /// The number in a body, nil if it is nobody's.
  static func number(_ body: [UInt8], _ byteCount: Int?) -> Int? {
    guard let end = body.firstIndex(of: UInt8(ascii: " ")) else { return nil }
    let number = Int(String(decoding: body[..<end], as: UTF8.self))
    return number.flatMap { Self.body($0, byteCount) == body ? $0 : nil }
  }
}
