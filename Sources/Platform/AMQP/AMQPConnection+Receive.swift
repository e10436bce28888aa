import AMQPCodec
import ByteIO
import CProton

extension AMQPConnection {
  /// Takes bytes of the peer; what they meant comes as events.
  package mutating func receive(_ bytes: Span<UInt8>) {
    guard phase != .over, takesInput else { return }
    inbox += bytes.array()
    process()
  }

  /// Takes as much of the inbox as is whole.
  mutating func process() {
    let bytes = inbox
    inbox = []
    var position = 0
    while step(bytes.span, from: &position) {}
    // What follows a breach is not looked at.
    if takesInput, position < bytes.count { inbox = Array(bytes[position...]) }
  }

  /// Takes one step; false when there is nothing to do before more bytes come.
  private mutating func step(_ bytes: Span<UInt8>, from position: inout Int) -> Bool {
    switch phase {
    case .server:
      switch server.receive(bytes, from: &position) {
      case .wait:
        let held = bytes.count - position
        if held > limits.unauthenticatedBytes { fail(.frameSize(held)) }
        return false
      case .authenticate(let begin): events.append(.authenticating(begin))
      case .proceed: enterEngine(server.takeOutput())
      case .close(let fault):
        saslOutput += server.takeOutput()
        fail(fault)
      }
    case .client:
      switch client.receive(bytes, from: &position) {
      case .wait: return false
      case .proceed: enterEngine(client.takeOutput())
      case .close(let fault): fail(fault)
      }
    case .engine: return takesInput && feed(bytes, from: &position)
    case .over: return false
    }
    return true
  }

  private mutating func enterEngine(_ output: [UInt8]) {
    saslOutput += output
    phase = .engine
  }

  /// Gives the engine the next piece; false when there is none.
  private mutating func feed(_ bytes: Span<UInt8>, from position: inout Int) -> Bool {
    switch inbound.next(bytes, from: &position) {
    case .wait: return false
    case .bytes(let range):
      for tag in inbound.takeBatchTags() where batchTags.count < 4_096 { batchTags.insert(tag) }
      return push(bytes.extracting(range))
    case .open(let frame, let maximum):
      outbound.completesTransfers = maximum.map { $0 >= InboundFrames.smallestReserved } ?? true
      return push(frame.span)
    case .attach(let frame, let name, let desired):
      if capabilities.count < 256 { capabilities.append((name, desired)) }
      return push(frame.span)
    case .fault(let fault):
      fail(fault)
      return false
    }
  }

  /// Pieces are small, and events are taken between them: what a peer opens is counted before the
  /// next of it comes.
  private mutating func push(_ bytes: Span<UInt8>) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let capacity = pn_transport_capacity(transport)
      guard capacity > 0 else { return endOfInput() }
      let count = min(capacity, bytes.count - offset, 8_192)
      let taken = bytes.extracting(offset..<offset + count).withUnsafeBytes { raw in
        pn_transport_push(transport, raw.bindMemory(to: CChar.self).baseAddress, raw.count)
      }
      guard taken > 0 else { return endOfInput() }
      offset += taken
      collect()
    }
    return phase == .engine
  }

  /// The engine takes no more: the connection was closed, or broke a rule.
  private mutating func endOfInput() -> Bool {
    collect()
    takesInput = false
    return false
  }

  /// The peer's bytes are no AMQP: says so, if the engine runs, and ends.
  mutating func fail(_ fault: AMQPFault) {
    takesInput = false
    let error = AMQPError(AMQPError.framingError, "\(fault)")
    if phase == .engine {
      // The engine's own close must still go out; input ends here.
      set(pn_connection_condition(connection), error)
      pn_connection_close(connection)
      pn_transport_close_tail(transport)
      collect()
    } else {
      phase = .over
    }
    finish(error)
  }

  /// Sets a condition that goes out.
  func set(_ condition: OpaquePointer?, _ error: AMQPError) {
    var error = error
    if let trackingID {
      error.info.pairs.append(.init(.symbol("com.microsoft:tracking-id"), .string(trackingID)))
    }
    ProtonData.set(condition, error)
  }
}
