import AMQP
import AMQPCodec
import AMQPEndpoints
import ByteIO
import HubContract
import HubEngine
import MessageLog
import Platform
import Synchronization

/// A receiver's place at a partition, for its consumer group.
struct EventClaim: Sendable {
  /// Which readers exclude each other.
  struct Place: Hashable, Sendable {
    /// The mark of the stream's events: of one stream by all its names.
    let stream: EventDestinations
    let group: String
    let partition: UInt16
  }

  let number: UInt64
  let place: Place
}

/// The Event-Hubs-compatible endpoint: its names, its partitions, and who may read them
/// (contract §8.3).
final class EventStreams: Sendable {
  /// Receivers without an owner level at most, for a group and partition.
  static let receiverLimit = 5

  private struct Receiver {
    let claim: EventClaim
    /// Owner level; nil for none.
    let epoch: Int64?
    let link: LinkID
    let reply: AMQPReply
  }

  private struct State {
    var receivers: [EventClaim.Place: [Receiver]] = [:]
    var lastNumber: UInt64 = 0
  }

  let hub: Hub
  private let groups: Set<String>
  private let state = Mutex(State())

  init(hub: Hub) {
    self.hub = hub
    groups = Set(["$default"] + hub.settings.consumerGroups.map { $0.lowercased() })
  }

  /// Receivers now.
  var count: Int { state.withLock { $0.receivers.values.reduce(0) { $0 + $1.count } } }

  /// The answer of `$management` to a question that the asker may ask.
  func answer(_ asked: EventManagement.Request) -> AMQPMessage {
    guard let stream = hub.routing.stream(named: asked.entity) else {
      return RequestRefusal(404, "there is no event stream of this name here").answer
    }
    let log = hub.events
    switch asked {
    case .hub(let entity, _):
      return EventManagement.answer(
        entity: entity,
        createdAt: hub.store.creationTime.milliseconds,
        partitionCount: log.partitionCount
      )
    case .partition(let entity, let partition, _):
      guard let number = self.partition(named: partition) else {
        return RequestRefusal(404, "partitions here: 0 to \(log.partitionCount - 1)").answer
      }
      let known = log.view[number]
      let first = max(known.firstSequence, stream.beginning(of: number))
      return EventManagement.answer(
        entity: entity,
        partition: partition,
        EventManagement.PartitionState(
          firstSequence: known.nextSequence == 0 ? 0 : Int64(clamping: first),
          lastSequence: Int64(clamping: known.nextSequence) - 1,
          lastOffset: known.lastOffset.map { String($0) } ?? "-1",
          lastTime: Int64(clamping: known.lastEnqueuedTime),
          isEmpty: known.isEmpty || first >= known.nextSequence
        )
      )
    }
  }

  private func partition(named text: String) -> UInt16? {
    guard let number = UInt16(text), number < hub.events.partitionCount,
      String(number) == text
    else { return nil }
    return number
  }

  // MARK: Receivers

  /// Opens a receiver: checks its names and filters, and makes others give way to its owner level.
  ///
  /// - Throws: Why its link is refused.
  func open(
    _ id: LinkID,
    _ attach: AMQPAttach,
    entity: String,
    group: String,
    partition text: String,
    _ peer: AMQPPeer,
    _ requirement: AMQPRequirement
  ) throws(AMQPError) -> EventReceiverLink {
    guard let stream = hub.routing.stream(named: entity) else {
      throw AMQPError(AMQPError.notFound, "there is no event stream of this name here")
    }
    guard groups.contains(group.lowercased()) else {
      throw AMQPError(AMQPError.notFound, "there is no consumer group of this name here")
    }
    guard let partition = partition(named: text) else {
      throw AMQPError(
        AMQPError.notFound,
        "partitions here: 0 to \(hub.events.partitionCount - 1)"
      )
    }
    let start = try Self.start(attach.source.filters, in: hub.events.view[partition])
    var epoch: Int64?
    if let value = attach.properties["com.microsoft:epoch"] {
      guard let level = value.integer, level >= 0 else {
        throw AMQPError("com.microsoft:argument-out-of-range", "the owner level is no number")
      }
      epoch = level
    }
    guard let reply = peer.reply else {
      throw AMQPError(AMQPError.connectionForced, "the connection is closing")
    }
    let place = EventClaim.Place(
      stream: stream.destination,
      group: group.lowercased(),
      partition: partition
    )
    let claim = try enter(place, epoch, id, reply)
    let reader = EventReader(
      hub.events,
      stream,
      partition: partition,
      start: start,
      tellsLast: attach.desiredCapabilities.contains(
        "com.microsoft:enable-receiver-runtime-metric"
      )
    )
    return EventReceiverLink(id, self, peer, requirement, reader, claim)
  }

