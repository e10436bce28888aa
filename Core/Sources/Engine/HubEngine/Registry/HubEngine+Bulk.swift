public import HubContract
internal import JSONTree

extension HubEngine {
  /// Carries out the elements of a bulk call, each for itself (contract §7.4).
  ///
  /// - Parameters:
  ///   - elements: what `BulkRegistry.parse` made of the body.
  ///   - now: the time.
  /// - Returns: the elements that failed; the others are applied.
  /// - Throws: only what the storage's faults become, for the call as a whole.
  public mutating func bulk(
    _ elements: [Result<ExportImportDevice, BulkFailure>],
    now: Timestamp
  ) throws(HubError) -> [BulkFailure] {
    var failures: [BulkFailure] = []
    for element in elements {
      switch element {
      case .failure(let failure): failures.append(failure)
      case .success(let element):
        do throws(HubError) {
          try apply(element, now: now)
        } catch {
          if fault != nil { throw error }
          failures.append(
            BulkFailure(
              deviceID: element.deviceID,
              moduleID: element.moduleID,
              operation: element.importMode,
              error: error
            )
          )
        }
      }
    }
    return failures
  }

  /// Carries out one element of a bulk call or one line of an import (contract §7.4).
  ///
  /// Without a mode it creates or updates identity and twin, as it takes to restore an export; an
  /// edge device must come before its children, whose scopes then follow its new generation. What an
  /// update does not mention stays, the keys too: unlike PUT, nobody sees new ones here.
  ///
  /// - Throws: what the single operation throws; 400005 without the ETag that the mode compares. A
  ///   refused element has changed nothing.
  public mutating func apply(
    _ element: ExportImportDevice,
    now: Timestamp
  ) throws(HubError) {
    switch element.importMode {
    case .create: try create(element, now: now)
    case .update: try update(element, ifMatch: .any, now: now)
    case .updateIfMatchETag:
      try update(element, ifMatch: try condition(element.etag, "eTag"), now: now)
    case .delete: try delete(element.key, ifMatch: .any, now: now)
    case .deleteIfMatchETag:
      try delete(element.key, ifMatch: try condition(element.etag, "eTag"), now: now)
    case .updateTwin: try updateTwin(element, ifMatch: .any, now: now)
    case .updateTwinIfMatchETag:
      try updateTwin(element, ifMatch: try condition(element.twinETag, "twinETag"), now: now)
    case nil: try restore(element, now: now)
    }
  }

  private func condition(_ etag: String?, _ name: String) throws(HubError) -> ETagCondition {
    guard let etag, !etag.isEmpty else {
      throw HubError(.argumentNull, "\(name) is missing; the import mode compares it.")
    }
    return ETagCondition(ifMatch: etag)
  }

  private mutating func create(_ element: ExportImportDevice, now: Timestamp) throws(HubError) {
    let twin = try newTwin(element, now: now)
    let key = element.key
    if let request = element.moduleRequest {
      try checkModule(key, isNew: true)
      _ = try createModule(request, twin: twin, now: now)
      return
    }
    guard DeviceID.isValid(element.deviceID) else { throw Self.illegalDeviceID }
    guard try stored({ storage throws(StorageFault) in try storage.device(key.deviceID) }) == nil
    else {
      throw HubError(.deviceAlreadyExists, "Device \(element.deviceID) exists.")
    }
    _ = try createDevice(element.deviceRequest, twin: twin, now: now)
  }

  private mutating func update(
    _ element: ExportImportDevice,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) {
    let key = element.key
    if var request = element.moduleRequest {
      if let existing = try stored({ storage throws(StorageFault) in try storage.module(key) }) {
        if request.authentication == .generatedKeys {
          request.authentication = .given(existing.authentication)
        }
        request.managedBy = request.managedBy ?? existing.managedBy
      }
      _ = try putModule(request, ifMatch: condition, now: now)
      return
    }
    var request = element.deviceRequest
    if let existing = try stored({ storage throws(StorageFault) in
      try storage.device(key.deviceID)
    }) {
      if element.status == nil {
        request.status = existing.status
        request.statusReason = element.statusReason ?? existing.statusReason
      }
      if request.authentication == .generatedKeys {
        request.authentication = .given(existing.authentication)
      }
      request.isEdge = element.isEdge ?? existing.isEdge
      request.deviceScope = request.deviceScope ?? existing.deviceScope
      if request.parentScopes.isEmpty { request.parentScopes = existing.parentScopes }
    }
    _ = try putDevice(request, ifMatch: condition, now: now)
  }

  private mutating func delete(
    _ key: IdentityKey,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) {
    if key.moduleID != nil {
      try deleteModule(key, ifMatch: condition, now: now)
    } else {
      try deleteDevice(key.deviceID, ifMatch: condition, now: now)
    }
  }

