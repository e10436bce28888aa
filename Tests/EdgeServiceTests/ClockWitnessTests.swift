import EdgeService
import Testing

@Suite("Whether the clock was stored since the connection was made")
struct ClockWitnessTests {
  @Test("a store that ends late says nothing about the connection after its own")
  func late() {
    var witness = ClockWitness()
    #expect(!witness.isStored)
    let first = witness.connected()
    let second = witness.connected()
    witness.stored(for: first)
    #expect(!witness.isStored)
    witness.stored(for: second)
    #expect(witness.isStored)
    witness.stored(for: first)
    #expect(witness.isStored)
    let third = witness.connected()
    witness.stored(for: second)
    #expect(!witness.isStored)
    witness.stored(for: third)
    #expect(witness.isStored)
  }
}
