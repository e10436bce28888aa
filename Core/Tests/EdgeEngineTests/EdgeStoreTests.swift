import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Simulation
import Testing

@Suite("Store and forward (edge contract §7)")
struct EdgeStoreTests {
  @Test("what is stored comes out in order, with identity, properties, body and identifier")
  func storeAndRead() throws {
    var store = try openStore(SimDisk(seed: 1))
    let numbers = try store.configure(["iothub"])
    let sender = IdentityKey(deviceID: "edge", moduleID: "filter")
    store.append(
      try messages(["one", "two"], to: [StoreDelivery(endpoint: numbers[0])], from: sender),
      firstID: EdgeMessageID(high: 1, low: .max),
      now: time(5)
    )
    #expect(store.view(numbers[0])?.isEmpty == true, "nothing is seen before the commit")
    let commit = store.commit(now: time(5))
    #expect(commit.faults == [nil])
    #expect(commit.changed == numbers)

    var reader = try store.reader(numbers[0])
    var seen: [String] = []
    let current = store.view(numbers[0])
    let view = try #require(current)
    let reading = try reader.read(in: view, age: 5, maxMessages: 10) { message in
      seen.append(String(decoding: message.event.body.array(), as: UTF8.self))
      #expect(message.event.identity == sender)
      #expect(message.event.bag.bytes.count == 3)
      #expect(message.enqueuedTime == time(5).calendar)
      #expect(message.expiry == nil)
      #expect(message.id.low == (seen.count == 1 ? .max : 0))
      #expect(message.id.high == (seen.count == 1 ? 1 : 2))
      #expect(message.isRepeated == false)
    }
    #expect(seen == ["one", "two"])
    #expect(reading.messageCount == 2)
    #expect(reading.priority == .default)
    #expect(reader.openCount == 2)
    #expect(reader.hasMore(in: view) == false)
  }

  @Test("a message for two endpoints is in both, and settled in each by itself")
  func twoEndpoints() throws {
    var store = try openStore(SimDisk(seed: 1))
    let numbers = try store.configure(["iothub", "filter/in"])
    let both = numbers.map { StoreDelivery(endpoint: $0) }
    #expect(try store.store(["x"], to: both) == nil)
    var upstream = try store.reader(numbers[0])
    var module = try store.reader(numbers[1])
    let first = try upstream.next(store.view(numbers[0])).given
    #expect(first == (try module.next(store.view(numbers[1])).given))
    upstream.settle(0, .default)
    store.settle(numbers[0], upstream.takeSettlements(), now: time(1))
    #expect(numbers.map { store.length($0) } == [0, 1])
  }

