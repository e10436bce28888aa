import ByteIO
import HubContract
import HubEngine
import JSONTree
import MessageLog
import Platform

/// Brings the events of one endpoint from the log to what takes them by request.
///
/// Each partition goes its own way, in order; `EndpointDelivery` says what happens to it, this reads,
/// hands over and keeps what was given up. At most one attempt of a partition is under way, and what
/// it was read from is all that is in memory.
struct EventDelivery: Sendable {
  /// Records of one read, those of others among them.
  private static let recordsPerRead = 128
  /// Bytes of one read; one record is always read.
  private static let bytesPerRead = 256 << 10
  /// How long events gather before the log is looked at again: on a busy hub nearly every commit is of
  /// others' events.
  private static let gatherTime = Duration.milliseconds(10)
  /// How long the log is left alone when it can't be read.
  private static let faultTime = Duration.seconds(1)

  private typealias NextAction = EndpointDelivery.NextAction

  /// What one partition's task holds.
  private struct Lane {
    let partition: UInt16
    var delivery: EndpointDelivery
    let cursor: LogCursorBox
    /// Messages that were read and not dealt with.
    var messages: ArraySlice<RoutedMessage> = []
    /// The number behind all that was read.
    var end: UInt64
    /// The number from which events were found missing last, so that it is told once.
    var gap: UInt64?
    /// Why the last request failed.
    var failure = ""
  }

  let endpoint: RoutingEndpoint
  let target: any DeliveryTarget
  let hubName: String
  let log: EventLog
  let positions: EndpointPositions
  let deadLetters: DeadLetterFile
  let report: @Sendable (EndpointOutcome) -> Void

