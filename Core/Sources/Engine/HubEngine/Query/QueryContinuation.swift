internal import ByteIO
internal import HubContract

/// Where a query goes on: the content of `x-ms-continuation`.
///
/// Bound to the query's text and protected against being cut or mixed up, not against forgery: who
/// forges one only begins at another row of what the same credential may read anyway.
///
///     version 1 · CRC of the query 4 · position 1+… · rows left of TOP 8 · CRC of all before 4
struct QueryContinuation: Equatable {
  /// Where the next page begins.
  enum Position: Equatable {
    /// Behind the row of this identity.
    case after(IdentityKey)
    /// With this group of an aggregation, counted from 0.
    case group(Int)
  }

  var position: Position
  /// Rows that TOP still allows, `.max` without TOP.
  var rowsLeft: Int

  private static let version: UInt8 = 1

  /// The text of the header.
  func text(query: String) -> String {
    let checksum = CRC32C()
    var out = ByteWriter(capacity: 64)
    out.uint8(Self.version)
    out.uint32(checksum.checksum([UInt8](query.utf8).span))
    switch position {
    case .after(let key):
      out.uint8(0)
      for id in [key.deviceID, key.moduleID ?? ""] {
        out.uint8(UInt8(truncatingIfNeeded: id.utf8.count))
        out.utf8(id)
      }
    case .group(let index):
      out.uint8(1)
      out.uint64(UInt64(clamping: index))
    }
    out.uint64(UInt64(clamping: rowsLeft))
    out.uint32(checksum.checksum(out.bytes.span))
    return Base64.encode(out.bytes)
  }

  /// Reads the header of a request for `query`; nil if it is none of this query's.
  init?(text: String, query: String) {
    guard text.utf8.count <= 1024, let bytes = Base64.decode(text), bytes.count > 4 else {
      return nil
    }
    let checksum = CRC32C()
    var reader = ByteReader(bytes.span)
    guard reader.uint8() == Self.version,
      reader.uint32() == checksum.checksum([UInt8](query.utf8).span),
      let kind = reader.uint8()
    else { return nil }
    switch kind {
    case 0:
      guard let deviceLength = reader.uint8(), let device = reader.range(Int(deviceLength)),
        let moduleLength = reader.uint8(), let module = reader.range(Int(moduleLength)),
        let deviceID = String(validating: bytes[device], as: UTF8.self),
        let moduleID = String(validating: bytes[module], as: UTF8.self)
      else { return nil }
      position = .after(
        IdentityKey(deviceID: deviceID, moduleID: moduleID.isEmpty ? nil : moduleID)
      )
    case 1:
      guard let index = reader.uint64() else { return nil }
      position = .group(Int(clamping: index))
    default: return nil
    }
    guard let left = reader.uint64() else { return nil }
    rowsLeft = Int(clamping: left)
    let end = reader.position
    guard reader.uint32() == checksum.checksum(bytes.span.extracting(..<end)),
      reader.remaining == 0
    else {
      return nil
    }
  }

  init(_ position: Position, rowsLeft: Int) {
    self.position = position
    self.rowsLeft = rowsLeft
  }
}
