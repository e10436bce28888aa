import ByteIO
import EdgeEngine
import MessageLog

extension EdgeSimulation {
  /// Messages that may be on their way upstream.
  private var window: Int { offline == nil ? 60 : EdgeOfflineCase.drainPerSecond / 20 }

  mutating func linkUp() {
    guard !isLinkUp else { return }
    isLinkUp = true
    let away = (now - linkChanged) / Self.day
    report.offlineDays += Int(away)
    report.longestOfflineDays = max(report.longestOfflineDays, Int(away))
    linkChanged = now
    connected()
    if !isCalm { schedule(.linkDown, within: Self.day) }
  }

  /// The link is there and the edge too: the time service sets the clock, and the hub agrees.
  mutating func connected() {
    guard node != nil else { return }
    wallError = 0
    _ = time()
    let (wall, monotonic) = (wall, scheduler.now)
    node?.clock.confirm(wall: wall, monotonic: monotonic)
    let time = time()
    node?.saveClock(time)
    twinLink(isUp: true)
    startPump()
  }

  mutating func linkDown(for milliseconds: UInt64) {
    guard isLinkUp, !isEnding else { return }
    isLinkUp = false
    linkChanged = now
    report.linkLossCount += 1
    report.lostAnswerCount += inFlight.count
    inFlight = []
    if mistake != .forgetsToRewind { node?.upstream.rewind() }
    twinLink(isUp: false)
    scheduler.schedule(.linkUp, afterMilliseconds: milliseconds)
  }

  mutating func startPump() {
    guard isLinkUp, node != nil, !isPumping else { return }
    isPumping = true
    scheduler.schedule(.pump, afterMilliseconds: 50)
  }

  /// One turn of the link: what was sent is confirmed, unless the link breaks; then more is sent.
  mutating func pump() {
    guard isLinkUp, node != nil else {
      isPumping = false
      return
    }
    let time = time()
    if !inFlight.isEmpty, !isCalm, Int.random(in: 0..<50, using: &generator) == 0 {
      isPumping = false
      return linkDown(for: UInt64.random(in: 1000...3_600_000, using: &generator))
    }
    // Confirmations come in any order, and not all at once.
    inFlight.shuffle(using: &generator)
    let staying = isCalm ? 0 : inFlight.count / 8
    for (priority, sequence) in inFlight.dropFirst(staying) {
      node?.upstream.settle(sequence, priority)
    }
    inFlight.removeLast(inFlight.count - staying)
    sendUpstream(time)
    node?.settleUpstream(time)
    _ = node?.store.commit(now: time)
    guard isLinkUp else {
      isPumping = false
      return
    }
    if inFlight.isEmpty {
      isPumping = false
      report.drainCount += 1
      hub.drained(at: now)
    } else {
      scheduler.schedule(.pump, afterMilliseconds: 50)
    }
  }

  private mutating func sendUpstream(_ time: EdgeTime) {
    while inFlight.count < window {
      guard let found = node?.readUpstream(time) else { return }
      guard case .success(let messages) = found else { return hub.fail("\(found)") }
      if messages.isEmpty { return }
      // Of a batch during which the hub stops, it has kept the first.
      let kept =
        isCalm || Int.random(in: 0..<200, using: &generator) > 0
        ? messages.count : Int.random(in: 0..<messages.count, using: &generator)
      for message in messages.prefix(kept) {
        hub.arrived(message.sender, message.body, id: message.id)
      }
      for message in messages {
        if mistake == .settlesUnconfirmed {
          node?.upstream.settle(message.sequence, message.priority)
        }
        inFlight.append((message.priority, message.sequence))
      }
      guard kept == messages.count else {
        report.hubRestartCount += 1
        return linkDown(for: UInt64.random(in: 1000...60_000, using: &generator))
      }
    }
  }
}