  private mutating func updateTwin(
    _ element: ExportImportDevice,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) {
    let update = TwinUpdate(
      tags: element.tags.map { .set($0) } ?? .absent,
      desired: element.desired.map { .set($0.withoutSectionFields()) } ?? .absent
    )
    _ = try updateTwin(
      element.key,
      update,
      replacing: false,
      ifMatch: condition,
      now: now
    )
  }

  private mutating func restore(_ line: ExportImportDevice, now: Timestamp) throws(HubError) {
    let element = try adopted(line)
    let key = element.key
    let exists = try stored { storage throws(StorageFault) in
      if key.moduleID == nil { return try storage.device(key.deviceID) != nil }
      return try storage.module(key) != nil
    }
    guard exists else { return try create(element, now: now) }
    _ = try newTwin(element, now: now)
    try update(element, ifMatch: .any, now: now)
    if element.tags != nil || element.desired != nil {
      _ = try updateTwin(
        key,
        TwinUpdate(
          tags: element.tags.map { .replace($0) } ?? .absent,
          desired: element.desired.map { .replace($0.withoutSectionFields()) } ?? .absent
        ),
        // A part that the line leaves out stays.
        replacing: element.tags != nil && element.desired != nil,
        ifMatch: .any,
        now: now
      )
    }
    if let reported = element.reported {
      try replaceReported(key, reported.withoutSectionFields(), now: now)
    }
  }

  /// The line with the scopes that its edge devices have in this hub: those in the file name
  /// generations of the hub that wrote it.
  private mutating func adopted(
    _ line: ExportImportDevice
  ) throws(HubError) -> ExportImportDevice {
    var line = line
    if line.isEdge == true {
      line.deviceScope = nil
    } else if let scope = line.deviceScope {
      line.deviceScope = try presentScope(scope)
    }
    var parents: [String] = []
    for scope in line.parentScopes { parents.append(try presentScope(scope)) }
    line.parentScopes = parents
    return line
  }

  private mutating func presentScope(_ scope: String) throws(HubError) -> String {
    guard let deviceID = DeviceScope.deviceID(scope),
      let edge = try stored({ storage throws(StorageFault) in try storage.device(deviceID) }),
      edge.isEdge, let present = edge.deviceScope
    else { return scope }
    return present
  }

  /// The twin that an element brings along, nil if it brings none.
  private func newTwin(
    _ element: ExportImportDevice,
    now: Timestamp
  ) throws(HubError) -> TwinRecord? {
    guard element.tags != nil || element.desired != nil || element.reported != nil else {
      return nil
    }
    var twin = TwinRecord(key: element.key)
    if let tags = element.tags {
      let limits = TwinLimits(quotas: quotas, section: .tags)
      try limits.check(tags)
      let kept = tags.withoutNulls()
      try limits.checkSize(of: kept)
      twin.tags = JSON.bytes(.object(kept))
    }
    if let desired = element.desired {
      twin.desired = try newSection(desired, .desired, now: now)
    }
    if let reported = element.reported {
      twin.reported = try newSection(reported, .reported, now: now)
    }
    return twin
  }

  private func newSection(
    _ object: JSONObject,
    _ name: TwinSectionName,
    now: Timestamp
  ) throws(HubError) -> TwinSection {
    let properties = object.withoutSectionFields()
    let limits = TwinLimits(quotas: quotas, section: name)
    try limits.check(properties)
    // What a twin is created with is its version 1.
    var section = TwinSection(version: 0)
    try section.apply(patch: properties, replacing: true, limits: limits, now: now)
    return section
  }
}

extension HubView {
  /// A page of the registry as lines of an export: devices, each followed by its modules.
  ///
  /// - Parameters:
  ///   - deviceID: the last device of the page before, nil to begin.
  ///   - limit: how many devices.
  /// - Returns: the lines, and the last device's ID, nil at the end.
  /// - Throws: only what the storage's faults become.
  public func export(
    after deviceID: String?,
    limit: Int
  ) throws(HubError) -> (elements: [ExportImportDevice], last: String?) {
    let rows = try stored { storage throws(StorageFault) in
      try storage.deviceRows(after: deviceID, limit: limit)
    }
    var elements: [ExportImportDevice] = []
    for row in rows {
      elements.append(try ExportImportDevice(row.identity).with(row.twin))
      for module in try modules(of: row.identity.deviceID) {
        elements.append(try ExportImportDevice(module.identity).with(module.twin))
      }
    }
    return (elements, rows.count == limit ? rows.last?.identity.deviceID : nil)
  }
}

extension ExportImportDevice {
  fileprivate func with(_ twin: TwinRecord) throws(HubError) -> ExportImportDevice {
    var element = self
    element.twinETag = ETags.twin(twin.etagCounter)
    element.tags = try TwinSection.object(twin.tags)
    element.desired = try TwinSection.object(twin.desired.properties)
    element.reported = try TwinSection.object(twin.reported.properties)
    return element
  }
}
