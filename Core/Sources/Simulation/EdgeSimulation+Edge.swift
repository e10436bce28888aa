import ByteIO
import EdgeEngine
import HubContract
import MessageLog

extension EdgeSimulation {
  // MARK: - Power

  mutating func powerOn() {
    guard node == nil else { return }
    if !hasBattery { wallError = 946_684_800_000 - Int64(Self.begin + now) }
    do {
      node = try EdgeSimNode(
        disk,
        stateDisk: stateDisk,
        wall: wall,
        monotonic: scheduler.now,
        generator: &generator,
        maxSizeBytes: offline?.maxSizeBytes
      )
    } catch {
      hub.fail("it does not start: \(error)")
      return
    }
    numbers = node?.numbers ?? []
    inFlight = []
    keepCertificates()
    send(Array(senders.indices))
    restoreTwins()
    if isLinkUp { connected() }
  }

  /// The power goes, half of the time in the middle of a write; some of what was not synced survives.
  mutating func cutPower() {
    guard node != nil else { return schedule(.powerCut, within: Self.day) }
    report.powerCutCount += 1
    if Bool.random(using: &generator) {
      let calls: [SimDiskCall] = [.write, .write, .write, .sync, .sync, .create]
      let call = calls[Int.random(in: 0..<calls.count, using: &generator)]
      let after = call == .create ? 0 : Int.random(in: 0...2, using: &generator)
      disk.fail(call, with: .io(5), after: after)
      // The group during which it happens is answered to nobody.
      let batches = senders.indices.compactMap { index -> LogBatch? in
        senders[index].produce(3)
        return batch(of: senders[index])
      }
      let time = time()
      if mistake != .answersEarly { _ = node?.store(batches, time) }
      if disk.memory.scripted.isEmpty { report.tornWriteCount += 1 }
      disk.memory.scripted = []
    }
    node = nil
    answers = []
    twinTickAt = nil
    isPumping = false
    inFlight = []
    let survival = SimSurvival.allCases[
      Int.random(in: 0..<SimSurvival.allCases.count, using: &generator)
    ]
    disk.powerCut(survival)
    stateDisk.powerCut(survival)
    let isShort = Int.random(in: 0..<4, using: &generator) > 0
    schedule(.powerOn, within: isShort ? 600_000 : 3 * Self.day)
  }

  // MARK: - Time

  /// What the edge takes for the time.
  mutating func time() -> EdgeTime {
    let wall = wall
    let monotonic = scheduler.now
    let time = node?.read(wall: wall, monotonic: monotonic) ?? EdgeTime(calendar: 0, age: 0)
    return mistake == .trustsTheClock ? EdgeTime(calendar: wall, age: wall) : time
  }

  /// Somebody sets the clock, by minutes or by years.
  mutating func stepClock() {
    guard node != nil else { return schedule(.clockStep, within: Self.day) }
    report.clockStepCount += 1
    let reach = Int64(Bool.random(using: &generator) ? 1_800_000 : 3 * 365 * Self.day)
    // Beyond the end of the root nothing would help those who share this clock.
    let limit = Int64(EdgeSimCertificate.rootYears / 2 * 365 * Self.day)
    wallError += Int64.random(in: -reach...reach, using: &generator)
    wallError = min(max(wallError, -limit), limit)
    clockSet = now
    _ = time()
    scheduler.schedule(.certificates, afterMilliseconds: Self.certificateInterval)
  }

  mutating func upkeep() {
    guard node != nil else { return }
    let time = time()
    node?.saveClock(time)
    let saved = self.time()
    _ = node?.store.commit(now: saved)
    keepCertificates()
    noteUse()
    for figures in node?.store.figures ?? [] {
      report.mostWaiting = max(report.mostWaiting, figures.length)
    }
  }

  /// Takes note of what waits.
  mutating func noteUse() {
    report.mostBytes = max(report.mostBytes, node?.store.usedByteCount ?? 0)
  }

  // MARK: - Senders

