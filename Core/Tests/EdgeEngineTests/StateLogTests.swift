import ByteIO
import EdgeEngine
import MessageLog
import Simulation
import Testing

@Suite("State of the local hub: durable bytes by key")
struct StateLogTests {
  private static func small() -> StateLogConfiguration {
    var configuration = StateLogConfiguration()
    configuration.segmentBytes = 4096
    configuration.maximumValueBytes = 1000
    configuration.maximumPendingBytes = 8192
    configuration.maximumKeyCount = 8
    return configuration
  }

  private func open(_ disk: SimDisk) throws -> StateLog<SimDisk> {
    try StateLog.open(disk, configuration: Self.small(), salt: 5)
  }

  private func contents(_ state: borrowing StateLog<SimDisk>) throws -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    try state.forEach { contents[$0] = $1.array() }
    return contents
  }

  @Test("what was put is there after the commit and after a restart; what was removed is not")
  func putAndRemove() throws {
    let disk = SimDisk(seed: 1)
    var state = try open(disk)
    try state.put("a", ([1, 2, 3] as [UInt8]).span)
    try state.put("b", [4].span)
    #expect(try state.value("a") == nil, "not before the commit")
    try state.commit(now: 10)
    try state.put("a", [9].span)
    try state.remove("b")
    try state.remove("never there")
    try state.put("empty", [UInt8]().span)
    try state.commit(now: 11)
    for _ in 0..<2 {
      #expect(try state.value("a") == [9])
      #expect(try state.value("b") == nil)
      #expect(try state.value("empty") == [])
      #expect(try contents(state) == ["a": [9], "empty": []])
      #expect(state.count == 2)
      disk.powerCut(.none)
      state = try open(disk)
    }
  }

  private func refusal(
    _ state: inout StateLog<SimDisk>,
    _ key: String,
    _ value: [UInt8]
  ) -> StateLogFault? {
    do throws(StateLogFault) {
      try state.put(key, value.span)
      return nil
    } catch {
      return error
    }
  }

  @Test("each limit refuses, and leaves what was there")
  func limits() throws {
    var state = try open(SimDisk(seed: 1))
    let long = [UInt8](repeating: 7, count: 1001)
    let key = String(repeating: "k", count: 1025)
    #expect(refusal(&state, key, [1]) == .keyBytes(1025))
    #expect(refusal(&state, "", [1]) == .keyBytes(0))
    #expect(refusal(&state, "a", long) == .valueTooLong(byteCount: 1001, limit: 1000))
    for index in 0..<8 { #expect(refusal(&state, "key \(index)", [1]) == nil) }
    #expect(refusal(&state, "ninth", [1]) == .tooManyKeys(limit: 8))
    try state.commit(now: 1)
    let value = [UInt8](repeating: 7, count: 1000)
    for _ in 0..<7 { #expect(refusal(&state, "key 1", value) == nil) }
    #expect(refusal(&state, "key 1", value) == .pendingFull(limit: 8192))
    try state.commit(now: 2)
    #expect(state.count == 8)
  }

  @Test("old values are cleared away, however long it goes on")
  func clearingAway() throws {
    let disk = SimDisk(seed: 1)
    var state = try open(disk)
    for round in 0..<2000 {
      try state.put("key \(round % 7)", [UInt8](repeating: UInt8(round & 255), count: 200).span)
      try state.put("still", [1].span)
      if round % 5 == 0 { try state.remove("key \((round + 3) % 7)") }
      try state.commit(now: UInt64(round))
      #expect(disk.usedBytes < 40_000)
    }
    let before = try contents(state)
    state = try open(disk)
    #expect(try contents(state) == before)
    #expect(before["still"] == [1])
  }

  @Test("a full disk refuses a commit and keeps what was there; it goes on when there is room")
  func fullDisk() throws {
    let disk = SimDisk(seed: 1, capacityBytes: 12_500)
    var state = try open(disk)
    let value = [UInt8](repeating: 7, count: 900)
    var kept: [String: [UInt8]] = [:]
    var refused = 0
    for index in 0..<40 {
      let key = "key \(index % 8)"
      let value = [UInt8(index)] + value
      try state.put(key, value.span)
      do throws(LogFault) {
        try state.commit(now: 0)
        kept[key] = value
      } catch {
        #expect(error == .full)
        refused += 1
      }
      #expect(try contents(state) == kept)
    }
    #expect(refused > 0)
    disk.capacityBytes = 1 << 30
    try state.put("key 0", [1].span)
    try state.commit(now: 0)
    #expect(try state.value("key 0") == [1])
  }

  @Test(
    "wherever the power is cut, each key has its committed value or the one on its way",
    arguments: SimSurvival.allCases
  )
  func powerCuts(_ survival: SimSurvival) throws {
    let disk = SimDisk(seed: 0)
    disk.startRecording()
    var state = try open(disk)
    var committed: [String: [UInt8]] = [:]
    // What is durable after so many operations, and what may be besides.
    var history: [(after: Int, sure: [String: [UInt8]], open: [String: [UInt8]?])] = []
    var generator = SeededGenerator(seed: 3)
    for round in 0..<150 {
      var open: [String: [UInt8]?] = [:]
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let key = "key \(Int.random(in: 0..<6, using: &generator))"
        guard open[key] == nil else { continue }
        if Bool.random(using: &generator) || committed[key] == nil {
          let value = [UInt8](
            repeating: UInt8(round),
            count: Int.random(in: 0...300, using: &generator)
          )
          try state.put(key, value.span)
          open[key] = .some(value)
        } else {
          try state.remove(key)
          open[key] = .some(nil)
        }
      }
      history.append((disk.journalCount, committed, open))
      try state.commit(now: UInt64(round))
      for (key, value) in open { committed[key] = value }
    }
    history.append((disk.journalCount, committed, [:]))
    #expect(disk.journalCount > 300)

    let shadow = SimDisk(seed: 1)
    var step = 0
    for (index, operation) in disk.journal.enumerated() {
      while step + 1 < history.count, history[step + 1].after <= index { step += 1 }
      let cut = shadow.copy(seed: UInt64(index))
      cut.powerCut(survival)
      let (_, sure, open) = history[step]
      let found = try contents(try StateLog.open(cut, configuration: Self.small(), salt: 5))
      for key in Set(sure.keys).union(open.keys).union(found.keys) {
        let value = found[key]
        let isRight = value == sure[key] || (open[key].map { $0 == value } ?? false)
        #expect(isRight, "\(key) when cut before operation \(index), \(operation)")
        if !isRight { return }
      }
      try shadow.apply(operation)
    }
  }
}
