public import HubContract

/// The encoded deliveries of each combination of routes, made once: what a thread that routes keeps
/// beside its `RouteTable.Routing`, so that a message costs no allocation.
public struct DeliveryCache: Sendable {
  /// The most combinations that are kept; others are encoded for each message.
  public static let limit = 1024

  private struct Entry: Sendable {
    let routes: [Int]
    let routing: EventRouting
  }

  private let routes: [EdgeRoute]
  /// The store's number of each of the table's endpoints.
  private let endpoints: [UInt16]
  private var entries: [UInt64: Entry] = [:]

  /// Creates the cache of a table; `endpoints` has the store's number of each of
  /// `RouteTable.endpoints`.
  public init(_ table: RouteTable, endpoints: [UInt16]) {
    precondition(endpoints.count == table.endpoints.count, "one number per endpoint")
    routes = table.routes
    self.endpoints = endpoints
  }

  /// What the record of a message that goes to `deliveries` says.
  public mutating func routing(_ deliveries: [RouteTable.Delivery]) -> EventRouting {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for delivery in deliveries {
      hash = (hash ^ UInt64(truncatingIfNeeded: delivery.route)) &* 0x100_0000_01b3
    }
    if let entry = entries[hash] {
      // A route decides everything about its delivery.
      if entry.routes.count == deliveries.count,
        entry.routes.indices.allSatisfy({ entry.routes[$0] == deliveries[$0].route })
      {
        return entry.routing
      }
      return encoded(deliveries)
    }
    let routing = encoded(deliveries)
    if entries.count < Self.limit {
      entries[hash] = Entry(routes: deliveries.map(\.route), routing: routing)
    }
    return routing
  }

  private func encoded(_ deliveries: [RouteTable.Delivery]) -> EventRouting {
    EventRouting(
      deliveries.map { delivery in
        let lifetime: UInt32? =
          switch delivery.timeToLive {
          case .seconds(let seconds): UInt32(clamping: seconds)
          case .forever: nil
          }
        return StoreDelivery(
          endpoint: endpoints[delivery.endpoint],
          priority: PriorityClass(priority: delivery.priority),
          lifetimeSeconds: lifetime,
          dropsOldest: routes[delivery.route].whenFull == .dropOldest
        )
      }
    )
  }
}
