public import ByteIO
public import HubContract
internal import JSONTree

extension TwinCache {
  /// A client asks for its twin: it is read from the service if that can be reached, else the copy is
  /// the answer, empty if there is none.
  ///
  /// `request` comes back with the answer.
  public mutating func clientReads(
    _ key: IdentityKey,
    request: UInt64,
    now: Instant
  ) -> [TwinAction] {
    var actions: [TwinAction] = []
    var entry = entries[key] ?? Entry()
    entry.readers.append(request)
    if !isUp || entry.readers.count > configuration.maximumReaders {
      entry.readers.removeLast()
      answer(key, &entry, request, &actions)
    }
    proceed(key, entry, now, &actions)
    return actions
  }

  /// A client has subscribed to its desired properties: it gets what has changed since it saw them last.
  public mutating func clientSubscribed(_ key: IdentityKey, now: Instant) -> [TwinAction] {
    var actions: [TwinAction] = []
    var entry = entries[key] ?? Entry()
    guard !entry.isSubscribed else { return actions }
    entry.isSubscribed = true
    if let patch = entry.twin.catchUp() {
      actions.append(.store(key, entry.twin.record))
      deliver(key, patch, entry.twin, &actions)
    }
    if isUp { entry.syncAt = syncTime(entry, now) }
    proceed(key, entry, now, &actions)
    return actions
  }

  /// Deliveries to a client were given up: it gets one in place of all of them, if it still wants any.
  public mutating func deliverAgain(_ key: IdentityKey) -> [TwinAction] {
    guard let entry = entries[key], entry.isSubscribed,
      let patch = entries[key]?.twin.catchUp(), let twin = entries[key]?.twin
    else { return [] }
    var actions: [TwinAction] = [.store(key, twin.record)]
    deliver(key, patch, twin, &actions)
    return actions
  }

  /// The client has confirmed the desired properties of `version`, as it does by PUBACK or by settling
  /// the delivery.
  public mutating func desiredConfirmed(_ key: IdentityKey, version: UInt64) {
    guard let entry = entries[key], entry.isSubscribed, entry.twin.desiredVersion == version else {
      return
    }
    // Stored with the next change: until then a client that comes back is told once more.
    entries[key]?.twin.confirm()
  }

  /// A client has left, or wants no desired properties any more.
  public mutating func clientUnsubscribed(_ key: IdentityKey, now: Instant) -> [TwinAction] {
    guard var entry = entries[key] else { return [] }
    var actions: [TwinAction] = []
    entry.isSubscribed = false
    entry.syncAt = nil
    proceed(key, entry, now, &actions)
    return actions
  }

  /// A client has left: its requests are not answered any more.
  public mutating func clientLeft(_ key: IdentityKey, now: Instant) -> [TwinAction] {
    entries[key]?.readers = []
    return clientUnsubscribed(key, now: now)
  }

  /// A client patches its reported properties.
  ///
  /// What breaks a rule is refused with path and rule (400), and so is what would make too many changes
  /// wait (429). Else the client is answered once the change is durable.
  public mutating func clientReports(
    _ key: IdentityKey,
    _ body: Span<UInt8>,
    request: UInt64,
    now: Instant
  ) -> [TwinAction] {
    var entry = entries[key] ?? Entry()
    let patch: JSONObject
    do throws(HubError) {
      patch = try merge(body, into: &entry.twin)
    } catch {
      return [.refuse(key, request: request, error)]
    }
    if entry.send == nil, !(entries[key]?.twin.hasChanges ?? false) {
      entry.nextSend = pace(entry, now)
    }
    entry.twin.reportedVersion &+= 1
    var actions: [TwinAction] = [
      .store(key, entry.twin.record),
      .routeChange(key, body: JSON.bytes(.object(patch))),
      .answerReported(key, request: request, version: entry.twin.reportedVersion),
    ]
    proceed(key, entry, now, &actions)
    return actions
  }

  /// Checks a client's patch and merges it into what waits.
  private func merge(
    _ body: Span<UInt8>,
    into twin: inout CachedTwin
  ) throws(HubError) -> JSONObject {
    let value: JSONValue
    do throws(JSONFault) {
      value = try JSON.parse(body)
    } catch {
      throw HubError(.iotHubFormatError, "The body is no JSON: \(error).")
    }
    guard let patch = value.objectValue?.withoutSectionFields() else {
      throw HubError(.argumentInvalid, "The body must be an object of reported properties.")
    }
    let limits = TwinLimits(quotas: configuration.quotas, section: .reported)
    try limits.check(patch)
    var reported = twin.reported
    reported.merge(patch: patch)
    try limits.checkSize(of: reported)

    let base = twin.sentReported
    var pending = twin.pending.map { CachedTwin.object($0) } ?? JSONObject()
    pending.append(patch: patch, onto: base)
    var bytes = JSON.bytes(.object(pending))
    if bytes.count > CachedTwin.maximumPatchBytes, twin.isKnown {
      // Names that came and went while the service was away: there they never were.
      bytes = JSON.bytes(.object(base.patch(to: reported)))
    }
    guard bytes.count <= CachedTwin.maximumPatchBytes else {
      throw HubError(
        .throttlingException,
        "Changes of \(bytes.count) bytes would wait for the service, more than the limit of "
          + "\(CachedTwin.maximumPatchBytes); try again when it can be reached."
      )
    }
    twin.pending = bytes
    return patch
  }

  /// Answers one request from the copy, which the client has then seen.
  func answer(
    _ key: IdentityKey,
    _ entry: inout Entry,
    _ request: UInt64,
    _ actions: inout [TwinAction]
  ) {
    // Who has subscribed is told of changes besides; anyone else reads when it wants to know.
    if !entry.isSubscribed, entry.twin.seen != nil {
      entry.twin.confirm()
      actions.append(.store(key, entry.twin.record))
    }
    actions.append(.answerTwin(key, request: request, body: entry.twin.document))
  }

  /// Answers all that wait from the copy.
  func answerReaders(
    _ key: IdentityKey,
    _ entry: inout Entry,
    _ actions: inout [TwinAction]
  ) {
    for request in entry.readers { answer(key, &entry, request, &actions) }
    entry.readers = []
  }

  /// Hands the client a patch that leads to the known desired properties.
  func deliver(
    _ key: IdentityKey,
    _ patch: JSONObject,
    _ twin: CachedTwin,
    _ actions: inout [TwinAction]
  ) {
    let body = CachedTwin.delivery(patch, version: twin.desiredVersion)
    actions.append(.deliverDesired(key, version: twin.desiredVersion, body: body))
  }
}