  /// The senders try to get rid of what they have, in one group.
  mutating func send(_ indices: [Int]) {
    guard node != nil else { return }
    let indices = indices.filter { !senders[$0].outbox.isEmpty && isTrusted(by: $0) }
    let batches = indices.map { batch(of: senders[$0]) }
    let time = time()
    let faults: [LogFault?]
    if mistake == .answersEarly, Int.random(in: 0..<8, using: &generator) == 0 {
      node?.append(batches, time)
      faults = Array(repeating: nil, count: indices.count)
    } else {
      faults = node?.store(batches, time) ?? []
    }
    for (index, fault) in zip(indices, faults) {
      guard fault == nil else {
        report.refusedCount += 1
        continue
      }
      let sender = senders[index]
      report.acknowledgedCount += sender.outbox.count
      hub.accepted(sender.identity, sender.outbox, at: now)
      if sender.isForModule { module.accepted(sender.identity, sender.outbox, at: now) }
      senders[index].acknowledged()
    }
    readModule()
    startPump()
  }

  private func batch(of sender: EdgeSimSender) -> LogBatch {
    var batch = LogBatch()

    let stamp = EventStamp(identity: sender.identity)
    let routing = EventRouting(sender.deliveries(numbers))
    for number in sender.outbox {
      batch.beginRecord(partition: 0)
      EventEncoder.append(
        stamp: stamp,
        routing: routing,
        bag: [UInt8]().span,
        body: EdgeSimSender.body(number, sender.bodyBytes).span,
        to: &batch
      )
      // Forty short messages are within every limit.
      try? batch.endRecord()
    }
    return batch
  }

  // MARK: - The module that gets messages

  private mutating func readModule() {
    let time = time()
    while true {
      guard let found = node?.readModule(time) else { return }
      guard case .success(let messages) = found else { return module.fail("\(found)") }
      if messages.isEmpty { return module.drained(at: now) }
      for message in messages { module.arrived(message.sender, message.body, id: message.id) }
      // Now and then it stops before it has answered; its messages come again.
      guard Int.random(in: 0..<40, using: &generator) > 0 else { return }
      node?.settleModule(messages, time)
    }
  }
}

/// A message as it arrives.
struct EdgeSimArrival {
  var sender: IdentityKey
  var body: [UInt8]
  var id: EdgeMessageID
  var priority: PriorityClass
  var sequence: UInt64

  init(_ message: StoredMessage) {
    sender = message.event.identity
    body = message.event.body.array()
    id = message.id
    priority = message.priority
    sequence = message.sequence
  }
}

extension EdgeSimNode {
  mutating func append(_ batches: [LogBatch], _ time: EdgeTime) {
    for batch in batches {
      store.append(batch, firstID: nextID, now: time)
      nextID = nextID.advanced(by: batch.recordCount)
    }
  }

  /// Stores a group; answers the fault of each batch.
  mutating func store(_ batches: [LogBatch], _ time: EdgeTime) -> [LogFault?] {
    append(batches, time)
    return store.commit(now: time).faults.suffix(batches.count)
  }

  mutating func readModule(_ time: EdgeTime) -> Result<[EdgeSimArrival], LogFault> {
    guard let view = store.view(numbers[1]) else { return .success([]) }
    return Self.read(&module, view, time, maxMessages: 20)
  }

  mutating func readUpstream(_ time: EdgeTime) -> Result<[EdgeSimArrival], LogFault> {
    guard let view = store.view(numbers[0]) else { return .success([]) }
    return Self.read(&upstream, view, time, maxMessages: 10)
  }

  private static func read(
    _ reader: inout QueueReader<SimFolder>,
    _ view: QueueView,
    _ time: EdgeTime,
    maxMessages: Int
  ) -> Result<[EdgeSimArrival], LogFault> {
    var messages: [EdgeSimArrival] = []
    do throws(LogFault) {
      let reading = try reader.read(in: view, age: time.savedAge, maxMessages: maxMessages) {
        messages.append(EdgeSimArrival($0))
      }
      if let damage = reading.damage.first {
        return .failure(.disk(.io(Int32(clamping: damage.positions.count))))
      }
      return .success(messages)
    } catch {
      return .failure(error)
    }
  }

  mutating func settleModule(_ messages: [EdgeSimArrival], _ time: EdgeTime) {
    for message in messages { module.settle(message.sequence, message.priority) }
    store.settle(numbers[1], module.takeSettlements(), now: time)
  }

  mutating func settleUpstream(_ time: EdgeTime) {
    store.settle(numbers[0], upstream.takeSettlements(), now: time)
  }
}
