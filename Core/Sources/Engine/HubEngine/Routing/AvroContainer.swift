/// An Avro object container file of routed messages, without compression (Avro 1.11 specification,
/// "Object Container Files").
///
/// The file is its header and any number of blocks, one behind the other: each block is whole by itself.
public struct AvroContainer: Equatable, Sendable {
  /// The schema of the records: the one that the original writes.
  public static let schema =
    #"{"type":"record","name":"Message","namespace":"Microsoft.Azure.Devices","fields":["#
    + #"{"name":"EnqueuedTimeUtc","type":"string"},"#
    + #"{"name":"Properties","type":{"type":"map","values":"string"}},"#
    + #"{"name":"SystemProperties","type":{"type":"map","values":"string"}},"#
    + #"{"name":"Body","type":["null","bytes"]}]}"#

  /// Bytes of a synchronization marker.
  public static let markerByteCount = 16

  private let marker: [UInt8]

  /// Begins a file whose blocks end with `marker`, random bytes of which 16 count.
  public init(marker: [UInt8]) {
    let padding = [UInt8](repeating: 0, count: Self.markerByteCount)
    self.marker = Array((marker + padding).prefix(Self.markerByteCount))
  }

  /// The file's first bytes.
  public var header: [UInt8] {
    var writer = AvroWriter()
    writer.raw([UInt8](("Obj\u{1}").utf8))
    writer.map([("avro.schema", Self.schema), ("avro.codec", "null")]) { $0.string($1) }
    writer.raw(marker)
    return writer.bytes
  }

  /// A block of `count` encoded records; nothing for none.
  public func block(_ records: [UInt8], count: Int) -> [UInt8] {
    guard count > 0 else { return [] }
    var writer = AvroWriter()
    writer.long(Int64(count))
    writer.bytes(records)
    writer.raw(marker)
    return writer.bytes
  }
}