  private func enter(
    _ place: EventClaim.Place,
    _ epoch: Int64?,
    _ link: LinkID,
    _ reply: AMQPReply
  ) throws(AMQPError) -> EventClaim {
    let (result, evicted) = state.withLock { state -> (Result<EventClaim, AMQPError>, [Receiver]) in
      let present = state.receivers[place] ?? []
      let highest = present.compactMap(\.epoch).max()
      if let highest, (epoch ?? -1) < highest {
        return (.failure(Self.stolen("a receiver with owner level \(highest) reads here")), [])
      }
      if epoch == nil, present.count >= Self.receiverLimit {
        let error = AMQPError(
          AMQPError.resourceLimitExceeded,
          "\(present.count) receivers of this consumer group read this partition already"
        )
        return (.failure(error), [])
      }
      state.lastNumber += 1
      let claim = EventClaim(number: state.lastNumber, place: place)
      let receiver = Receiver(claim: claim, epoch: epoch, link: link, reply: reply)
      state.receivers[place] = epoch == nil ? present + [receiver] : [receiver]
      return (.success(claim), epoch == nil ? [] : present)
    }
    for receiver in evicted {
      let link = receiver.link
      receiver.reply { peer in
        let error = Self.stolen("a receiver with owner level \(epoch ?? 0) has come")
        peer.connection.detach(link, error)
      }
    }
    return try result.get()
  }

  /// The receiver has gone.
  func leave(_ claim: EventClaim) {
    state.withLock { state in
      state.receivers[claim.place]?.removeAll { $0.claim.number == claim.number }
      if state.receivers[claim.place]?.isEmpty == true { state.receivers[claim.place] = nil }
    }
  }

  private static func stolen(_ text: String) -> AMQPError {
    AMQPError(AMQPError.linkStolen, "ReceiverDisconnected: \(text)")
  }

  // MARK: Positions

  /// Where the filters of a source say to begin; without one at the oldest kept event.
  ///
  /// "Behind the newest" is pinned to what is the newest now, so that nothing is passed over before
  /// the first reading.
  static func start(
    _ filters: AMQPMap,
    in partition: LogPartition
  ) throws(AMQPError) -> LogStart {
    var start = LogStart.earliest
    for pair in filters.pairs {
      guard isSelector(pair) else { continue }
      guard let text = pair.value.undescribed.text, let selector = EventSelector(text) else {
        throw AMQPError(
          AMQPError.invalidField,
          "the selector must compare x-opt-offset, x-opt-sequence-number or x-opt-enqueued-time"
        )
      }
      start = Self.start(selector, partition)
    }
    return start
  }

  private static func isSelector(_ pair: AMQPMap.Pair) -> Bool {
    if pair.key.text == EventSelector.filterName { return true }
    guard case .described(let descriptor, _) = pair.value else { return false }
    return descriptor.text == EventSelector.filterName
      || descriptor == .ulong(EventSelector.filterCode)
  }

  private static func start(_ selector: EventSelector, _ partition: LogPartition) -> LogStart {
    switch selector {
    case .earliest: .earliest
    case .latest(let isInclusive):
      .sequence(
        isInclusive && !partition.isEmpty ? partition.nextSequence - 1 : partition.nextSequence,
        inclusive: true
      )
    case .offset(let offset, let isInclusive): .offset(offset, inclusive: isInclusive)
    case .sequence(let sequence, let isInclusive):
      sequence < 0
        ? .earliest : .sequence(UInt64(sequence), inclusive: isInclusive)
    case .enqueuedTime(let time, let isInclusive):
      .enqueuedTime(UInt64(clamping: time), inclusive: time < 0 || isInclusive)
    }
  }
}
