import AMQP
import AMQPCodec
import ByteIO
import Endpoints
import HubContract

/// A module's link from its inputs (edge contract section 5.4): accepted and rejected end a message,
/// released and modified have it sent again.
///
/// What is sent again waits for the next second, so that a module which takes nothing is not asked
/// as fast as it can say no. Who comes after this link gets all that it has not settled.
final class InputLink: AMQPLink {
  /// Messages at most that wait for the module's word.
  private static let window = 64
  /// Bytes of them beyond which no more are taken.
  private static let heldByteLimit = 1 << 20
  /// Messages that are taken from the feed at a time: so many may be above that limit.
  private static let takenCount = 8

  private struct Held {
    let number: UInt64
    let message: [UInt8]
  }

  private let id: LinkID
  private unowned let device: AMQPDevice
  private let feed: any InputFeed
  private let isPresettled: Bool
  private var held: [DeliveryID: Held] = [:]
  /// What the module did not take, and what it had no credit for.
  private var again: [Held] = []
  private var heldBytes = 0
  /// Seconds in which the module settled none, though it had some.
  private var silenceSeconds = 0
  private var isEnded = false

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ device: AMQPDevice, _ feed: any InputFeed, isPresettled: Bool) {
    self.id = id
    self.device = device
    self.feed = feed
    self.isPresettled = isPresettled
  }

  func credited() {
    pull()
    let peer = device.peer
    if peer.connection.isDraining(id) { peer.connection.drained(id) }
  }

  func tick() {
    guard !isEnded else { return }
    silenceSeconds = held.isEmpty ? 0 : silenceSeconds + 1
    if let limit = device.peer.shared.limits.inputSilenceSeconds, silenceSeconds > limit {
      return device.drop(.unacknowledged)
    }
    while let message = again.first, device.peer.connection.credit(of: id) > 0 {
      again.removeFirst()
      send(message)
    }
    pull()
  }

  /// Sends what there is, as far as credit and window go.
  func pull() {
    let peer = device.peer
    while !isEnded, heldBytes < Self.heldByteLimit, peer.isWritable {
      let window = Self.window - held.count - again.count
      let room = min(peer.connection.credit(of: id), window, Self.takenCount)
      guard room > 0 else { return }
      var taken: [Held] = []
      let count = feed.take(limit: room) { number, input, bag, body in
        taken.append(Held(number: number, message: Self.encoded(input, bag, body)))
      }
      for message in taken {
        heldBytes += message.message.count
        send(message)
      }
      guard count == room else { return }
    }
  }

  private func send(_ message: Held) {
    let sent = device.peer.connection.send(
      message.message.span,
      on: id,
      tag: Self.tag(message.number),
      isSettled: isPresettled
    )
    if let sent {
      held[sent] = message
    } else if isPresettled {
      done(message)
    }
  }

  private func done(_ message: Held) {
    heldBytes -= message.message.count
    feed.settled(message.number)
  }

  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let message = held.removeValue(forKey: id), !isEnded else { return }
    silenceSeconds = 0
    switch outcome {
    case .accepted, .rejected: done(message)
    case .released, .modified, .unknown: again.append(message)
    }
    pull()
  }

  /// Also called before the link is gone, when its messages are another's.
  func ended() {
    guard !isEnded else { return }
    isEnded = true
    held = [:]
    again = []
    feed.close()
  }

  /// As long as a UUID, which stock clients read it as.
  private static func tag(_ number: UInt64) -> [UInt8] {
    (0..<16).map { $0 < 8 ? 0 : UInt8(truncatingIfNeeded: number >> (8 * (15 - $0))) }
  }

  private static let annotations: [SystemProperty: String] = [
    .connectionDeviceID: "iothub-connection-device-id",
    .connectionModuleID: "iothub-connection-module-id",
    .interfaceID: "iothub-interface-id",
    .component: "dt-subject",
  ]

  /// The message as a module expects it.
  private static func encoded(
    _ input: Span<UInt8>,
    _ bag: Span<UInt8>,
    _ body: Span<UInt8>
  ) -> [UInt8] {
    var message = AMQPMessage(
      body: body.array(),
      bag: PropertyBag(bag),
      annotating: annotations
    )
    let name = String(decoding: input.array(), as: UTF8.self)
    message.messageAnnotations.pairs.append(
      .init(.symbol("x-opt-input-name"), .string(PercentCoding.decode(name) ?? name))
    )
    return message.encoded
  }
}
