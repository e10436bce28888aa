internal import HubContract
internal import JSONTree

extension TwinSection {
  /// Applies a checked patch and counts the version up.
  ///
  /// - Throws: 400004 if the section would grow above its limit; it then stays as it was.
  mutating func apply(
    patch: JSONObject,
    replacing: Bool,
    limits: TwinLimits,
    now: Timestamp
  ) throws(HubError) {
    var merged = JSONObject()
    if replacing {
      merged = patch.withoutNulls()
    } else {
      merged = try Self.object(properties)
      merged.merge(patch: patch)
    }
    try limits.checkSize(of: merged)
    let next = version &+ 1
    let stamps = TwinMetadata(
      now: now,
      desiredVersion: limits.section == .desired ? next : nil
    )
    var entries = JSONObject()
    if replacing {
      entries = stamps.entries(of: merged)
    } else {
      entries = try Self.object(metadata)
      stamps.merge(patch, into: &entries)
    }
    properties = JSON.bytes(.object(merged))
    metadata = JSON.bytes(.object(entries))
    version = next
  }

  /// Reads a text of this record.
  ///
  /// - Throws: 500001 if it is not what was once written.
  static func object(_ text: [UInt8]) throws(HubError) -> JSONObject {
    guard let value = try? JSON.parse(text), let object = value.objectValue else {
      throw HubError(.serverError, "A stored twin is damaged; the hub's log says more.")
    }
    return object
  }
}
