import ByteIO
import EdgeEngine
import JSONTree
import Testing

@Suite("Where the agent's configuration comes from (edge contract section 3.2)")
struct AgentTwinSourceTests {
  private func second(_ seconds: UInt64) -> Instant {
    Instant(nanoseconds: (1_000 + seconds) * 1_000_000_000)
  }

  /// A source that has read version 5 at second 0.
  private func settled() -> AgentTwinSource {
    var source = AgentTwinSource()
    source.connected(now: second(0))
    #expect(source.timeout(now: second(0)) == .read)
    #expect(source.received(["a": 1], version: 5, now: second(0)) == true)
    return source
  }

  @Test("the twin is read after a connection, and again every hour")
  func reads() {
    var source = settled()
    #expect(source.version == 5)
    #expect(source.desired == ["a": 1])
    #expect(source.timeout(now: second(3599)) == .none)
    #expect(source.timeout(now: second(3600)) == .read)
    #expect(source.timeout(now: second(3600)) == .none)
  }

  @Test("a patch of the next version is merged; one that is known changes nothing")
  func patches() {
    var source = settled()
    #expect(source.patched(["b": 2, "a": .null], version: 6, now: second(1)) == true)
    #expect(source.desired == ["b": 2])
    #expect(source.patched(["c": 3], version: 6, now: second(2)) == false)
    #expect(source.desired == ["b": 2])
    #expect(source.nextDeadline == second(3600))
  }

  @Test("after a gap the twin is read, but never twice in thirty seconds")
  func gaps() {
    var source = settled()
    #expect(source.patched(["b": 2], version: 8, now: second(3)) == false)
    #expect(source.desired == ["a": 1])
    #expect(source.nextDeadline == second(30))
    #expect(source.timeout(now: second(29)) == .none)
    #expect(source.timeout(now: second(30)) == .read)
    #expect(source.received(["b": 2], version: 8, now: second(30)) == true)
    #expect(source.patched(["c": 2], version: 1, now: second(70)) == false)
    #expect(source.timeout(now: second(70)) == .read)
    // The twin was made anew: its versions begin again.
    #expect(source.received(["c": 2], version: 1, now: second(70)) == true)
    #expect(source.version == 1)
  }

  @Test("a new connection within thirty seconds reads when they are over")
  func reconnection() {
    var source = settled()
    source.linkLost()
    #expect(source.nextDeadline == nil)
    #expect(source.timeout(now: second(5000)) == .none)
    source.connected(now: second(10))
    #expect(source.nextDeadline == second(30))
    #expect(source.version == 5)
  }

  @Test("an answer that a patch has overtaken is not used")
  func overtaken() {
    var source = settled()
    #expect(source.timeout(now: second(3600)) == .read)
    #expect(source.patched(["b": 2], version: 6, now: second(3600)) == true)
    #expect(source.received(["a": 1], version: 5, now: second(3601)) == false)
    #expect(source.desired == ["a": 1, "b": 2])
    #expect(source.version == 6)
  }

  @Test("what fails is tried again, and then the connection is rebuilt, once")
  func failures() {
    var source = AgentTwinSource()
    source.connected(now: second(0))
    var now: UInt64 = 0
    for wait in [2, 10, 60, 60] as [UInt64] {
      #expect(source.timeout(now: second(now)) == .read)
      source.readingFailed(now: second(now))
      #expect(source.timeout(now: second(now + wait - 1)) == .none)
      now += wait
    }
    #expect(source.timeout(now: second(now)) == .rebuild)
    source.linkLost()
    source.connected(now: second(now))
    for _ in 0..<8 {
      now += 60
      #expect(source.timeout(now: second(now)) == .read)
      source.readingFailed(now: second(now))
    }
    now += 60
    #expect(source.timeout(now: second(now)) == .read)
    #expect(source.received([:], version: 1, now: second(now)) == true)
  }

  @Test("the same properties again are no news")
  func same() {
    var source = settled()
    #expect(source.timeout(now: second(3600)) == .read)
    #expect(source.received(["a": 1], version: 5, now: second(3601)) == false)
  }
}
