/// The delivery protocols of §4.3, the same for both roles: a session and what arrived on this
/// connection.
struct Exchange {
  enum Outcome {
    case none
    /// A PUBLISH for the driver.
    case deliver
    case send(ShortPacket)
    /// A delivery of ours is complete.
    case settled(UInt64)
    case fault(MQTTFault)
  }

  var session: Session
  var inbound = InboundWindow()

  init(session: consuming Session) { self.session = session }

  @inline(__always)
  mutating func published(_ publish: PublishLayout, maximumQoS: QoS, limit: Int) -> Outcome {
    switch publish.qos {
    case .atMostOnce:
      return .deliver
    case .atLeastOnce:
      guard maximumQoS != .atMostOnce else { return .fault(.qosNotSupported) }
      inbound.append(publish.packetIdentifier, .atLeastOnce)
      return .deliver
    case .exactlyOnce:
      guard maximumQoS == .exactlyOnce else { return .fault(.qosNotSupported) }
      return publishedExactlyOnce(publish.packetIdentifier, limit: limit)
    }
  }

  /// A repetition is answered again and not delivered again; while the first one waits for the
  /// driver, that answer is still to come (§4.3.3).
  private mutating func publishedExactlyOnce(_ identifier: UInt16, limit: Int) -> Outcome {
    if session.received.contains(identifier) { return .send(.pubrec(identifier)) }
    if inbound.containsExactlyOnce(identifier) { return .none }
    guard session.received.count + inbound.count < limit else {
      return .fault(.tooManyUnreleased)
    }
    inbound.append(identifier, .exactlyOnce)
    return .deliver
  }

  /// The next answers that may leave, at most as many as fit.
  mutating func nextAnswers() -> Answers {
    var answers = Answers()
    while !answers.isFull, let entry = inbound.popAcknowledged() {
      if entry.isExactlyOnce {
        // Only now is it ours: had the link broken earlier, the repetition must be delivered.
        session.received.insert(entry.packetIdentifier)
        answers.append(0x5002_0000 | UInt32(entry.packetIdentifier))
      } else {
        answers.append(0x4002_0000 | UInt32(entry.packetIdentifier))
      }
    }
    return answers
  }

  /// An identifier that is not in flight is ignored: the peer settles what an earlier session sent.
  mutating func puback(_ identifier: UInt16) -> Outcome {
    settle(identifier, .puback)
  }

  mutating func pubrec(_ identifier: UInt16) -> Outcome {
    guard let index = session.outbound.index(of: identifier) else {
      // Answered all the same, so that the peer can forget it too.
      return .send(.pubrel(identifier))
    }
    switch session.outbound[index].awaiting {
    case .pubrec:
      session.outbound.released(at: index)
      return .send(.pubrel(identifier))
    case .pubcomp:
      return .send(.pubrel(identifier))
    case .puback, .suback, .unsuback:
      return .fault(.acknowledgementMismatch)
    }
  }

  /// Answered in any case [MQTT-4.3.3-2].
  mutating func pubrel(_ identifier: UInt16) -> Outcome {
    session.received.remove(identifier)
    return .send(.pubcomp(identifier))
  }

  mutating func pubcomp(_ identifier: UInt16) -> Outcome {
    settle(identifier, .pubcomp)
  }

  mutating func suback(_ suback: SubackLayout) -> Outcome {
    if let index = session.outbound.index(of: suback.packetIdentifier) {
      let request = session.outbound[index]
      let matches = Int(request.filterCount) == suback.returnCodes.count
      if request.awaiting == .suback, !matches { return .fault(.subscribeCountMismatch) }
    }
    return settle(suback.packetIdentifier, .suback)
  }

  mutating func unsuback(_ identifier: UInt16) -> Outcome {
    settle(identifier, .unsuback)
  }

  private mutating func settle(_ identifier: UInt16, _ by: InFlight.Awaiting) -> Outcome {
    guard let index = session.outbound.index(of: identifier) else { return .none }
    guard session.outbound[index].awaiting == by else { return .fault(.acknowledgementMismatch) }
    return .settled(session.outbound.remove(at: index).delivery)
  }
}
