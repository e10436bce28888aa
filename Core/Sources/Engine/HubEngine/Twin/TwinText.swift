internal import ByteIO
internal import HubContract
internal import JSONTree

/// Writes twins in all the shapes in which the contract shows them, out of the stored texts.
enum TwinText {
  /// `{"desired":{…,"$version":n},"reported":{…,"$version":m}}`, for the device (contract §3.6).
  static func forClient(_ twin: TwinRecord) -> [UInt8] {
    var out = ByteWriter(
      capacity: twin.desired.properties.count + twin.reported.properties.count + 80
    )
    out.utf8(#"{"desired":"#)
    section(twin.desired, withMetadata: false, to: &out)
    out.utf8(#","reported":"#)
    section(twin.reported, withMetadata: false, to: &out)
    out.utf8("}")
    return out.bytes
  }

  /// A desired change as the device gets it: `properties` with `$version` inside.
  static func desiredChange(_ properties: [UInt8], version: UInt64) -> [UInt8] {
    var out = ByteWriter(capacity: properties.count + 24)
    open(properties, to: &out)
    out.utf8("\"$version\":\(version)}")
    return out.bytes
  }

  /// `{"desired":{…},"reported":{…}}` with `$metadata` and `$version`.
  static func properties(_ twin: TwinRecord, to out: inout ByteWriter) {
    out.utf8(#"{"desired":"#)
    section(twin.desired, withMetadata: true, to: &out)
    out.utf8(#","reported":"#)
    section(twin.reported, withMetadata: true, to: &out)
    out.utf8("}")
  }

  /// The body of a lifecycle event (contract §9.3).
  static func lifecycle(_ twin: TwinRecord, etag: String) -> [UInt8] {
    var out = ByteWriter(capacity: 256)
    identity(twin.key, to: &out)
    out.utf8(#","etag":""#)
    out.utf8(etag)
    out.utf8("\",\"version\":\(twin.version),\"tags\":")
    out.append(twin.tags)
    out.utf8(#","properties":"#)
    properties(twin, to: &out)
    out.utf8("}")
    return out.bytes
  }

  /// The body of a replacement's event: the whole twin.
  static func replaced(_ twin: TwinRecord) -> [UInt8] {
    lifecycle(twin, etag: ETags.twin(twin.etagCounter))
  }

  /// The body of a patch's event: what changed, with its metadata.
  static func updated(
    _ twin: TwinRecord,
    tags: JSONObject?,
    desired: JSONObject?,
    reported: JSONObject?,
    now: Timestamp
  ) -> [UInt8] {
    var out = ByteWriter(capacity: 256)
    out.utf8("{\"version\":\(twin.version)")
    if let tags {
      out.utf8(#","tags":"#)
      JSON.write(tags, to: &out)
    }
    out.utf8(#","properties":{"#)
    if let desired {
      out.utf8(#""desired":"#)
      let version = twin.desired.version
      let stamps = TwinMetadata(now: now, desiredVersion: version)
      changed(desired, stamps: stamps, version: version, to: &out)
    }
    if let reported {
      if desired != nil { out.utf8(",") }
      out.utf8(#""reported":"#)
      let stamps = TwinMetadata(now: now, desiredVersion: nil)
      changed(reported, stamps: stamps, version: twin.reported.version, to: &out)
    }
    out.utf8("}}")
    return out.bytes
  }

  /// `"deviceId":"…"` and, for a module, `"moduleId":"…"` behind an opening brace.
  static func identity(_ key: IdentityKey, to out: inout ByteWriter) {
    out.utf8(#"{"deviceId":"#)
    JSON.write(.string(key.deviceID), to: &out)
    if let moduleID = key.moduleID {
      out.utf8(#","moduleId":"#)
      JSON.write(.string(moduleID), to: &out)
    }
  }

  private static func section(
    _ section: TwinSection,
    withMetadata: Bool,
    to out: inout ByteWriter
  ) {
    open(section.properties, to: &out)
    if withMetadata {
      out.utf8(#""$metadata":"#)
      out.append(section.metadata)
      out.utf8(",")
    }
    out.utf8("\"$version\":\(section.version)}")
  }

  private static func changed(
    _ patch: JSONObject,
    stamps: TwinMetadata,
    version: UInt64,
    to out: inout ByteWriter
  ) {
    open(JSON.bytes(.object(patch)), to: &out)
    out.utf8(#""$metadata":"#)
    JSON.write(stamps.entries(of: patch), to: &out)
    out.utf8(",\"$version\":\(version)}")
  }

  /// The text of an object less its closing brace, with a comma if members precede.
  private static func open(_ object: [UInt8], to out: inout ByteWriter) {
    out.append(object.span.extracting(droppingLast: 1))
    if object.count > 2 { out.utf8(",") }
  }
}
