import ByteIO
import Testing

@Suite("Ring queue")
struct RingQueueTests {
  @Test("first in is first out, and a full queue refuses")
  func order() {
    var queue = RingQueue<Int>(limit: 3)
    #expect(queue.isEmpty)
    #expect(queue.first == nil)
    #expect(queue.popFirst() == nil)
    for element in 1...3 { #expect(queue.append(element) == true) }
    #expect(queue.append(4) == false)
    #expect(queue.count == 3)
    #expect(queue.first == 1)
    #expect(queue.popFirst() == 1)
    #expect(queue.append(5) == true)
    #expect(
      [queue.popFirst(), queue.popFirst(), queue.popFirst(), queue.popFirst()] == [2, 3, 5, nil]
    )
  }

  @Test("a queue without room holds nothing")
  func noRoom() {
    var queue = RingQueue<Int>(limit: 0)
    #expect(queue.append(1) == false)
    #expect(queue.popFirst() == nil)
  }

  @Test("random pushes and pops agree with an array", arguments: [1, 3, 4, 5, 7, 100])
  func model(_ limit: Int) {
    var generator = SeededGenerator(seed: UInt64(limit))
    var queue = RingQueue<Int>(limit: limit)
    var model: [Int] = []
    for step in 0..<5000 {
      // Runs of pushes and of pops, so that it fills, wraps and drains.
      if Int.random(in: 0..<100, using: &generator) < (step / 50 % 2 == 0 ? 80 : 20) {
        let accepted = queue.append(step)
        #expect(accepted == (model.count < limit))
        if accepted { model.append(step) }
      } else {
        let expected = model.isEmpty ? nil : model.removeFirst()
        #expect(queue.popFirst() == expected)
      }
      #expect(queue.count == model.count)
      #expect(queue.first == model.first)
    }
  }

  @Test("what is taken out is let go of")
  func release() {
    final class Token {}
    weak var seen: Token?
    var queue = RingQueue<Token>(limit: 2)
    do {
      let token = Token()
      seen = token
      #expect(queue.append(token) == true)
    }
    #expect(seen != nil)
    _ = queue.popFirst()
    #expect(seen == nil)
  }
}
