public import HubContract
public import JSONTree

extension HubEngine {
  /// Writes tags and desired properties of a twin (contract §7.5).
  ///
  /// A patch merges; a replacement sets both parts to what is given, empty where nothing is.
  ///
  /// - Parameters:
  ///   - key: the device or module.
  ///   - update: what to write.
  ///   - replacing: whether it is a replacement.
  ///   - condition: the header `If-Match`, on the twin's ETag; may be absent.
  ///   - now: the time.
  /// - Returns: the twin as it now is.
  /// - Throws: 404001 without the device or module, 412001, 400004 with path and rule.
  public mutating func updateTwin(
    _ key: IdentityKey,
    _ update: TwinUpdate,
    replacing: Bool,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> TwinRecord {
    let before = try twin(key)
    var twin = before
    try condition.check(ETags.twin(twin.etagCounter), of: "twin")
    let tags = Patch(update.tags, replacing: replacing)
    let desired = Patch(update.desired, replacing: replacing)
    guard tags != nil || desired != nil else { return twin }

    if let tags {
      let limits = TwinLimits(quotas: quotas, section: .tags)
      try limits.check(tags.object)
      var merged = tags.isComplete ? JSONObject() : try TwinSection.object(twin.tags)
      merged.merge(patch: tags.object)
      try limits.checkSize(of: merged)
      twin.tags = JSON.bytes(.object(merged))
    }
    if let desired {
      let limits = TwinLimits(quotas: quotas, section: .desired)
      try limits.check(desired.object)
      try twin.desired.apply(
        patch: desired.object,
        replacing: desired.isComplete,
        limits: limits,
        now: now
      )
    }
    twin.etagCounter &+= 1
    twin.version &+= 1
    let written = twin
    try write(twin)

    if let desired {
      emit(
        .desiredChanged(
          DesiredChange(
            key: key,
            version: twin.desired.version,
            body: TwinText.desiredChange(
              desired.isComplete ? twin.desired.properties : JSON.bytes(.object(desired.object)),
              version: twin.desired.version
            ),
            isComplete: desired.isComplete
          )
        )
      )
    }
    if replacing {
      try emit(.replaceTwin, of: key, at: now, twin: written) { TwinText.replaced(written) }
    } else {
      try emit(.updateTwin, of: key, at: now, twin: written) {
        TwinText.updated(
          written,
          tags: tags?.object,
          desired: desired?.object,
          reported: nil,
          now: now
        )
      }
    }
    if desired != nil { try emitDigitalTwinChange(from: before, to: written, now: now) }
    return twin
  }

  /// Merges a device's or module's patch of its own reported properties (contract §3.6).
  ///
  /// - Parameters:
  ///   - key: whose twin.
  ///   - patch: the body, which must be an object.
  ///   - version: the version that the section must have, if the client named one.
  ///   - now: the time.
  /// - Returns: the section's new version.
  /// - Throws: 404001, 400004 with path and rule, 412001 for another version.
  public mutating func patchReported(
    _ key: IdentityKey,
    _ patch: JSONValue,
    ifVersion version: UInt64? = nil,
    now: Timestamp
  ) throws(HubError) -> UInt64 {
    guard let patch = patch.objectValue?.withoutSectionFields() else {
      throw HubError(.argumentInvalid, "The body must be an object of reported properties.")
    }
    let twin = try twin(key)
    if let version, version != twin.reported.version {
      throw HubError(
        .preconditionFailed,
        "The reported properties are at version \(twin.reported.version), not \(version)."
      )
    }
    return try writeReported(patch, to: twin, replacing: false, now: now)
  }

  /// Sets the whole reported section, as a restored export has it.
  mutating func replaceReported(
    _ key: IdentityKey,
    _ properties: JSONObject,
    now: Timestamp
  ) throws(HubError) {
    let twin = try twin(key)
    _ = try writeReported(properties, to: twin, replacing: true, now: now)
  }

  /// Writes reported properties to `twin`, as it is stored; answers the section's new version.
  private mutating func writeReported(
    _ properties: JSONObject,
    to twin: TwinRecord,
    replacing: Bool,
    now: Timestamp
  ) throws(HubError) -> UInt64 {
    let before = twin
    var twin = twin
    let limits = TwinLimits(quotas: quotas, section: .reported)
    try limits.check(properties)
    try twin.reported.apply(patch: properties, replacing: replacing, limits: limits, now: now)
    twin.version &+= 1
    let written = twin
    try write(twin)
    try emit(.updateTwin, of: twin.key, at: now, twin: written) {
      TwinText.updated(written, tags: nil, desired: nil, reported: properties, now: now)
    }
    try emitDigitalTwinChange(from: before, to: written, now: now)
    return twin.reported.version
  }

  /// Remembers the model ID that a client announced (contract §3.1).
  ///
  /// - Throws: 404001.
  public mutating func setModelID(
    _ modelID: String?,
    of key: IdentityKey
  ) throws(HubError) {
    var twin = try twin(key)
    guard twin.modelID != modelID else { return }
    twin.modelID = modelID
    twin.version &+= 1
    try write(twin)
  }

  private mutating func write(_ twin: TwinRecord) throws(HubError) {
    touchedDevices.insert(twin.key.deviceID)
    try stored { storage throws(StorageFault) in try storage.put(twin) }
    noteTwin(twin)
  }

  /// The twin as it is stored.
  ///
  /// - Throws: 404001.
  mutating func twin(_ key: IdentityKey) throws(HubError) -> TwinRecord {
    guard let twin = try stored({ storage throws(StorageFault) in try storage.twin(key) }) else {
      throw .noTwin(key)
    }
    return twin
  }
}

/// What a part of a twin is changed by.
private struct Patch {
  var object: JSONObject
  var isComplete: Bool

  /// Nil if the part stays as it is.
  init?(_ change: TwinUpdate.Change, replacing: Bool) {
    switch change {
    case .set(let object):
      // An empty patch changes nothing and so makes no version.
      if object.isEmpty, !replacing { return nil }
      self.init(object: object, isComplete: replacing)
    case .replace(let object): self.init(object: object, isComplete: true)
    case .clear: self.init(object: JSONObject(), isComplete: true)
    case .absent:
      guard replacing else { return nil }
      self.init(object: JSONObject(), isComplete: true)
    }
  }

  private init(object: JSONObject, isComplete: Bool) {
    self.object = object
    self.isComplete = isComplete
  }
}

extension HubError {
  /// The original answers DeviceNotFound for a module's twin too (contract §7.5).
  static func noTwin(_ key: IdentityKey) -> HubError {
    HubError(.deviceNotFound, "There is no twin of \(key): create the identity first.")
  }
}
