internal import ByteIO
internal import JSONTree

/// What an edge knows of one twin, and keeps on the disk.
///
/// The reported properties are what the service holds, `base`, changed first by the patch that is under
/// way and then by the one that waits. The first is left as it is until it is answered: sent twice it
/// does what it does once, and the second is made for what it leaves behind.
///
/// Documents stay texts and are parsed on use: a thousand twins are kept, and few change at once.
struct CachedTwin: Equatable, Sendable {
  /// The most bytes of a document, whatever its escapes: the size of a section counts characters.
  static let maximumDocumentBytes = 200_000
  /// The most bytes of a patch that waits.
  static let maximumPatchBytes = 100_000

  private static let empty = Array("{}".utf8)
  private static let recordVersion: UInt8 = 1

  /// Whether the whole twin was read once.
  var isKnown = false
  /// Version of the desired properties, 0 while they are not known.
  var desiredVersion: UInt64 = 0
  var desired = Self.empty
  /// What the client has of the desired properties, nil if it has confirmed the known ones: exactly
  /// this, or one of those on the way from here, whose members are all in this.
  var seen: [UInt8]?
  /// Whether changes were handed to the client that it has not confirmed.
  var isUncertain = false
  /// Version of the reported properties as clients are told; it never falls.
  var reportedVersion: UInt64 = 0
  /// The service's version of them, as last heard.
  var upstreamVersion: UInt64 = 0
  /// The reported properties that the service holds, as far as is known.
  var base = Self.empty
  /// The patch that was sent and not yet answered.
  var sent: [UInt8]?
  /// What has changed since.
  var pending: [UInt8]?

  /// Whether something has to go upstream.
  var hasChanges: Bool { sent != nil || pending != nil }

  /// The object that a text of this record holds; these were written here or checked when read.
  static func object(_ text: [UInt8]) -> JSONObject {
    (try? JSON.parse(text, limits: .stored))?.objectValue ?? JSONObject()
  }

  /// Makes one patch of both again, because the first was refused.
  ///
  /// An earlier try of it may have arrived all the same; so what it would have added counts as the
  /// service's, that a later patch may delete it.
  mutating func rejoin() {
    guard let sent else { return }
    let base = Self.object(self.base).union(sentReported)
    var patch = Self.object(sent)
    if let pending { patch.append(patch: Self.object(pending), onto: base) }
    self.base = JSON.bytes(.object(base))
    self.sent = nil
    pending = JSON.bytes(.object(patch))
  }

  /// The reported properties once `sent` has arrived.
  var sentReported: JSONObject {
    var object = Self.object(base)
    if let sent { object.merge(patch: Self.object(sent)) }
    return object
  }

  /// The reported properties as the client has made them.
  var reported: JSONObject {
    var object = sentReported
    if let pending { object.merge(patch: Self.object(pending)) }
    return object
  }

  /// Sets the desired properties; `isDelivered` tells that the client is told at once.
  mutating func setDesired(_ object: JSONObject, version: UInt64, isDelivered: Bool) {
    desiredVersion = version
    // An equal document keeps its text, so that nothing need be stored.
    guard object != Self.object(desired) else { return }
    if isDelivered {
      seen = JSON.bytes(.object(Self.object(seen ?? desired).union(object)))
      isUncertain = true
    } else if seen == nil {
      seen = desired
    }
    desired = JSON.bytes(.object(object))
  }

  /// The patch for a client that has `seen`, whatever it has of what came later, nil if it needs none;
  /// it is told at once.
  mutating func catchUp() -> JSONObject? {
    guard let seen else { return nil }
    let (old, new) = (Self.object(seen), Self.object(desired))
    let patch = isUncertain ? new.replacing(old) : old.patch(to: new)
    if patch.isEmpty {
      confirm()
      return nil
    }
    self.seen = JSON.bytes(.object(old.union(new)))
    isUncertain = true
    return patch
  }

  /// The client has the known desired properties.
  mutating func confirm() {
    seen = nil
    isUncertain = false
  }

