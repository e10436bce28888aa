public import ByteIO
public import HubContract
internal import JSONTree

// What comes from the service.

extension TwinCache {
  /// The whole twin has arrived: `{"desired":{…,"$version":n},"reported":{…,"$version":m}}`.
  public mutating func twinRead(
    _ key: IdentityKey,
    exchange: UInt64,
    _ body: Span<UInt8>,
    now: Instant
  ) -> [TwinAction] {
    guard var entry = entries[key], let read = entry.read, read.number == exchange else {
      return []
    }
    var actions: [TwinAction] = []
    guard let whole = WholeTwin(body) else {
      actions.append(.note(key, "The service has sent a twin that cannot be read."))
      readFailed(key, &entry, now, &actions)
      finish(key, entry, now, &actions)
      return actions
    }
    end(&entry.read)
    entry.readFailures = 0
    entry.lastSync = now
    let before = entry.twin
    // The first time, who reads is told by the answer.
    let isTold = entry.isSubscribed && (before.isKnown || entry.readers.isEmpty)
    take(whole, read, &entry.twin, isDelivered: entry.isSubscribed)
    if !entry.isSubscribed, !entry.readers.isEmpty { entry.twin.confirm() }
    if entry.twin != before { actions.append(.store(key, entry.twin.record)) }
    if isTold {
      let old = CachedTwin.object(before.desired)
      let patch = old.patch(to: CachedTwin.object(entry.twin.desired))
      if !patch.isEmpty { deliver(key, patch, entry.twin, &actions) }
    }
    answerReaders(key, &entry, &actions)
    finish(key, entry, now, &actions)
    return actions
  }

  /// The whole twin does not come: the service has refused, or the answer is overdue.
  public mutating func twinReadFailed(
    _ key: IdentityKey,
    exchange: UInt64,
    now: Instant
  ) -> [TwinAction] {
    guard var entry = entries[key], entry.read?.number == exchange else { return [] }
    var actions: [TwinAction] = []
    readFailed(key, &entry, now, &actions)
    finish(key, entry, now, &actions)
    return actions
  }

  /// The service has accepted a patch, and its reported properties are at `version`.
  public mutating func reportedAccepted(
    _ key: IdentityKey,
    exchange: UInt64,
    version: UInt64,
    now: Instant
  ) -> [TwinAction] {
    guard var entry = entries[key], entry.send?.number == exchange else { return [] }
    end(&entry.send)
    entry.twin.base = JSON.bytes(.object(entry.twin.sentReported))
    entry.twin.sent = nil
    entry.twin.upstreamVersion = version
    entry.twin.reportedVersion = max(entry.twin.reportedVersion, version)
    entry.sendFailures = 0
    entry.sendsFirst = false
    entry.nextSend = pace(entry, now)
    var actions: [TwinAction] = [.store(key, entry.twin.record)]
    finish(key, entry, now, &actions)
    return actions
  }

  /// The service has refused a patch.
  ///
  /// It is kept, joined with what the client changes later, and tried again.
  public mutating func reportedRefused(
    _ key: IdentityKey,
    exchange: UInt64,
    _ error: HubError,
    now: Instant
  ) -> [TwinAction] {
    guard var entry = entries[key], entry.send?.number == exchange else { return [] }
    entry.twin.rejoin()
    sendFailed(&entry, now)
    if error.code.httpStatus < 500, error.code != .throttlingException {
      // What breaks a rule there will not soon be within it.
      entry.nextSend = now.adding(milliseconds: configuration.longestPauseMilliseconds)
    }
    var actions: [TwinAction] = [
      .store(key, entry.twin.record),
      .note(key, "The service refuses the reported properties, which are tried again: \(error)"),
    ]
    finish(key, entry, now, &actions)
    return actions
  }

  /// There is no answer to a patch: it may have arrived or not, and is sent again.
  public mutating func reportedFailed(
    _ key: IdentityKey,
    exchange: UInt64,
    now: Instant
  ) -> [TwinAction] {
    guard var entry = entries[key], entry.send?.number == exchange else { return [] }
    sendFailed(&entry, now)
    var actions: [TwinAction] = []
    finish(key, entry, now, &actions)
    return actions
  }

