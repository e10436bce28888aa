import ByteIO
import Simulation
import Testing
import UpdateEngine

/// A device's life with updates, and what was true after how many of its disk calls.
private struct SlotStory {
  typealias Store = SlotStore<SimSlotDisk, SimSlotTrust>

  let fixture = SlotFixture(floor: 1)
  /// The sets of which either may run, from so many disk calls on.
  private(set) var allowed: [(after: Int, sets: [SlotFixture.Made])] = []

  /// The first set is there, confirmed and durable; from here on every call counts.
  init(_ tell: (inout SlotStory, inout Store) throws(SlotFault) -> Void) throws(SlotFault) {
    let one = SlotFixture.made(1, floor: 1)
    var store = try fixture.open()
    try SlotFixture.update(one, &store)
    fixture.disk.powerCut(.none)
    fixture.disk.startRecording()
    allowed = [(0, [one])]
    store = try fixture.open()
    _ = store.boot()
    try tell(&self, &store)
  }

  mutating func allow(_ sets: [SlotFixture.Made]) {
    allowed.append((fixture.disk.journalCount, sets))
  }

  /// What may run if power is lost before call `index`: a step that is under way may be taken or not.
  func sets(at index: Int) -> [SlotFixture.Made] {
    var sets = allowed.last { $0.after <= index }?.sets ?? []
    if let next = allowed.first(where: { $0.after > index }) { sets += next.sets }
    return sets
  }

  /// The counter's values that power may be lost with before call `index`.
  func floors(at index: Int) -> Set<UInt64> {
    let before = fixture.counter.steps.last { $0.after < index }?.value ?? 1
    let after = fixture.counter.steps.last { $0.after <= index }?.value ?? 1
    return [before, after]
  }
}

@Suite("Rows 19 and 20: power is cut at every call, and torn sectors are left behind")
struct SlotPowerCutTests {
  private typealias Store = SlotStore<SimSlotDisk, SimSlotTrust>

  private static let two = SlotFixture.made(2, floor: 2)
  private static let three = SlotFixture.made(3, floor: 2, sizes: [1100, 1, 300])

  /// An update that succeeds, one that fails, a download given up, and a way back.
  private static func life() throws -> SlotStory {
    try SlotStory { story, store throws(SlotFault) in
      let one = story.allowed[0].sets
      story.allow(one + [two])
      try SlotFixture.update(two, &store)
      // From the confirmation on it is the new one.
      story.allow([two, three])
      try SlotFixture.install(three, &store)
      try store.startTrial()
      while case .trial(let slot, _, let left) = store.boot() {
        store.started(slot, now: Instant(nanoseconds: 0))
        if left == 0 { try store.giveUp(.unhealthy) }
      }
      let four = SlotFixture.made(4, floor: 3)
      _ = try store.begin(four.manifest)
      try store.write(Array(four.bytes[..<700]).span, at: 0)
      try store.abandon()
      story.allow([two, four])
      try SlotFixture.update(four, &store)
      story.allow([four])
    }
  }

