/// What was sent with a packet identifier and is not settled yet, oldest first.
///
/// Identifiers are handed out in ascending order around the circle 1...65 535, so all that are in
/// use lie between the oldest and the newest, and the next one is free unless it is the oldest. In
/// that case nothing is handed out until the oldest is settled: it has been overtaken by 65 534
/// others, and waiting keeps the order without a search.
struct OutboundWindow: Sendable {
  private var ring = Ring<InFlight>()
  private var lastIdentifier: UInt16 = 0

  init() {}

  var count: Int { ring.count }

  subscript(index: Int) -> InFlight { ring[index] }

  /// Takes an identifier into use; nil if `limit` of them are, or the next one still is.
  mutating func reserve(
    delivery: UInt64,
    awaiting: InFlight.Awaiting,
    filterCount: UInt16 = 0,
    limit: Int
  ) -> UInt16? {
    guard ring.count < limit, ring.count < Ring<InFlight>.maximumCount else { return nil }
    let next = lastIdentifier == .max ? 1 : lastIdentifier + 1
    if !ring.isEmpty, ring[0].packetIdentifier == next { return nil }
    lastIdentifier = next
    ring.append(
      InFlight(
        delivery: delivery,
        packetIdentifier: next,
        filterCount: filterCount,
        awaiting: awaiting
      )
    )
    return next
  }

  /// Where an identifier stands; peers settle mostly in order, so the search begins at the oldest.
  func index(of identifier: UInt16) -> Int? {
    for index in 0..<ring.count where ring[index].packetIdentifier == identifier { return index }
    return nil
  }

  mutating func remove(at index: Int) -> InFlight { ring.remove(at: index) }

  mutating func released(at index: Int) { ring[index].awaiting = .pubcomp }

  /// Forgets requests that do not outlive their connection: SUBSCRIBE and UNSUBSCRIBE (§4.1).
  mutating func removeRequests() {
    var index = 0
    while index < ring.count {
      switch ring[index].awaiting {
      case .suback, .unsuback: _ = ring.remove(at: index)
      case .puback, .pubrec, .pubcomp: index += 1
      }
    }
  }
}
