import HubContract
import HubEngine
import Testing

@Suite("Routed messages reach their endpoints whatever fails on the way")
struct RoutedDeliveryTests {
  @Test("nothing that was acknowledged is lost, and nothing goes where it does not belong")
  func seeds() throws {
    var crashes = 0
    var messages = 0
    var reasons: [EndpointDelivery.DeadLetterReason: Int] = [:]
    for seed in 0..<20 as Range<UInt64> {
      var world = try RoutedDelivery(seed: seed)
      for _ in 0..<200 { try world.step() }
      world.isHealed = true
      for _ in 0..<1500 { try world.step() }
      check(world, seed)
      messages += world.acknowledged.count
      for reason in world.deadLetters.values { reasons[reason, default: 0] += 1 }
      crashes += world.powerCuts
    }
    // The scenario does what it is for.
    #expect(messages > 2500 && crashes > 250)
    for reason in EndpointDelivery.DeadLetterReason.allCases {
      #expect(reasons[reason] ?? 0 > 20, "\(reason)")
    }
  }

  private func check(_ world: borrowing RoutedDelivery, _ seed: UInt64) {
    let posted = world.posted.map { Set($0) }.reduce(into: Set<UInt64>()) { $0.formUnion($1) }
    let files = world.written.values.flatMap(\.values).flatMap(\.self)
    let filed = Set(files)
    for (id, destinations) in world.acknowledged {
      if destinations.contains(RoutedDelivery.web) {
        switch world.deadLetters[id] {
        case nil: #expect(posted.contains(id), "seed \(seed): \(id) not at the web endpoint")
        case .rejected: #expect(RoutedDelivery.isPoison(id), "seed \(seed): \(id) was refused")
        // It may have got there all the same, when the answer was lost.
        case .expired: #expect(RoutedDelivery.isOld(id), "seed \(seed): \(id) was too old")
        }
        if RoutedDelivery.isPoison(id) {
          #expect(!posted.contains(id), "seed \(seed): \(id) at the web endpoint")
        }
      }
      if destinations.contains(RoutedDelivery.files) {
        #expect(filed.contains(id), "seed \(seed): \(id) in no file")
      }
    }
    for id in posted.union(world.deadLetters.keys) {
      #expect(world.offered[id]?.contains(RoutedDelivery.web) == true, "seed \(seed): \(id)")
    }
    for id in filed {
      #expect(world.offered[id]?.contains(RoutedDelivery.files) == true, "seed \(seed): \(id)")
    }
    // A file that is written again replaces itself.
    #expect(files.count == filed.count, "seed \(seed): a message stands in two files")
    for deliveries in world.posted {
      var seen: Set<UInt64> = []
      let firsts = deliveries.filter { seen.insert($0).inserted }
      #expect(firsts == firsts.sorted(), "seed \(seed): out of order")
    }
    for (_, byFirst) in world.written {
      let inOrder = byFirst.sorted { $0.key < $1.key }.flatMap(\.value)
      #expect(inOrder == inOrder.sorted(), "seed \(seed): files out of order")
    }
  }
}
