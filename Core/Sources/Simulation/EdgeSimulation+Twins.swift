import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import MessageLog

extension EdgeSimulation {
  static let twinPrefix = "twin/"

  /// A device reports something, or tries again what was not answered.
  mutating func reportTwin(_ index: Int) {
    if twins[index].open == nil {
      twins[index].begin(randomPatch())
      report.twinChangeCount += 1
    }
    sendPatch(index)
  }

  /// The device sends the patch that it has open, if any.
  mutating func sendPatch(_ index: Int) {
    guard let patch = twins[index].open, node != nil else { return }
    let body = JSON.bytes(.object(patch))
    let now = scheduler.now
    perform(
      node?.twins.clientReports(twins[index].key, body.span, request: UInt64(index), now: now)
    )
  }

  /// Somebody changes the desired properties at the hub; the edge hears of it if it is connected.
  mutating func changeDesired(_ index: Int) {
    let patch = twins[index].changeDesired(randomPatch())
    report.twinChangeCount += 1
    guard isLinkUp, node != nil else { return }
    let now = scheduler.now
    perform(
      node?.twins.desiredChanged(
        twins[index].key,
        patch.span,
        version: twins[index].desiredVersion,
        now: now
      )
    )
  }

  private mutating func randomPatch() -> JSONObject {
    var patch = JSONObject()
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      let isRemoval = Int.random(in: 0..<5, using: &generator) == 0
      let value = Int64.random(in: 0..<1_000_000, using: &generator)
      let name = "p\(Int.random(in: 0..<6, using: &generator))"
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: patch[name] = .object(["inner\(value % 3)": isRemoval ? .null : .int(value)])
      default: patch[name] = isRemoval ? .null : .int(value)
      }
    }
    return patch
  }

  /// The edge takes up what it has stored, and its devices connect again.
  mutating func restoreTwins() {
    for index in twins.indices {
      guard node != nil else { return }
      let key = twins[index].key
      guard node?.restoreTwin(key) == true else {
        return hub.fail("the stored twin of \(key) cannot be read")
      }
    }
    for index in twins.indices {
      let (key, now) = (twins[index].key, scheduler.now)
      perform(node?.twins.clientSubscribed(key, now: now))
      sendPatch(index)
    }
  }

  mutating func twinLink(isUp: Bool) {
    answers = []
    if isUp, mistake == .forgetsTwins { return }
    let now = scheduler.now
    perform(isUp ? node?.twins.linkUp(now: now) : node?.twins.linkDown(now: now))
  }

  mutating func twinTick() {
    twinTickAt = nil
    let now = scheduler.now
    perform(node?.twins.timePassed(now: now))
  }

  /// The oldest answer of the hub arrives.
  mutating func twinAnswer() {
    guard isLinkUp, node != nil, !answers.isEmpty else { return }
    let now = scheduler.now
    switch answers.removeFirst() {
    case .twin(let key, let exchange, let body):
      perform(node?.twins.twinRead(key, exchange: exchange, body.span, now: now))
    case .reported(let key, let exchange, let version):
      perform(
        node?.twins.reportedAccepted(key, exchange: exchange, version: version, now: now)
      )
    }
  }

  /// Does what the twin cache asks for, in its order; now and then the power goes in between.
  private mutating func perform(_ actions: [TwinAction]?) {
    for action in actions ?? [] {
      guard node != nil else { return }
      perform(action)
    }
    guard let deadline = node?.twins.nextDeadline else { return }
    if let twinTickAt, twinTickAt <= deadline { return }
    twinTickAt = deadline
    scheduler.schedule(.twinTick, at: deadline)
  }

  private mutating func perform(_ action: TwinAction) {
    switch action {
    case .store(let key, let record):
      let time = time()
      guard node?.storeTwin(key, record, time) == true else {
        return hub.fail("the twin of \(key) cannot be stored")
      }
      if !isCalm, Int.random(in: 0..<60, using: &generator) == 0 { cutPower() }
    case .forget(let key): hub.fail("the twin of \(key) is forgotten")
    case .readTwin(let key, let exchange):
      guard isLinkUp, let index = index(of: key) else { return }
      answer(.twin(key, exchange: exchange, body: twins[index].document))
    case .sendReported(let key, let exchange, let patch):
      guard isLinkUp, let index = index(of: key) else { return }
      let version = twins[index].report(patch)
      // Now and then the hub has it, and its answer never arrives.
      if !isCalm, Int.random(in: 0..<12, using: &generator) == 0 {
        report.lostAnswerCount += 1
        return linkDown(for: UInt64.random(in: 1000...600_000, using: &generator))
      }
      answer(.reported(key, exchange: exchange, version: version))
    case .deliverDesired(let key, let version, let body):
      guard let index = index(of: key) else { return }
      twins[index].delivered(body, version: version)
    case .answerReported(_, let request, let version):
      twins[Int(request)].answered(version: version)
    case .refuse(let key, _, let error): hub.fail("a patch of \(key) is refused: \(error)")
    case .note(let key, let text): hub.fail("\(key): \(text)")
    case .answerTwin, .routeChange: break
    }
    if let reason = twins.lazy.compactMap(\.failure).first { hub.fail(reason) }
  }

  private mutating func answer(_ answer: EdgeSimAnswer) {
    answers.append(answer)
    scheduler.schedule(.twinAnswer, afterMilliseconds: 20)
  }

  private func index(of key: IdentityKey) -> Int? { twins.firstIndex { $0.key == key } }

  /// Whether something is still to be exchanged about twins.
  var isTwinBusy: Bool {
    !answers.isEmpty || twinTickAt != nil || twins.contains { $0.open != nil }
  }
}

extension EdgeSimNode {
  mutating func storeTwin(_ key: IdentityKey, _ record: [UInt8], _ time: EdgeTime) -> Bool {
    guard (try? state.put(EdgeSimulation.twinPrefix + key.deviceID, record.span)) != nil else {
      return false
    }
    return (try? state.commit(now: time.calendar)) != nil
  }

  /// Takes up what was stored of a twin; false if that can't be read.
  mutating func restoreTwin(_ key: IdentityKey) -> Bool {
    do {
      guard let record = try state.value(EdgeSimulation.twinPrefix + key.deviceID) else {
        return true
      }
      try twins.restore(key, record.span)
      return true
    } catch {
      return false
    }
  }
}