  @Test("the highest class goes first, and each read begins at the top again; none is mixed")
  func priorities() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    func delivery(_ priority: UInt32) -> StoreDelivery {
      StoreDelivery(endpoint: number, priority: PriorityClass(priority: priority))
    }
    _ = try store.store(["d1", "d2", "d3"], to: [delivery(2_000_000_000)])
    _ = try store.store(["nine"], to: [delivery(9)])
    _ = try store.store(["zero"], to: [delivery(0)])
    var reader = try store.reader(number)
    #expect(try reader.next(store.view(number)).given.map(\.body) == ["zero"])
    #expect(try reader.next(store.view(number)).given.map(\.body) == ["nine"])
    #expect(try reader.next(store.view(number), maxMessages: 2).given.map(\.body) == ["d1", "d2"])
    _ = try store.store(["late zero"], to: [delivery(0)])
    #expect(try reader.next(store.view(number)).given.map(\.body) == ["late zero"])
    #expect(try reader.next(store.view(number)).given.map(\.body) == ["d3"])
    #expect(try reader.next(store.view(number)).reading.priority == nil)
  }

  @Test("a batch ends at its bytes, but has one message at least")
  func batchBytes() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    _ = try store.store(texts(0..<5), to: [StoreDelivery(endpoint: number)])
    var reader = try store.reader(number)
    #expect(try reader.next(store.view(number), maxBytes: 1).given.count == 1)
    let size = try reader.next(store.view(number), maxMessages: 1).reading.byteCount
    #expect(try reader.next(store.view(number), maxBytes: 2 * size + 1).given.count == 2)
    #expect(try reader.next(store.view(number), maxBytes: size - 1).given.count == 1)
  }

  @Test("a class without an allowance is passed over, and keeps its place")
  func allowance() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    for priority in [0, 5] as [UInt32] {
      let delivery = StoreDelivery(endpoint: number, priority: PriorityClass(priority: priority))
      _ = try store.store(["\(priority) a", "\(priority) b"], to: [delivery])
    }
    var reader = try store.reader(number)
    let found = store.view(number)
    let view = try #require(found)
    func read(
      _ reader: inout QueueReader<SimFolder>,
      _ allowance: (PriorityClass) -> Int
    ) throws -> [String] {
      var bodies: [String] = []
      _ = try reader.read(in: view, age: 0, maxMessages: 10, allowance: allowance) {
        bodies.append(String(decoding: $0.event.body.array(), as: UTF8.self))
      }
      return bodies
    }
    let passed = try read(&reader) { $0.rawValue == 0 ? 0 : .max }
    #expect(passed == ["5 a", "5 b"])
    let none = try read(&reader) { _ in 0 }
    #expect(none.isEmpty)
    let least = try read(&reader) { _ in 1 }
    #expect(least == ["0 a"], "one at least, however large")
    let rest = try read(&reader) { _ in .max }
    #expect(rest == ["0 b"])
  }

  @Test("what was confirmed does not come again after a restart; what was not does")
  func checkpoint() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    _ = try store.store(texts(0..<5), to: [StoreDelivery(endpoint: number)])
    var reader = try store.reader(number)
    _ = try reader.next(store.view(number))
    // Out of order: the checkpoint stays at the lowest that is open.
    for sequence in [0, 1, 3] as [UInt64] { #expect(reader.settle(sequence, .default) == true) }
    #expect(reader.settle(3, .default) == false)
    #expect(reader.settle(99, .default) == false)
    let news = reader.takeSettlements()
    #expect(news.map(\.firstUnsettled) == [2])
    #expect(reader.takeSettlements() == [])
    store.settle(number, news, now: time(10))
    #expect(store.length(number) == 3)
    #expect(store.nextDeadline <= 260)
    _ = store.commit(now: time(260))
    disk.powerCut(.none)

    let reopened = try openStore(disk)
    let found = reopened.number(of: "iothub")
    let again = try #require(found)
    #expect(reopened.length(again) == 3)
    var second = try reopened.reader(again)
    #expect(try second.drain(reopened.view(again)) == texts(2..<5))
  }

  @Test("a settlement changes what readers see, so that a new one is not given it again")
  func settlementIsSeen() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["m/in"])[0]
    _ = try store.store(texts(0..<3), to: [StoreDelivery(endpoint: number)])
    var reader = try store.reader(number)
    _ = try reader.next(store.view(number))
    for sequence in 0...1 as ClosedRange<UInt64> { reader.settle(sequence, .default) }
    store.settle(number, reader.takeSettlements(), now: time(1))
    #expect(store.commit(now: time(1)).changed == [number])
    var second = try store.reader(number)
    #expect(try second.drain(store.view(number)) == texts(2..<3))
    #expect(store.commit(now: time(1)).changed == [])
  }

  @Test("after a reconnection the open messages come again, marked as repeated")
  func rewind() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    _ = try store.store(texts(0..<5), to: [StoreDelivery(endpoint: number)])
    var reader = try store.reader(number)
    _ = try reader.next(store.view(number), maxMessages: 4)
    reader.settle(0, .default)
    reader.settle(2, .default)
    reader.rewind()
    let (given, _) = try reader.next(store.view(number))
    #expect(given.map(\.body) == ["message 1", "message 3", "message 4"])
    #expect(given.map(\.isRepeated) == [true, true, false])
    for message in given { reader.settle(message.sequence, .default) }
    #expect(reader.takeSettlements().map(\.firstUnsettled) == [5])
    #expect(reader.openCount == 0)
  }

  @Test("segments go as soon as every class has passed; the active one stays")
  func space() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let numbers = try store.configure(["iothub", "dead/in"])
    let high = PriorityClass(priority: 1)
    _ = try store.store(["dead"], to: [StoreDelivery(endpoint: numbers[1])])
    _ = try store.store(["first"], to: [StoreDelivery(endpoint: numbers[0], priority: high)])
    for _ in 0..<40 {
      _ = try store.store(texts(0..<10), to: [StoreDelivery(endpoint: numbers[0])])
    }
    let full = store.fileByteCount(numbers[0])
    #expect(full > 40_000)
    #expect(store.usedByteCount > 40_000)
    var reader = try store.reader(numbers[0])
    let head = try reader.next(store.view(numbers[0])).given
    #expect(try reader.drain(store.view(numbers[0])).count == 400)
    store.settle(numbers[0], reader.takeSettlements(), now: time(0))
    _ = store.commit(now: time(1000))
    #expect(store.fileByteCount(numbers[0]) > 40_000, "the open message keeps its segment")
    reader.settle(head[0].sequence, high)
    store.settle(numbers[0], reader.takeSettlements(), now: time(1000))
    _ = store.commit(now: time(2000))
    #expect(store.fileByteCount(numbers[0]) < 9000)
    #expect(store.usedByteCount < 1000, "what is left is the other queue's")
    #expect(store.length(numbers[1]) == 1)
    // A reader with an old view is told, and goes on with the current one.
    _ = try store.store(["after"], to: [StoreDelivery(endpoint: numbers[0])])
    #expect(try reader.drain(store.view(numbers[0])) == ["after"])
  }
}
