internal import ByteIO
public import HubContract
internal import JSONTree

extension HubEngine {
  /// Writes desired properties as a patch of the digital twin says (contract §7.10).
  ///
  /// - Parameters:
  ///   - deviceID: the device.
  ///   - patch: what to write.
  ///   - condition: the header `If-Match`, on the twin's ETag; may be absent.
  ///   - now: the time.
  /// - Returns: the twin's ETag as it now is, without quotes.
  /// - Throws: 404001 without the device, 412001, 400004 with path and rule.
  public mutating func updateDigitalTwin(
    _ deviceID: String,
    _ patch: DigitalTwinPatch,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> String {
    let key = IdentityKey(deviceID: deviceID)
    let twin = try twin(key)
    try condition.check(ETags.twin(twin.etagCounter), of: "digital twin")
    let written = try updateTwin(
      key,
      TwinUpdate(desired: .set(try patch.merge(into: DigitalTwin(twin)))),
      replacing: false,
      ifMatch: .absent,
      now: now
    )
    return ETags.twin(written.etagCounter)
  }

  /// Tells what a change made of the digital twin, if a model was announced for it (contract §9.3).
  mutating func emitDigitalTwinChange(
    from before: TwinRecord,
    to after: TwinRecord,
    now: Timestamp
  ) throws(HubError) {
    guard after.modelID != nil else { return }
    try emit(.updateDigitalTwin, of: after.key, at: now, twin: after) { () throws(HubError) in
      let operations = JSONPatch.operations(
        from: try DigitalTwin(before).json(),
        to: try DigitalTwin(after).json()
      )
      return operations.isEmpty ? nil : JSON.bytes(.array(operations))
    }
  }
}

extension HubView {
  /// A device's digital twin (contract §7.10).
  ///
  /// - Returns: the JSON text and the twin's ETag, without quotes.
  /// - Throws: 404001 without the device.
  public func digitalTwin(_ deviceID: String) throws(HubError) -> (body: [UInt8], etag: String) {
    let key = IdentityKey(deviceID: deviceID)
    guard let twin = try stored({ storage throws(StorageFault) in try storage.twin(key) }) else {
      throw .noTwin(key)
    }
    return (JSON.bytes(.object(try DigitalTwin(twin).json())), ETags.twin(twin.etagCounter))
  }
}
