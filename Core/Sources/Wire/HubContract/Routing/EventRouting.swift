internal import ByteIO

/// What routing decided for one event: where it goes, and what is added to it there.
///
/// It stands in the record, so that a later change of the routes changes nothing about events that
/// were accepted before. An event that goes to the built-in stream alone, as it came, has no trace
/// of it.
public struct EventRouting: Equatable, Sendable {
  /// Where the event goes.
  public private(set) var destinations: EventDestinations
  /// The encoded enrichments; see `EventEncoder`.
  @usableFromInline private(set) var enrichments: [UInt8] = []

  /// To the built-in stream alone, as it came.
  public static let builtIn = EventRouting(.events)

  /// To `destinations`, as it came.
  public init(_ destinations: EventDestinations) { self.destinations = destinations }

  /// To `destinations`, with bytes that mean something to them alone: an edge's own queues.
  public init(_ destinations: EventDestinations, opaque bytes: [UInt8]) {
    self.destinations = destinations
    enrichments = bytes
  }

  /// Whether the record needs no trace of it.
  @inlinable public var isBuiltIn: Bool { destinations == .events && enrichments.isEmpty }

  /// Whether the record goes nowhere.
  @inlinable public var isNowhere: Bool { destinations.isEmpty && enrichments.isEmpty }

  /// Bytes that it takes in a record.
  @inlinable public var byteCount: Int { isBuiltIn ? 0 : 8 + enrichments.count }

  /// Adds an application property at `destinations`.
  ///
  /// What a record can't hold is cut: names beyond 255 bytes, values beyond 65,535.
  public mutating func enrich(_ name: String, _ value: String, at destinations: EventDestinations) {
    var writer = ByteWriter(capacity: 64)
    let key = [UInt8](name.utf8.prefix(255))
    let text = [UInt8](value.utf8.prefix(Int(UInt16.max)))
    writer.uint32LE(destinations.rawValue)
    writer.uint8(UInt8(truncatingIfNeeded: key.count))
    writer.append(key)
    writer.uint16LE(UInt16(truncatingIfNeeded: text.count))
    writer.append(text)
    enrichments += writer.bytes
  }

  /// Takes destinations out, with what was added for them alone.
  public mutating func remove(_ removed: EventDestinations) {
    destinations.subtract(removed)
  }

  /// Reads the encoded enrichments of `bytes` that are for `destination`.
  static func enrichments(
    _ bytes: Span<UInt8>,
    at destination: EventDestinations
  ) -> [MessageProperty] {
    var reader = ByteReader(bytes)
    var found: [MessageProperty] = []
    // Bytes that end early were written by nobody; what is whole counts.
    while let mask = reader.uint32LE(), let keyCount = reader.uint8(),
      let key = reader.range(Int(keyCount)), let valueCount = reader.uint16LE(),
      let value = reader.range(Int(valueCount))
    {
      guard !destination.isDisjoint(with: EventDestinations(rawValue: mask)) else { continue }
      found.append(
        MessageProperty(
          String(decoding: bytes.extracting(key).array(), as: UTF8.self),
          String(decoding: bytes.extracting(value).array(), as: UTF8.self)
        )
      )
    }
    return found
  }
}