  /// Delivers until cancelled.
  ///
  /// An attempt that is under way then is made again by the next life.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      for partition in 0..<UInt16(clamping: log.partitionCount) {
        group.addTask { await self.serve(partition) }
      }
    }
    keep { () throws(FileFault) in try positions.close(now: SystemClock.now()) }
  }

  private func serve(_ partition: UInt16) async {
    let position = positions[partition]
    var lane = Lane(
      partition: partition,
      delivery: EndpointDelivery(
        position: position,
        timeToLiveSeconds: target.timeToLiveSeconds
      ),
      cursor: LogCursorBox(log.makeCursor(partition: partition)),
      end: position
    )
    var action = NextAction.none
    while !Task.isCancelled {
      switch action {
      case .none: action = await findMore(&lane)
      case .send(let count): action = await send(count, &lane)
      case .wait(let until): action = await wait(until, &lane)
      case .deadLetter(let count, let reason): action = giveUp(count, reason, &lane)
      }
    }
  }

  // MARK: Finding

  private func findMore(_ lane: inout Lane) async -> NextAction {
    if lane.messages.isEmpty {
      let view = log.view
      let isAtEnd: Bool
      do throws(LogFault) {
        isAtEnd = try read(view, &lane)
      } catch .viewOutdated {
        // Retention ran in between; the next view knows what is left.
        return .none
      } catch {
        report(.failed("the log cannot be read: \(error)"))
        try? await Pause.sleep(for: Self.faultTime)
        return .none
      }
      if lane.messages.isEmpty {
        _ = found([], end: lane.end, &lane)
        keep { () throws(FileFault) in
          let position = lane.delivery.position
          try positions.skip(lane.partition, to: position, now: SystemClock.now())
        }
        if isAtEnd {
          await waitForMore(than: view.committedEnd)
        } else {
          await Task.yield()
        }
        return .none
      }
    }
    let batch = lane.messages.prefix(target.batchCount)
    return found(
      batch,
      end: lane.messages.dropFirst(batch.count).first?.sequence ?? lane.end,
      &lane
    )
  }

  private func found(
    _ messages: ArraySlice<RoutedMessage>,
    end: UInt64,
    _ lane: inout Lane
  ) -> NextAction {
    lane.delivery.found(
      messages.map { message in
        EndpointDelivery.Message(
          sequence: message.sequence,
          enqueuedTime: UInt64(clamping: message.enqueuedTime.milliseconds)
        )
      },
      end: end,
      now: SystemClock.now(),
      wallTime: UInt64(clamping: SystemClock.wallMilliseconds())
    )
  }

  /// Reads on; answers whether that was all there is.
  private func read(_ view: LogView, _ lane: inout Lane) throws(LogFault) -> Bool {
    let start = lane.delivery.position
    var messages: ArraySlice<RoutedMessage> = []
    var first: UInt64?
    var end = start
    let reading = try lane.cursor.read(
      from: start,
      in: view,
      maxRecords: Self.recordsPerRead,
      maxBytes: Self.bytesPerRead
    ) { record in
      first = first ?? record.sequence
      end = record.sequence + 1
      if let message = RoutedMessage(record, at: endpoint.destination) { messages.append(message) }
    }
    // Where nothing was read, the view says what is still there.
    let kept = view[lane.partition]
    if let begin = first ?? (reading.isAtEnd ? kept.nextSequence : nil), begin > start {
      end = max(end, begin)
      if lane.gap != start { report(.lost(begin - start, partition: lane.partition)) }
      lane.gap = start
    }
    (lane.messages, lane.end) = (messages, end)
    return reading.isAtEnd || end == start
  }

  private func waitForMore(than position: UInt64) async {
    keep { () throws(FileFault) in try positions.settle(now: SystemClock.now()) }
    await log.waitForMore(than: position, timeout: .seconds(30))
    try? await Pause.sleep(for: Self.gatherTime)
  }

  // MARK: Sending

  private func send(_ count: Int, _ lane: inout Lane) async -> NextAction {
    let answer = await target.send(lane.messages.prefix(count))
    switch answer {
    case .taken:
      report(.took(count))
      pass(lane.delivery.succeeded(), &lane)
      return .none
    case .failed(let failure, let reason):
      // Nobody waits for the answer any more, so it says nothing of the endpoint.
      if Task.isCancelled { return .none }
      lane.failure = reason
      report(.failed(reason))
      return lane.delivery.failed(
        failure,
        now: SystemClock.now(),
        wallTime: UInt64(clamping: SystemClock.wallMilliseconds()),
        random: UInt64.random(in: .min ... .max)
      )
    }
  }

  private func wait(_ until: Instant, _ lane: inout Lane) async -> NextAction {
    keep { () throws(FileFault) in try positions.settle(now: SystemClock.now()) }
    let rest = until.milliseconds(since: SystemClock.now())
    try? await Pause.sleep(for: .milliseconds(Int64(clamping: rest) + 1))
    let action = lane.delivery.timeout(now: SystemClock.now())
    return action == .none ? .wait(until: until) : action
  }

  // MARK: Giving up

  private func giveUp(
    _ count: Int,
    _ reason: EndpointDelivery.DeadLetterReason,
    _ lane: inout Lane
  ) -> NextAction {
    var lines: [UInt8] = []
    for message in lane.messages.prefix(count) {
      let line: JSONValue = [
        "endpoint": .string(endpoint.name), "reason": .string(reason.rawValue),
        "lastError": .string(lane.failure),
        "time": .string(Timestamp(ticks: SystemClock.wallTicks()).iso8601),
        "event": message.cloudEvent(hubName: hubName),
      ]
      lines += JSON.bytes(line) + [0x0A]
    }
    do throws(FileFault) {
      try deadLetters.append(lines)
    } catch {
      report(.failed("the dead letters cannot be kept: \(error)"))
      return lane.delivery.deadLetterFailed(
        now: SystemClock.now(),
        random: UInt64.random(in: .min ... .max)
      )
    }
    report(.deadLettered(count, reason))
    pass(lane.delivery.deadLettered(), &lane)
    return .none
  }

  private func pass(_ action: EndpointDelivery.DoneAction, _ lane: inout Lane) {
    guard case .checkpoint(let position) = action else { return }
    lane.messages = lane.messages.drop { $0.sequence < position }
    keep { () throws(FileFault) in
      try positions.pass(lane.partition, to: position, now: SystemClock.now())
    }
  }

  /// Keeps where the endpoint stands.
  ///
  /// If that fails, a restart sends again what was sent since.
  private func keep(_ write: () throws(FileFault) -> Void) {
    do throws(FileFault) {
      try write()
    } catch {
      report(.failed("where it stands cannot be kept: \(error)"))
    }
  }
}