  /// The whole twin as clients get it.
  var document: [UInt8] {
    var out = ByteWriter(capacity: desired.count + base.count + 80)
    out.utf8(#"{"desired":"#)
    Self.append(desired, version: desiredVersion, to: &out)
    out.utf8(#","reported":"#)
    let isChanged = hasChanges
    Self.append(
      isChanged ? JSON.bytes(.object(reported)) : base,
      version: reportedVersion,
      to: &out
    )
    out.utf8("}")
    return out.bytes
  }

  /// A desired patch as clients get it.
  static func delivery(_ patch: JSONObject, version: UInt64) -> [UInt8] {
    var out = ByteWriter()
    append(JSON.bytes(.object(patch)), version: version, to: &out)
    return out.bytes
  }

  /// The text of an object with its version.
  private static func append(_ object: [UInt8], version: UInt64, to out: inout ByteWriter) {
    out.append(object.span.extracting(droppingLast: 1))
    if object.count > 2 { out.utf8(",") }
    out.utf8("\"$version\":\(version)}")
  }
}

extension CachedTwin {
  private enum Part: UInt8 {
    case known = 1
    case seen = 2
    case sent = 4
    case pending = 8
    case uncertain = 16
  }

  /// The record on the disk.
  ///
  /// A version byte, which parts there are, the versions of desired, reported and reported upstream,
  /// then each text behind its length; all integers are big-endian.
  var record: [UInt8] {
    var out = ByteWriter(capacity: 64 + desired.count + base.count)
    out.uint8(Self.recordVersion)
    var parts: UInt8 = isKnown ? Part.known.rawValue : 0
    if seen != nil { parts |= Part.seen.rawValue }
    if sent != nil { parts |= Part.sent.rawValue }
    if pending != nil { parts |= Part.pending.rawValue }
    if isUncertain { parts |= Part.uncertain.rawValue }
    out.uint8(parts)
    for version in [desiredVersion, reportedVersion, upstreamVersion] { out.uint64(version) }
    for text in [desired, base, seen, sent, pending] {
      guard let text else { continue }
      out.uint32(UInt32(text.count))
      out.append(text)
    }
    return out.bytes
  }

  /// Reads a record.
  ///
  /// - Throws: what is wrong with it.
  init(record: Span<UInt8>) throws(TwinRecordFault) {
    var reader = ByteReader(record)
    guard let version = reader.uint8() else { throw .truncated }
    guard version == Self.recordVersion else { throw .version(version) }
    guard let parts = reader.uint8(), let desiredVersion = reader.uint64(),
      let reportedVersion = reader.uint64(), let upstreamVersion = reader.uint64()
    else { throw .truncated }
    guard parts < Part.uncertain.rawValue << 1 else { throw .unknownParts(parts) }
    self.desiredVersion = desiredVersion
    self.reportedVersion = reportedVersion
    self.upstreamVersion = upstreamVersion
    isKnown = parts & Part.known.rawValue != 0
    isUncertain = parts & Part.uncertain.rawValue != 0
    desired = try Self.text(&reader)
    base = try Self.text(&reader)
    if parts & Part.seen.rawValue != 0 { seen = try Self.text(&reader) }
    if parts & Part.sent.rawValue != 0 { sent = try Self.text(&reader) }
    if parts & Part.pending.rawValue != 0 { pending = try Self.text(&reader) }
    guard reader.remaining == 0 else { throw .trailingBytes(reader.remaining) }
  }

  private static func text(_ reader: inout ByteReader) throws(TwinRecordFault) -> [UInt8] {
    guard let count = reader.uint32() else { throw .truncated }
    guard count <= maximumDocumentBytes else { throw .textTooLong(Int(count)) }
    guard let range = reader.range(Int(count)) else { throw .truncated }
    let text = reader.bytes.extracting(range).array()
    guard let value = try? JSON.parse(text, limits: .stored), case .object = value else {
      throw .noObject
    }
    return text
  }
}

/// Why a stored twin cannot be read.
public enum TwinRecordFault: Error, Equatable, Sendable {
  /// It ends too early.
  case truncated
  /// It is of a version that this program does not know.
  case version(UInt8)
  /// It says that it holds what this program does not know.
  case unknownParts(UInt8)
  /// A text has this many bytes, more than any twin.
  case textTooLong(Int)
  /// A text is no JSON object.
  case noObject
  /// This many bytes follow.
  case trailingBytes(Int)
}

extension JSONObject {
  /// This with the members that only `other` has, at any depth; of scalars the other's count.
  func union(_ other: JSONObject) -> JSONObject {
    var union = self
    for (key, value) in other {
      switch (union[key], value) {
      case (.object(let mine), .object(let theirs)): union[key] = .object(mine.union(theirs))
      // An object's members are what matters: they may have to be deleted.
      case (.object, _): continue
      default: union[key] = value
      }
    }
    return union
  }
}