  /// The service's desired properties have changed, which makes them `version`.
  public mutating func desiredChanged(
    _ key: IdentityKey,
    _ body: Span<UInt8>,
    version: UInt64,
    now: Instant
  ) -> [TwinAction] {
    var actions: [TwinAction] = []
    var entry = entries[key] ?? Entry()
    // Known already, by a read that was quicker.
    if entry.twin.isKnown, version <= entry.twin.desiredVersion { return actions }
    guard entry.twin.isKnown, version == entry.twin.desiredVersion &+ 1,
      let patch = (try? JSON.parse(body))?.objectValue?.withoutSectionFields()
    else {
      entry.syncAt = now
      proceed(key, entry, now, &actions)
      return actions
    }
    var desired = CachedTwin.object(entry.twin.desired)
    desired.merge(patch: patch)
    guard JSON.bytes(.object(desired)).count <= CachedTwin.maximumDocumentBytes else {
      return [.note(key, "The service's desired properties are too large; they are not taken.")]
    }
    entry.twin.setDesired(desired, version: version, isDelivered: entry.isSubscribed)
    actions.append(.store(key, entry.twin.record))
    if entry.isSubscribed { deliver(key, patch, entry.twin, &actions) }
    proceed(key, entry, now, &actions)
    return actions
  }

  /// Takes over what is newer than what is known, or of a twin that was made anew.
  private func take(
    _ whole: WholeTwin,
    _ read: Exchange,
    _ twin: inout CachedTwin,
    isDelivered: Bool
  ) {
    let isLate =
      twin.isKnown && whole.desiredVersion < twin.desiredVersion
      && whole.desiredVersion >= read.desiredVersion
    if !isLate {
      twin.setDesired(
        whole.desired,
        version: whole.desiredVersion,
        isDelivered: isDelivered
      )
    }
    let isReportLate =
      whole.reportedVersion < twin.upstreamVersion && whole.reportedVersion >= read.upstreamVersion
    if !isReportLate {
      if CachedTwin.object(twin.base) != whole.reported {
        twin.base = JSON.bytes(.object(whole.reported))
      }
      twin.upstreamVersion = whole.reportedVersion
      twin.reportedVersion = max(twin.reportedVersion, whole.reportedVersion)
    }
    twin.isKnown = true
  }

  private mutating func end(_ exchange: inout Exchange?) {
    guard exchange != nil else { return }
    exchange = nil
    exchangeCount -= 1
  }

  /// A read has ended without a twin.
  mutating func readFailed(
    _ key: IdentityKey,
    _ entry: inout Entry,
    _ now: Instant,
    _ actions: inout [TwinAction]
  ) {
    end(&entry.read)
    answerReaders(key, &entry, &actions)
    guard entry.isSubscribed else { return }
    entry.readFailures += 1
    entry.syncAt = retryTime(entry.readFailures, now)
  }

  /// A patch has ended without success.
  mutating func sendFailed(_ entry: inout Entry, _ now: Instant) {
    end(&entry.send)
    entry.sendFailures += 1
    entry.nextSend = retryTime(entry.sendFailures, now)
    // The read need not wait for better days.
    entry.sendsFirst = false
  }

  /// An exchange has ended: goes on with its identity, and with others if they have waited for room.
  private mutating func finish(
    _ key: IdentityKey,
    _ entry: Entry,
    _ now: Instant,
    _ actions: inout [TwinAction]
  ) {
    proceed(key, entry, now, &actions)
    makeUseOfRoom(now, &actions)
  }
}

/// A whole twin as the service sends it.
private struct WholeTwin {
  let desired: JSONObject
  let desiredVersion: UInt64
  let reported: JSONObject
  let reportedVersion: UInt64

  init?(_ body: Span<UInt8>) {
    guard let twin = (try? JSON.parse(body))?.objectValue,
      let desired = twin["desired"]?.objectValue, let reported = twin["reported"]?.objectValue,
      let desiredVersion = desired["$version"]?.int64Value.flatMap({ UInt64(exactly: $0) }),
      let reportedVersion = reported["$version"]?.int64Value.flatMap({ UInt64(exactly: $0) })
    else { return nil }
    self.desired = desired.withoutSectionFields()
    self.desiredVersion = desiredVersion
    self.reported = reported.withoutSectionFields()
    self.reportedVersion = reportedVersion
    let limit = CachedTwin.maximumDocumentBytes
    guard JSON.bytes(.object(self.desired)).count <= limit,
      JSON.bytes(.object(self.reported)).count <= limit
    else { return nil }
  }
}
