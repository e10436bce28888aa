import AMQP
import AMQPEndpoints
import Logging
import MessageLog

/// A consumer's link from one partition of the event stream (contract §8.3).
///
/// Messages are sent settled: the stock consumer never settles them, and its position is its own
/// business. What is read follows credit, the session's window and the socket; nothing is read ahead.
final class EventReceiverLink: AMQPLink {
  /// Bytes that may wait in the connection before no more are read.
  private static let backlogBytes = 1 << 20

  let requirement: AMQPRequirement?
  private let id: LinkID
  private let events: EventStreams
  private unowned let peer: AMQPPeer
  private let reader: EventReader
  private let claim: EventClaim
  private var isReading = false
  private var isWaiting = false

  init(
    _ id: LinkID,
    _ events: EventStreams,
    _ peer: AMQPPeer,
    _ requirement: AMQPRequirement,
    _ reader: EventReader,
    _ claim: EventClaim
  ) {
    self.id = id
    self.events = events
    self.peer = peer
    self.requirement = requirement
    self.reader = reader
    self.claim = claim
  }

  func credited() { read() }

  func ended() { events.leave(claim) }

  private func read() {
    let credit = peer.connection.credit(of: id)
    guard !isReading, !isWaiting, credit > 0, peer.isWritable,
      peer.connection.backlog(of: id) < Self.backlogBytes, let reply = peer.reply
    else { return }
    isReading = true
    let id = id
    reader.read(limit: credit) { batch in
      reply { peer in peer.link(id, as: EventReceiverLink.self)?.take(batch) }
    }
  }

  private func take(_ batch: EventBatch) {
    peer.connection.sendSettled(batch.bytes.span, ends: batch.ends, on: id)
    let (fault, isAtEnd, end) = (batch.fault, batch.isAtEnd, batch.committedEnd)
    if isAtEnd { batch.shrink() }
    // From here on the batch is the reader's: what is flushed may bring credit, and a next reading.
    isReading = false
    if let fault {
      peer.logger.error("events can't be read", metadata: ["fault": "\(fault)"])
      let error = AMQPError(AMQPError.internalError, "the event log can't be read now")
      return peer.connection.detach(id, error)
    }
    peer.flush()
    guard isAtEnd else { return read() }
    guard events.hub.routing.serves(reader.stream.destination) else {
      let error = AMQPError(AMQPError.notFound, "the event stream has been removed")
      return peer.connection.detach(id, error)
    }
    guard !isReading, !isWaiting else { return }
    if peer.connection.isDraining(id) { peer.connection.drained(id) }
    wait(for: end)
  }

  /// Reads on when more than `position` is committed.
  private func wait(for position: UInt64) {
    guard let reply = peer.reply else { return }
    isWaiting = true
    let (id, log) = (id, events.hub.events)
    // Ends by itself after a while at the latest, also when the link is gone.
    Task {
      await log.waitForMore(than: position, timeout: .seconds(30))
      reply { peer in
        guard let link = peer.link(id, as: EventReceiverLink.self) else { return }
        link.isWaiting = false
        link.read()
      }
    }
  }
}
