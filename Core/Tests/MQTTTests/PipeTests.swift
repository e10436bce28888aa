import MQTT
import Testing

@Suite("A client and a server (MQTT 3.1.1 §4.3, §4.4, §4.6)")
struct PipeTests {
  private static let deliveries: [(delivery: UInt64, qos: QoS)] = [
    (1, .atLeastOnce), (2, .exactlyOnce), (3, .atLeastOnce), (4, .exactlyOnce), (5, .exactlyOnce),
  ]

  private func pipe(pieceBytes: Int, breakAfter: Int = .max) throws -> Pipe {
    let pipe = try Pipe(pieceBytes: pieceBytes, breakAfter: breakAfter)
    pipe.client.unsent = Self.deliveries
    pipe.server.unsent = Self.deliveries
    return pipe
  }

  @Test("everything arrives once, in order, and is settled, whatever the pieces", arguments: 1...40)
  func pieces(pieceBytes: Int) throws {
    let pipe = try pipe(pieceBytes: pieceBytes)
    try pipe.run()
    #expect(pipe.server.arrived == [1, 2, 3, 4, 5])
    #expect(pipe.client.arrived == [1, 2, 3, 4, 5])
    #expect(pipe.client.settled.sorted() == [1, 2, 3, 4, 5])
    #expect(pipe.server.settled.sorted() == [1, 2, 3, 4, 5])
    #expect(pipe.subscribed)
  }

  @Test("wherever the link breaks, QoS 1 arrives at least once and QoS 2 exactly once")
  func breaks() throws {
    let whole = try pipe(pieceBytes: 3)
    try whole.run()
    #expect(whole.bytesCarried > 150)
    for pieceBytes in [1, 3, 1_000] {
      for breakAfter in 1..<whole.bytesCarried {
        let pipe = try pipe(pieceBytes: pieceBytes, breakAfter: breakAfter)
        try pipe.run()
        for (name, end, other) in [
          ("server", pipe.server, pipe.client), ("client", pipe.client, pipe.server),
        ] {
          let place = "\(name), pieces of \(pieceBytes), broken after \(breakAfter)"
          let exactly = end.arrived.filter { [2, 4, 5].contains($0) }
          #expect(exactly == [2, 4, 5], "\(place)")
          #expect(Set(end.arrived) == [1, 2, 3, 4, 5], "\(place)")
          #expect(other.settled.sorted() == [1, 2, 3, 4, 5], "\(place)")
        }
      }
    }
  }
}