  /// Starts the device after a cut and checks what runs; answers the sets it holds to its end.
  private static func check(
    _ disk: SimDisk,
    floor: UInt64,
    _ story: SlotStory,
    at index: Int
  ) throws {
    let counter = SimCounter(floor, beside: disk)
    let place: Comment = "cut before call \(index), floor \(floor)"
    var store = try Store(
      SimSlotDisk(disk),
      trust: SimSlotTrust(counter),
      configuration: SlotFixture.configuration
    )
    let boot = store.boot()
    let sets = story.sets(at: index)
    switch boot {
    case .active(let slot, let identity), .trial(let slot, let identity, _):
      let set = sets.first { $0.identity == identity }
      #expect(set != nil, place)
      #expect(identity.release >= floor, place)
      // Not a mix: the bytes of this very set, all of them.
      let bytes = set?.set.files.flatMap { file in
        disk.contents(of: "\(slot.rawValue)..\(file.name)") ?? []
      }
      #expect(bytes == set?.bytes, place)
    case .recovery: Issue.record("bricked: \(place)")
    }
    #expect(counter.value >= floor && counter.value <= 3, place)
    if case .active(_, let identity) = boot { #expect(counter.value >= identity.floor, place) }
    // It goes on by itself to the newest set, with no more than one whole download.
    let goal = SlotFixture.made(9, floor: 3)
    while case .trial(let slot, let identity, _) = boot {
      store.started(slot, now: Instant(nanoseconds: 0))
      try store.giveUp(.unhealthy)
      #expect(identity.release >= floor)
      break
    }
    if case .trial = boot { _ = store.boot() }
    let fetched = try SlotFixture.install(goal, &store)
    #expect(fetched <= goal.bytes.count, place)
    try store.startTrial()
    guard case .trial(let slot, goal.identity, _) = store.boot() else {
      Issue.record("stuck: \(place)")
      return
    }
    store.started(slot, now: Instant(nanoseconds: 0))
    try store.confirm(attested: goal.identity.digest)
    #expect(counter.value == 3, place)
  }

  @Test(
    "the old or the new set starts, never a mix, never below the floor",
    arguments: SimSurvival.allCases
  )
  func everyCall(_ survival: SimSurvival) throws {
    let story = try Self.life()
    let journal = story.fixture.disk.journal
    #expect(journal.count > 150)
    let shadow = try Self.start()
    for index in 0...journal.count {
      for floor in story.floors(at: index) {
        for seed in 0..<(survival == .none || survival == .all ? 1 : 3) {
          let disk = shadow.copy(seed: UInt64(index * 7 + seed))
          disk.powerCut(survival)
          try Self.check(disk, floor: floor, story, at: index)
        }
      }
      if index < journal.count { try shadow.apply(journal[index]) }
    }
  }

  /// The disk as it is where the stories begin.
  private static func start() throws -> SimDisk {
    try SlotStory { _, _ throws(SlotFault) in }.fixture.disk.copy(seed: 1)
  }

  @Test("a write that is torn inside its last sector is as good as none")
  func tornSector() throws {
    let story = try Self.life()
    let journal = story.fixture.disk.journal
    let shadow = try Self.start()
    var generator = SeededGenerator(seed: 3)
    for (index, operation) in journal.enumerated() {
      if case .write(let name, let offset, let bytes) = operation {
        for survival in [SimSurvival.all, .arbitrary] {
          let disk = shadow.copy(seed: UInt64(index))
          let torn = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
          try disk.apply(.write(name: name, offset: offset, bytes: torn))
          disk.powerCut(survival)
          for floor in story.floors(at: index) {
            try Self.check(disk.copy(seed: 1), floor: floor, story, at: index)
          }
        }
      }
      try shadow.apply(operation)
    }
  }

  @Test("power that fails again while the machine recovers changes nothing")
  func cutsInRecovery() throws {
    let story = try Self.life()
    let journal = story.fixture.disk.journal
    let shadow = try Self.start()
    var generator = SeededGenerator(seed: 5)
    for index in 0...journal.count {
      let floor = story.floors(at: index).max() ?? 1
      let disk = shadow.copy(seed: UInt64(index))
      disk.powerCut(.arbitrary)
      let before = disk.copy(seed: UInt64(index))
      disk.startRecording()
      let counter = SimCounter(floor, beside: disk)
      var store = try Store(
        SimSlotDisk(disk),
        trust: SimSlotTrust(counter),
        configuration: SlotFixture.configuration
      )
      _ = store.boot()
      for operation in disk.journal.prefix(Int.random(in: 0...disk.journalCount, using: &generator))
      {
        try before.apply(operation)
      }
      before.powerCut(.arbitrary)
      try Self.check(before, floor: counter.value, story, at: index)
      if index < journal.count { try shadow.apply(journal[index]) }
    }
  }

  @Test("a download that loses power again and again is fetched once, and at most once more")
  func oneExtraDownload() throws {
    let goal = Self.two
    for seed in 0..<200 as Range<UInt64> {
      let fixture = SlotFixture()
      var generator = SeededGenerator(seed: seed)
      var fetched = 0
      var cuts = 0
      var store = try fixture.open()
      while store.record.b != .ready(goal.identity) {
        guard case .from(let start) = try store.begin(goal.manifest) else { break }
        var offset = Int(start)
        var isCut = false
        while offset < goal.bytes.count, !isCut {
          let count = min(Int.random(in: 1...400, using: &generator), goal.bytes.count - offset)
          try store.write(Array(goal.bytes[offset..<offset + count]).span, at: UInt64(offset))
          offset += count
          fetched += count
          isCut = cuts < 3 && Int.random(in: 0..<6, using: &generator) == 0
        }
        if isCut {
          cuts += 1
          fixture.disk.powerCut(.arbitrary)
          store = try fixture.open()
        } else {
          try store.finish()
        }
      }
      // What was durable is not fetched again; what was not is less than a checkpoint and a chunk.
      #expect(fetched <= goal.bytes.count + cuts * 1000, "seed \(seed)")
    }
  }
}
