import ByteIO
import MessageLog
import Simulation
import Testing
import UpdateEngine

@Suite("Two slots: install, trial, confirmation")
struct SlotStoreTests {
  private typealias Fixture = SlotFixture

  private static func fault(_ body: () throws(SlotFault) -> Void) -> SlotFault? {
    do throws(SlotFault) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  @Test("a device without a set asks for recovery, and its first update makes it run")
  func first() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    #expect(store.boot() == .recovery(floor: 0))
    let one = Fixture.made(1)
    try Fixture.update(one, &store)
    #expect(store.boot() == .active(.b, one.identity))
  }

  @Test("a confirmed set is kept, and only then the floor rises")
  func confirmed() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1, floor: 1), Fixture.made(2, floor: 2))
    try Fixture.update(one, &store)
    #expect(fixture.counter.value == 1)
    try Fixture.install(two, &store)
    #expect(store.boot() == .active(.b, one.identity))
    try store.startTrial()
    #expect(store.boot() == .trial(.a, two.identity, triesLeft: 1))
    #expect(fixture.counter.value == 1)
    store.started(.a, now: Instant(nanoseconds: 0))
    let wrong = Self.fault { () throws(SlotFault) in try store.confirm(attested: [1]) }
    #expect(wrong == .notOnTrial && fixture.counter.value == 1)
    try store.confirm(attested: two.identity.digest)
    #expect(fixture.counter.value == 2)
    #expect(store.boot() == .active(.a, two.identity))
    let again = try fixture.open()
    #expect(again.record == store.record)
  }

  @Test("a set that is never confirmed uses up its tries, and the old one starts again")
  func tries() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2, floor: 2))
    try Fixture.update(one, &store)
    try Fixture.install(two, &store)
    try store.startTrial()
    #expect(store.boot() == .trial(.a, two.identity, triesLeft: 1))
    #expect(store.boot() == .trial(.a, two.identity, triesLeft: 0))
    #expect(store.boot() == .active(.b, one.identity))
    #expect(store.record.a == .failed(two.identity, .triesExhausted))
    #expect(fixture.counter.value == 0)
    let refused = Self.fault { () throws(SlotFault) in _ = try store.begin(two.manifest) }
    #expect(refused == .failedBefore(.triesExhausted))
    #expect(try store.begin(two.manifest, retriesFailed: true) == .from(0))
  }

  @Test("row 21: a trial that is not confirmed in its time ends by itself")
  func deadline() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2))
    try Fixture.update(one, &store)
    try Fixture.install(two, &store)
    try store.startTrial()
    guard case .trial(let slot, _, _) = store.boot() else {
      Issue.record("no trial")
      return
    }
    let start = Instant(nanoseconds: 5)
    store.started(slot, now: start)
    #expect(store.nextDeadline == start.adding(milliseconds: 1000))
    #expect(try !store.timeout(now: start.adding(milliseconds: 999)))
    #expect(try store.timeout(now: start.adding(milliseconds: 1000)))
    #expect(store.record.a == .failed(two.identity, .notConfirmed))
    #expect(store.boot() == .active(.b, one.identity))
    store.started(.b, now: start)
    #expect(store.nextDeadline == nil)
  }

  @Test("an unhealthy set is given up at once")
  func unhealthy() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    try Fixture.update(Fixture.made(1), &store)
    let early = Self.fault { () throws(SlotFault) in try store.giveUp(.unhealthy) }
    #expect(early == .notOnTrial)
    try Fixture.install(Fixture.made(2), &store)
    try store.startTrial()
    guard case .trial(let slot, let identity, _) = store.boot() else {
      Issue.record("no trial")
      return
    }
    store.started(slot, now: Instant(nanoseconds: 0))
    try store.giveUp(.unhealthy)
    #expect(store.record.a == .failed(identity, .unhealthy))
  }

  @Test("row 1: what is older than allowed is refused, whoever signed it")
  func older() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    try Fixture.update(Fixture.made(3, floor: 2), &store)
    let below = Self.fault { () throws(SlotFault) in
      _ = try store.begin(Fixture.made(1).manifest, allowsOlder: true)
    }
    #expect(below == .belowFloor(release: 1, floor: 2))
    let older = Self.fault { () throws(SlotFault) in
      _ = try store.begin(Fixture.made(2).manifest)
    }
    #expect(older == .olderThanActive(release: 2, active: 3))
    let same = Self.fault { () throws(SlotFault) in
      _ = try store.begin(Fixture.made(3, floor: 2).manifest)
    }
    #expect(same == .alreadyActive)
    try Fixture.update(Fixture.made(2), &store, allowsOlder: true)
    // The way back to what was active before needs no download.
    try store.startTrial()
    #expect(store.boot() == .trial(.b, Fixture.made(3, floor: 2).identity, triesLeft: 1))
  }

  @Test("row 1: a floor that rose meanwhile keeps a waiting set from starting")
  func floorRises() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let one = Fixture.made(5)
    try Fixture.update(one, &store)
    let six = Fixture.made(6)
    try Fixture.install(six, &store)
    try store.startTrial()
    try fixture.counter.raise(to: 7)
    #expect(store.boot() == .recovery(floor: 7))
    #expect(store.record.a == .failed(six.identity, .belowFloor))
  }

  @Test("a counter that fails does not undo a confirmation; the next start raises it")
  func counterFails() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let one = Fixture.made(1, floor: 1)
    try Fixture.install(one, &store)
    try store.startTrial()
    guard case .trial(let slot, _, _) = store.boot() else {
      Issue.record("no trial")
      return
    }
    store.started(slot, now: Instant(nanoseconds: 0))
    fixture.counter.failures = 1
    let fault = Self.fault { () throws(SlotFault) in
      try store.confirm(attested: one.identity.digest)
    }
    #expect(fault == .floor && fixture.counter.value == 0)
    #expect(store.boot() == .active(.b, one.identity))
    #expect(fixture.counter.value == 1)
  }

  @Test("row 5: more bytes than signed, in another order, or too few are refused")
  func bounded() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let one = Fixture.made(1, sizes: [10, 20])
    let none = Self.fault { () throws(SlotFault) in try store.write([1].span, at: 0) }
    #expect(none == .nothingToWrite)
    #expect(try store.begin(one.manifest) == .from(0))
    let many = [UInt8](repeating: 0, count: 31)
    let beyond = Self.fault { () throws(SlotFault) in try store.write(many.span, at: 0) }
    #expect(beyond == .beyondSignedSize)
    try store.write(Array(one.bytes[..<15]).span, at: 0)
    let gap = Self.fault { () throws(SlotFault) in try store.write([1].span, at: 16) }
    #expect(gap == .outOfOrder(expected: 15))
    let early = Self.fault { () throws(SlotFault) in try store.finish() }
    #expect(early == .incomplete(byteCount: 15))
    try store.write(Array(one.bytes[15...]).span, at: 15)
    let past = Self.fault { () throws(SlotFault) in try store.write([1].span, at: 30) }
    #expect(past == .beyondSignedSize)
    try store.finish()
  }

  @Test("a set larger than a slot is refused before anything is written")
  func tooLarge() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let calls = fixture.disk.operationCount
    let fault = Self.fault { () throws(SlotFault) in
      _ = try store.begin(Fixture.made(1, sizes: [8001]).manifest)
    }
    #expect(fault == .tooLarge(byteCount: 8001, limit: 8000))
    #expect(fixture.disk.operationCount == calls)
  }

  @Test("malformed and unsigned manifests are refused")
  func malformed() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let good = Fixture.made(2, sizes: [1, 1])
    let sets: [ReleaseSet] = [
      .init(release: 0, floor: 0, files: good.set.files),
      .init(release: 2, floor: 3, files: good.set.files),
      .init(release: 2, floor: 0, files: []),
      .init(release: 2, floor: 0, files: [good.set.files[0], good.set.files[0]]),
      .init(release: 2, floor: 0, files: Array(repeating: good.set.files[0], count: 65)),
    ]
    let names = ["", ".", "../b", "a/b", "A", "a b", String(repeating: "a", count: 65), "\u{e9}"]
    let named = names.map { name in
      ReleaseSet(release: 2, floor: 0, files: [.init(name: name, byteCount: 1, digest: [1])])
    }
    let huge = (0..<2).map { ReleaseFile(name: "f\($0)", byteCount: .max, digest: [1]) }
    let undigested = [ReleaseFile(name: "f", byteCount: 1, digest: [])]
    for set in sets + named + [
      .init(release: 2, floor: 0, files: huge), .init(release: 2, floor: 0, files: undigested),
    ] {
      let manifest = SimSlotTrust.manifest(set)
      let fault = Self.fault { () throws(SlotFault) in _ = try store.begin(manifest) }
      #expect(fault == .malformedSet, "\(set)")
    }
    for end in good.manifest.indices {
      let cut = Array(good.manifest[..<end])
      let fault = Self.fault { () throws(SlotFault) in _ = try store.begin(cut) }
      #expect(fault == .untrustedManifest)
    }
    let long = [UInt8](repeating: 0, count: ReleaseSet.maximumManifestBytes + 1)
    let fault = Self.fault { () throws(SlotFault) in _ = try store.begin(long) }
    #expect(fault == .manifestTooLong(byteCount: long.count))
  }

  @Test("bytes that are not what was signed never become a set")
  func wrongBytes() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let one = Fixture.made(1)
    for index in stride(from: 0, to: one.bytes.count, by: 97) {
      #expect(try store.begin(one.manifest) == .from(0))
      var bytes = one.bytes
      bytes[index] ^= 1
      try store.write(bytes.span, at: 0)
      let fault = Self.fault { () throws(SlotFault) in try store.finish() }
      #expect(fault == .wrongDigest(file: index < 700 ? "system" : "app.img"))
      #expect(store.record.b == .empty)
    }
  }

  @Test("a damaged active set gives way to the one before it")
  func damagedActive() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2))
    try Fixture.update(one, &store)
    try Fixture.update(two, &store)
    fixture.disk.flipBit(3, ofByte: 1400, in: "a..app.img")
    #expect(store.boot() == .active(.b, one.identity))
    #expect(store.record.a == .failed(two.identity, .damaged))
    fixture.disk.flipBit(0, ofByte: 0, in: "b.manifest")
    #expect(store.boot() == .recovery(floor: 0))
  }

  @Test("a damaged set on trial is not started; with no confirmed set, a waiting one is tried")
  func damagedTrial() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2))
    try Fixture.update(one, &store)
    try Fixture.install(two, &store)
    try store.startTrial()
    fixture.disk.flipBit(0, ofByte: 9, in: "a..system")
    #expect(store.boot() == .active(.b, one.identity))
    #expect(store.record.a == .failed(two.identity, .damaged))
    let three = Fixture.made(3)
    try Fixture.install(three, &store)
    fixture.disk.flipBit(0, ofByte: 9, in: "b..system")
    #expect(store.boot() == .trial(.a, three.identity, triesLeft: 1))
    #expect(store.boot() == .trial(.a, three.identity, triesLeft: 0))
    #expect(store.boot() == .recovery(floor: 0))
  }

  @Test("one copy of the record may decay, and both may")
  func damagedRecord() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2))
    try Fixture.update(one, &store)
    try Fixture.update(two, &store)
    for name in ["slots.0", "slots.1"] {
      let count = fixture.disk.contents(of: name)?.count ?? 0
      for byte in 0..<count {
        fixture.disk.flipBit(byte % 8, ofByte: byte, in: name)
        var again = try fixture.open()
        switch again.boot() {
        case .active(_, let identity), .trial(_, let identity, _):
          #expect(identity == one.identity || identity == two.identity)
        case .recovery: Issue.record("recovery with \(name) damaged at \(byte)")
        }
        if again.record.sequence != store.record.sequence {
          // It took another step: the story goes on from there.
          store = again
          break
        }
        fixture.disk.flipBit(byte % 8, ofByte: byte, in: name)
      }
    }
    for name in ["slots.0", "slots.1"] { fixture.disk.flipBit(0, ofByte: 5, in: name) }
    var again = try fixture.open()
    #expect(again.record[again.record.active] == .good(one.identity))
    guard case .trial(_, two.identity, _) = again.boot() else {
      Issue.record("the newer set is not on trial")
      return
    }
  }

  @Test("a disk that cannot be written to lets the active set start, and tries no other")
  func readOnly() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let (one, two) = (Fixture.made(1), Fixture.made(2))
    try Fixture.update(one, &store)
    try Fixture.install(two, &store)
    try store.startTrial()
    fixture.disk.fail(.create, with: .io(30))
    #expect(store.boot() == .active(.b, one.identity))
    #expect(store.boot() == .trial(.a, two.identity, triesLeft: 1))
  }

  @Test("every call that fails is told, and the same step works later")
  func diskFaults() throws {
    let calls: [SimDiskCall] = [.create, .write, .sync, .rename, .remove, .syncDirectory, .read]
    let (one, two) = (Fixture.made(1, floor: 1), Fixture.made(2, floor: 2))
    for call in calls {
      for count in 0..<40 {
        let fixture = Fixture()
        var store = try fixture.open()
        try Fixture.update(one, &store)
        fixture.disk.fail(call, with: .io(5), after: count)
        let fault = Self.fault { () throws(SlotFault) in try Fixture.update(two, &store) }
        guard let fault else { continue }
        #expect(fault == .disk(.io(5)) || fault == .nothingToTry, "\(call) \(count)")
        var again = try fixture.open()
        switch again.boot() {
        case .active(_, let identity), .trial(_, let identity, _):
          #expect(identity == one.identity || identity == two.identity)
        case .recovery: Issue.record("recovery after \(call) \(count) failed")
        }
        #expect(fixture.counter.value <= 2)
      }
    }
  }

  @Test("a download goes on where it was durable, and starts over if its files are gone")
  func resumes() throws {
    let fixture = Fixture()
    var store = try fixture.open()
    let one = Fixture.made(1)
    #expect(try store.begin(one.manifest) == .from(0))
    try store.write(Array(one.bytes[..<650]).span, at: 0)
    try store.write(Array(one.bytes[650..<900]).span, at: 650)
    fixture.disk.powerCut(.none)
    store = try fixture.open()
    #expect(try store.begin(one.manifest) == .from(650))
    try store.write(Array(one.bytes[650...]).span, at: 650)
    try store.finish()
    #expect(try store.begin(one.manifest) == .ready)
    try store.abandon()
    #expect(store.record.b == .ready(one.identity))
    #expect(try store.begin(Fixture.made(2).manifest) == .from(0))
    try store.abandon()
    #expect(store.record.b == .empty)
  }
}
