import ByteIO
import MessageLog
import Simulation
import Testing

@Suite("Simulated clock, scheduler and network")
struct SimulationTests {
  @Test("Time moves only when told; the calendar may be stepped and the monotonic reading not")
  func clock() {
    var clock = SimClock(milliseconds: 1000)
    clock.advance(milliseconds: 5)
    #expect(clock.milliseconds == 1005)
    #expect(clock.now == Instant(nanoseconds: 5_000_000))
    clock.stepCalendar(byMilliseconds: -500)
    #expect(clock.milliseconds == 505)
    #expect(clock.now == Instant(nanoseconds: 5_000_000))
    clock.advance(to: Instant(nanoseconds: 7_500_000))
    #expect(clock.milliseconds == 507)
    clock.advance(to: Instant(nanoseconds: 1))
    #expect(clock.now == Instant(nanoseconds: 7_500_000))
  }

  @Test("Events come in the order of their instants, those of one instant in the seed's order")
  func scheduler() {
    func order(_ seed: UInt64) -> [Int] {
      var scheduler = SimScheduler<Int>(seed: seed)
      var tickets: [SimScheduler<Int>.Ticket] = []
      for index in 0..<60 {
        tickets.append(scheduler.schedule(index, afterMilliseconds: UInt64(index / 10)))
      }
      let isCancelled = scheduler.cancel(tickets[7])
      #expect(isCancelled)
      let isCancelledAgain = scheduler.cancel(tickets[7])
      #expect(!isCancelledAgain)
      var events: [Int] = []
      while let event = scheduler.next() { events.append(event) }
      return events
    }
    let first = order(1)
    #expect(first.sorted() == (0..<60).filter { $0 != 7 })
    #expect(first.map { $0 / 10 } == first.map { $0 / 10 }.sorted())
    #expect(first == order(1))
    #expect(first != order(2))
  }

  @Test("Datagrams are lost, doubled and reordered as often as asked for, the same for a seed")
  func datagrams() {
    func run(_ seed: UInt64) -> [UInt8] {
      var network = SimNetwork(seed: seed)
      network.conditions.lossPerMille = 200
      network.conditions.duplicatePerMille = 100
      network.conditions.delayMilliseconds = 1...50
      for index in 0..<UInt8(200) { network.send([index], from: 1, to: 2) }
      var received: [UInt8] = []
      while let delivery = network.next(until: Instant(nanoseconds: .max)) {
        guard case .datagram(1, 2, let bytes) = delivery else { continue }
        received += bytes
      }
      return received
    }
    let received = run(5)
    let distinct = Set(received)
    #expect((130...185).contains(distinct.count))
    #expect(received.count > distinct.count)
    #expect(received != received.sorted())
    #expect(received == run(5))
    #expect(received != run(6))
  }

  @Test("A stream keeps its bytes and their order, through a partition too")
  func streams() {
    for seed in 0..<UInt64(50) {
      var network = SimNetwork(seed: seed)
      network.conditions.delayMilliseconds = 1...40
      network.conditions.chunkByteCount = 7
      let stream = network.open(from: 1, to: 2)
      let sent = (0..<400).map { UInt8(truncatingIfNeeded: $0) }
      var received: [UInt8] = []
      var isOpened = false
      var isFinished = false
      func take(_ network: inout SimNetwork, until milliseconds: UInt64) {
        let limit = Instant(nanoseconds: milliseconds * 1_000_000)
        while let delivery = network.next(until: limit) {
          switch delivery {
          case .opened: isOpened = true
          case .bytes(stream, 2, let bytes): received += bytes
          case .finished(stream, 2): isFinished = true
          default: Issue.record("unexpected \(delivery)")
          }
        }
      }
      network.write(Array(sent[..<150]), stream: stream, from: 1)
      take(&network, until: 20)
      network.part([[1], [2]])
      network.write(Array(sent[150..<300]), stream: stream, from: 1)
      take(&network, until: 300)
      #expect(received.count < 300)
      network.heal()
      network.write(Array(sent[300...]), stream: stream, from: 1)
      network.finish(stream: stream, from: 1)
      take(&network, until: 5000)
      #expect(isOpened && isFinished)
      #expect(received == sent, "seed \(seed)")
    }
  }

  @Test("A stream without a path for too long is reset at both ends, and datagrams vanish")
  func reset() {
    var network = SimNetwork(seed: 1)
    network.conditions.resetMilliseconds = 1000
    let stream = network.open(from: 1, to: 2)
    network.part([[2]])
    network.send([1], from: 1, to: 2)
    var deliveries: [SimDelivery] = []
    while let delivery = network.next(until: Instant(nanoseconds: 10_000_000_000)) {
      deliveries.append(delivery)
    }
    #expect(deliveries.count == 2)
    #expect(deliveries.contains(.reset(stream: stream, to: 1)))
    #expect(deliveries.contains(.reset(stream: stream, to: 2)))
    let isWritten = network.write([1], stream: stream, from: 1)
    #expect(!isWritten)
  }
}
