import ByteIO
import Testing
import UpdateEngine

@Suite("Rows 2, 4, 7 and 19: a server of mixed states, and power that fails between changes")
struct TUFSimulationTests {
  private typealias Fixture = TUFFixture

  /// What the server of one round has: the newest state, or each file from any state or from none.
  private static func files(
    _ states: [TUFFixture],
    isHonest: Bool,
    _ generator: inout SeededGenerator
  ) -> [String: [UInt8]] {
    guard let newest = states.last else { return [:] }
    if isHonest { return newest.files }
    var files: [String: [UInt8]] = [:]
    for name in newest.files.keys.sorted() where Int.random(in: 0..<8, using: &generator) > 0 {
      files[name] = states.randomElement(using: &generator)?.files[name] ?? newest.files[name]
    }
    return files
  }

  /// Follows steps, and answers nil when power fails between two changes.
  private static func follow(
    _ client: inout TUFClient<TestCrypto>,
    _ store: inout TUFStore,
    _ files: [String: [UInt8]],
    cutAfter: Int
  ) throws(TUFFault) -> TUFNext? {
    var step = client.begin(now: Fixture.now)
    var changes = 0
    while true {
      for change in step.changes {
        guard changes < cutAfter else { return nil }
        changes += 1
        switch change {
        case .write(let name, let bytes): store.stored[name] = bytes
        case .remove(let name): store.stored[name] = nil
        }
      }
      guard case .fetch(let fetch) = step.next else { return step.next }
      guard let bytes = files[fetch.name] else {
        step = try client.absent()
        continue
      }
      guard bytes.count <= fetch.maximumBytes else {
        throw .tooLong(file: fetch.name, limit: fetch.maximumBytes)
      }
      step = try client.receive(bytes)
    }
  }

  @Test("no version ever goes back, and the next honest server heals everything")
  func mixed() throws {
    for seed in 0..<40 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var owner = try Fixture.filled()
      owner.keys.formUnion((0..<60).flatMap { ["k\($0)", "q\($0)"] })
      var states = [owner]
      var store = TUFStore()
      var (rootVersion, targetsVersion, version) = (Int64(1), Int64(0), Int64(1))
      for round in 0..<30 {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0:
          version += 1
          // Sometimes the former key of the timestamp stays beside the new one. That of the snapshot
          // does not: what it signed before could come again, for both files are forgotten (§5.3.11).
          let keys = Bool.random(using: &generator) ? ["k\(round)"] : ["k\(round)", "t1"]
          try owner.rotate(Fixture.root(version, timestamp: keys, snapshot: ["q\(round)"]))
          try owner.publish([:])
        case 1: try owner.stamp()
        default: try owner.publish(["targets": Fixture.targets(["v\(round)"])])
        }
        states.append(owner)
        let isHonest = Int.random(in: 0..<3, using: &generator) == 0
        let files = Self.files(states, isHonest: isHonest, &generator)
        let cut = Bool.random(using: &generator) ? Int.random(in: 0..<5, using: &generator) : .max
        var client = try owner.client(store.stored)
        #expect(client.root.head.version >= rootVersion, "seed \(seed), round \(round)")
        rootVersion = client.root.head.version
        do throws(TUFFault) {
          guard try Self.follow(&client, &store, files, cutAfter: cut) == .current else { continue }
          let found = client.files["targets.json"]?.version ?? 0
          #expect(found >= targetsVersion, "seed \(seed), round \(round)")
          targetsVersion = found
          if isHonest { #expect(found == owner.repository.roles["targets"]?.head.version) }
        } catch {
          #expect(!isHonest, "seed \(seed), round \(round): \(error)")
        }
      }
      #expect(store.fault(owner) == nil, "seed \(seed)")
    }
  }
}
