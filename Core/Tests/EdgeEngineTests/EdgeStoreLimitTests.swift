import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Simulation
import Testing

@Suite("Room and lifetime in the store (edge contract §7, DIFF 2, DIFF 18, EXT 5)")
struct EdgeStoreLimitTests {
  @Test("messages over their time are skipped by a reader")
  func skipped() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    let short = StoreDelivery(endpoint: number, lifetimeSeconds: 2)
    let long = StoreDelivery(endpoint: number, lifetimeSeconds: 100)
    _ = try store.store(["long"], to: [long], now: time(1000))
    _ = try store.store(["short"], to: [short], now: time(1000))
    _ = try store.store(["forever"], to: [StoreDelivery(endpoint: number)], now: time(1000))
    var reader = try store.reader(number)
    let (given, reading) = try reader.next(store.view(number), age: 3000)
    #expect(given.map(\.body) == ["long", "forever"])
    #expect(reading.expiredCount == 1)
    #expect(reading.expiredSenders == [MessageSender(IdentityKey(deviceID: "press")): 1])
    reader.settle(0, .default)
    #expect(reader.takeSettlements().map(\.firstUnsettled) == [2], "the skipped one is settled")
    var early = try store.reader(number)
    #expect(try early.next(store.view(number), age: 2999).given.count == 3, "not yet")
  }

  @Test("lifetimes are judged by a clock that no restart falls behind")
  func judged() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    let short = StoreDelivery(endpoint: number, lifetimeSeconds: 2)
    _ = try store.store(["first"], to: [short], now: time(1000))
    let unsaved = EdgeTime(calendar: 1_700_000_004_000, age: 4000, savedAge: 1500)
    _ = store.commit(now: time(2000))
    let early = store.isClockAwaited(time(2999))
    #expect(!early, "nobody's time is over")
    let awaited = store.isClockAwaited(unsaved)
    #expect(awaited)
    _ = store.commit(now: unsaved)
    #expect(store.length(number) == 1, "a restart could be at 1500, where it is not over")
    _ = store.commit(now: EdgeTime(calendar: unsaved.calendar, age: 6000, savedAge: 4000))
    #expect(store.length(number) == 0)
    let again = store.isClockAwaited(EdgeTime(calendar: 0, age: 7000, savedAge: 4000))
    #expect(!again)
  }

  @Test("space of messages over their time is given back without any reader")
  func expired() throws {
    var store = try openStore(SimDisk(seed: 1))
    let number = try store.configure(["iothub"])[0]
    let delivery = StoreDelivery(endpoint: number, lifetimeSeconds: 10)
    for second in 0..<40 as Range<UInt64> {
      _ = try store.store(texts(0..<10), to: [delivery], now: time(second * 100))
    }
    #expect(store.length(number) == 400)
    #expect(store.fileByteCount(number) > 40_000)
    _ = store.commit(now: time(12_000))
    #expect(store.length(number) < 400)
    #expect(store.length(number) > 0)
    let changed = store.commit(now: time(14_000)).changed
    #expect(changed == [number], "readers have to learn of it")
    _ = store.commit(now: time(15_000))
    #expect(store.length(number) == 0)
    #expect(store.fileByteCount(number) < 9000)
    let figures = try #require(store.figures.first { $0.endpoint == "iothub" })
    #expect(figures.counts.accepted == 400)
    #expect(figures.counts.expired == 400)
    #expect(store.takeExpired() == [MessageSender(IdentityKey(deviceID: "press")): 400])
    #expect(store.takeExpired().isEmpty)
  }

  @Test("a full store refuses, and takes again what is settled, also below a segment's size")
  func quota() throws {
    var store = try openStore(SimDisk(seed: 1))
    let numbers = try store.configure(["iothub", "m/in"], maxSizeBytes: 4000)
    let delivery = StoreDelivery(endpoint: numbers[0])
    var stored = 0
    while try store.store(["message \(stored)"], to: [delivery]) == nil { stored += 1 }
    #expect(stored > 15)
    #expect(store.usedByteCount <= 4000)
    #expect(try store.store(["x"], to: [StoreDelivery(endpoint: numbers[1])]) == .full)
    #expect(store.refusedBatchCount == 2)
    var reader = try store.reader(numbers[0])
    #expect(try reader.drain(store.view(numbers[0])) == texts(0..<stored))
    store.settle(numbers[0], reader.takeSettlements(), now: time(0))
    #expect(try store.store(["again"], to: [delivery]) == nil)
    #expect(try reader.drain(store.view(numbers[0])) == ["again"])
    // A smaller limit than what waits refuses, and drops nothing.
    #expect(try store.store(["kept"], to: [delivery]) == nil)
    #expect(try store.configure(["iothub", "m/in"], maxSizeBytes: 1) == numbers)
    #expect(try store.store(["y"], to: [delivery]) == .full)
    #expect(try reader.drain(store.view(numbers[0])) == ["kept"])
  }

  @Test("older messages give way if the route says so; those of other routes never do")
  func dropOldest() throws {
    var store = try openStore(SimDisk(seed: 1))
    let numbers = try store.configure(["iothub", "m/in"], maxSizeBytes: 20_000)
    let yielding = StoreDelivery(endpoint: numbers[0], dropsOldest: true)
    for index in 0..<500 {
      #expect(try store.store(["message \(index)"], to: [yielding]) == nil)
      // A segment's head and index and a checkpoint come on top.
      #expect(store.usedByteCount <= 20_000 + 2500)
    }
    let length = Int(store.length(numbers[0]))
    #expect(length > 50)
    var reader = try store.reader(numbers[0])
    #expect(try reader.drain(store.view(numbers[0])) == texts(500 - length..<500))
    let figures = try #require(store.figures.first { $0.endpoint == "iothub" })
    #expect(figures.counts.dropped == UInt64(500 - length))
    store.settle(numbers[0], reader.takeSettlements(), now: time(0))
    _ = store.commit(now: time(1000))

    let firm = StoreDelivery(endpoint: numbers[0])
    #expect(try store.store(["firm"], to: [firm]) == nil)
    var refused = false
    for index in 0..<500 where !refused {
      refused = try store.store(["message \(index)"], to: [yielding]) == .full
    }
    #expect(refused)
    #expect(try reader.drain(store.view(numbers[0])).first == "firm")
  }

  @Test("a full disk refuses; it goes on when there is room, and nothing acknowledged is missing")
  func fullDisk() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 40_000)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    var stored: [String] = []
    var refused = 0
    for index in 0..<400 {
      switch try store.store(["message \(index)"], to: [StoreDelivery(endpoint: number)]) {
      case nil: stored.append("message \(index)")
      case .full: refused += 1
      case let fault: Issue.record("\(String(describing: fault))")
      }
    }
    #expect(refused > 50)
    // What is read makes room by itself, though no checkpoint could be written.
    var reader = try store.reader(number)
    #expect(try reader.drain(store.view(number)) == stored)
    store.settle(number, reader.takeSettlements(), now: time(0))
    #expect(try store.store(["after"], to: [StoreDelivery(endpoint: number)]) == nil)
    #expect(store.suspension(number) == nil)
    disk.powerCut(.none)
    let reopened = try openStore(disk)
    let again = reopened.number(of: "iothub") ?? 99
    var second = try reopened.reader(again)
    #expect(try second.drain(reopened.view(again)).last == "after")
  }

  @Test("nothing overtakes what was refused: not the rest of its batch, nor the batches behind")
  func noOvertaking() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 8192)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    let delivery = StoreDelivery(endpoint: number)
    _ = try store.store(texts(0..<30), to: [delivery])
    // Larger than what is left, then small ones that would fit.
    let large = (0..<5).map { _ in String(repeating: "x", count: 1100) }
    store.append(
      try messages(large + texts(30..<32), to: [delivery]),
      firstID: EdgeMessageID(high: 0, low: 0),
      now: time(0)
    )
    store.append(
      try messages(texts(32..<33), to: [delivery]),
      firstID: EdgeMessageID(high: 0, low: 9),
      now: time(0)
    )
    #expect(store.commit(now: time(0)).faults == [.full, .full])
    var reader = try store.reader(number)
    #expect(try reader.drain(store.view(number)).allSatisfy { $0.count > 1000 || $0.count < 11 })
    #expect(try reader.next(store.view(number)).given.isEmpty)
    #expect(store.length(number) <= 34)
    #expect(try store.store(["message 30"], to: [delivery]) == nil, "the next group may be taken")
    #expect(try reader.drain(store.view(number)) == ["message 30"])
  }

  @Test(
    "nothing overtakes what a disk lost in the middle of a large group",
    arguments: [SimDiskCall.sync, .write],
    0..<8
  )
  func noOvertakingAfterLoss(_ call: SimDiskCall, _ after: Int) throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    let delivery = StoreDelivery(endpoint: number)
    // More than a group may have: the first part is synced while the rest is still to come.
    disk.fail(call, with: .io(5), after: after)
    for part in 0..<6 {
      store.append(
        try messages(texts(part * 40..<part * 40 + 40), to: [delivery]),
        firstID: EdgeMessageID(high: 0, low: UInt64(part * 40)),
        now: time(0)
      )
    }
    let faults = store.commit(now: time(0)).faults
    let taken = faults.prefix { $0 == nil }.count
    #expect(faults.dropFirst(taken).allSatisfy { $0 != nil }, "\(faults)")
    var reader = try store.reader(number)
    let stored = try reader.drain(store.view(number))
    #expect(stored.count >= taken * 40)
    #expect(stored == texts(0..<stored.count), "a part without what came before it")
  }

  @Test("on a full disk older messages give way if the route says so")
  func fullDiskDropping() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 40_000)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    let yielding = StoreDelivery(endpoint: number, dropsOldest: true)
    for index in 0..<1000 {
      #expect(try store.store(["message \(index)"], to: [yielding]) == nil)
    }
    var reader = try store.reader(number)
    let bodies = try reader.drain(store.view(number))
    #expect(bodies == texts(1000 - bodies.count..<1000))
    #expect(bodies.count > 100)
  }

  @Test("the reserve of the file system is not touched")
  func reserve() throws {
    var configuration = smallStore()
    configuration.reserveBytes = 100_000
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk, configuration)
    let number = try store.configure(["iothub"])[0]
    store.freeByteCount = 100_001
    var stored = 0
    while try store.store(["message \(stored)"], to: [StoreDelivery(endpoint: number)]) == nil {
      stored += 1
    }
    #expect(stored > 20, "the segment that was reserved is filled")
    #expect(disk.usedBytes <= 8192)
    store.freeByteCount = 200_000
    #expect(try store.store(["more"], to: [StoreDelivery(endpoint: number)]) == nil)
  }

  @Test("endpoints without routes lose their queues; late messages for them are dropped")
  func endpoints() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let numbers = try store.configure(["iothub", "a/in", "ünal $?/../x"])
    #expect(numbers == [0, 1, 2])
    _ = try store.store(["x"], to: numbers.map { StoreDelivery(endpoint: $0) })
    #expect(try store.configure(["b/in", "iothub"]) == [3, 0])
    #expect(store.endpoints == ["iothub", "b/in"])
    #expect(try SimStoreDisks(disk).list() == ["b%2Fin", "iothub"])
    #expect(try store.store(["late"], to: [StoreDelivery(endpoint: numbers[1])]) == nil)
    #expect(store.removedEndpointCount == 1)
    #expect(store.view(numbers[1]) == nil)
    #expect(store.length(0) == 1)
    let long = String(repeating: "x", count: 300)
    #expect(throws: StoreFault.endpointName(long)) { try openStore(disk).configured([long]) }
    #expect(throws: StoreFault.endpointName("")) { try openStore(disk).configured([""]) }
    disk.powerCut(.none)
    let reopened = try openStore(disk)
    #expect(reopened.endpoints.sorted() == ["b/in", "iothub"])
  }

  @Test("a torn queue is set aside, and the others go on")
  func torn() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let numbers = try store.configure(["iothub", "a/in"])
    _ = try store.store(["x"], to: numbers.map { StoreDelivery(endpoint: $0) })
    disk.powerCut(.none)
    for name in try disk.list() where name.hasPrefix("a%2Fin/") {
      let bytes = try #require(disk.contents(of: name))
      disk.place([UInt8](repeating: 0xA5, count: bytes.count), as: name)
    }
    let reopened = try openStore(disk)
    #expect(reopened.findings.contains { $0.isSetAside })
    #expect(reopened.endpoints.sorted() == ["a/in", "iothub"])
    let upstream = reopened.number(of: "iothub") ?? 99
    var reader = try reopened.reader(upstream)
    #expect(try reader.drain(reopened.view(upstream)) == ["x"])
    #expect(try disk.list().contains { $0.hasPrefix("aside:a%2Fin/") })
  }

  @Test("a damaged message is stepped over; all others come")
  func damaged() throws {
    let disk = SimDisk(seed: 1)
    var store = try openStore(disk)
    let number = try store.configure(["iothub"])[0]
    for index in 0..<200 {
      _ = try store.store(["message \(index)"], to: [StoreDelivery(endpoint: number)])
    }
    let first = try #require(try disk.list().first)
    disk.flipBit(3, ofByte: 3000, in: first)
    var reader = try store.reader(number)
    let bodies = try reader.drain(store.view(number))
    #expect(bodies.count == 199)
    #expect(reader.takeSettlements().map(\.firstUnsettled) == [200])
  }
}

extension EdgeStore where Disks == SimStoreDisks {
  consuming func configured(_ endpoints: [String]) throws -> [UInt16] {
    try configure(endpoints)
  }
}

extension StoreFinding {
  fileprivate var isSetAside: Bool {
    if case .setAside(endpoint: "a/in", .headersLost) = self { true } else { false }
  }
}
