internal import ByteIO

/// What makes stored bytes no event.
public enum EventFault: Error, Equatable, Sendable {
  /// Written by a version that is not known here.
  case unknownVersion(UInt8)
  /// The record ends inside a field that begins at this index.
  case truncated(at: Int)
  /// A field has a value that is never written; the index is the field's.
  case invalidField(at: Int)
}

/// An event read in place from its stored form; see `EventEncoder` for the layout.
///
/// Ranges are of `bytes`. Reading checks every length, so a view's ranges are always inside.
public struct EventView: ~Escapable {
  /// The record.
  public let bytes: Span<UInt8>
  /// What it tells about.
  public let source: EventSource
  /// What was special about it.
  public let flags: EventFlags
  /// How the sender had authenticated; nil for the hub's own events.
  public let authMethod: ConnectionAuthMethod?
  /// Where the device ID is.
  public let deviceIDRange: Range<Int>
  /// Where the module ID is; empty for a device.
  public let moduleIDRange: Range<Int>
  /// Where the generation ID is; may be empty.
  public let generationIDRange: Range<Int>
  /// Where the model ID is; may be empty.
  public let modelIDRange: Range<Int>
  /// Where the event goes.
  public let destinations: EventDestinations
  /// Where the enrichments are; may be empty.
  public let enrichmentRange: Range<Int>
  /// Where the property bag is.
  public let bagRange: Range<Int>
  /// Where the body is.
  public let bodyRange: Range<Int>

  /// Reads a record.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(EventFault) {
    var reader = ByteReader(bytes)
    guard let version = reader.uint8() else { throw .truncated(at: 0) }
    guard version == EventEncoder.version else { throw .unknownVersion(version) }
    guard let sourceCode = reader.uint8(), let flagBits = reader.uint8(),
      let methodCode = reader.uint8()
    else { throw .truncated(at: 1) }
    guard let source = EventSource(rawValue: sourceCode) else { throw .invalidField(at: 1) }
    let method = ConnectionAuthMethod(code: methodCode)
    guard methodCode == 0 || method != nil else { throw .invalidField(at: 3) }
    guard let device = reader.uint8(), let deviceIDRange = reader.range(Int(device)),
      let module = reader.uint8(), let moduleIDRange = reader.range(Int(module)),
      let generation = reader.uint8(), let generationIDRange = reader.range(Int(generation)),
      let model = reader.uint16LE(), let modelIDRange = reader.range(Int(model))
    else { throw .truncated(at: reader.position) }
    var destinations = EventDestinations.events
    var enrichmentRange = reader.position..<reader.position
    if EventFlags(rawValue: flagBits).contains(.routed) {
      guard let mask = reader.uint32LE(), let count = reader.uint32LE(),
        let range = reader.range(Int(count))
      else { throw .truncated(at: reader.position) }
      destinations = EventDestinations(rawValue: mask)
      enrichmentRange = range
    }
    guard let bag = reader.uint32LE(), let bagRange = reader.range(Int(bag)),
      let bodyRange = reader.range(reader.remaining)
    else { throw .truncated(at: reader.position) }
    self.bytes = bytes
    self.source = source
    self.flags = EventFlags(rawValue: flagBits)
    self.authMethod = method
    self.deviceIDRange = deviceIDRange
    self.moduleIDRange = moduleIDRange
    self.generationIDRange = generationIDRange
    self.modelIDRange = modelIDRange
    self.destinations = destinations
    self.enrichmentRange = enrichmentRange
    self.bagRange = bagRange
    self.bodyRange = bodyRange
  }

  /// Where a record goes, by a look at its head; to the built-in stream if it is none that is known.
  public static func destinations(of record: Span<UInt8>) -> EventDestinations {
    guard record.count > 2, EventFlags(rawValue: record[2]).contains(.routed),
      let view = try? EventView(record)
    else { return .events }
    return view.destinations
  }

  /// The sender.
  public var identity: IdentityKey {
    IdentityKey(
      deviceID: text(deviceIDRange),
      moduleID: moduleIDRange.isEmpty ? nil : text(moduleIDRange)
    )
  }

  /// The property bag.
  public var bag: PropertyBag {
    @_lifetime(copy self) get { PropertyBag(bytes.extracting(bagRange)) }
  }

  /// The body.
  public var body: Span<UInt8> {
    @_lifetime(copy self) get { bytes.extracting(bodyRange) }
  }

  func text(_ range: Range<Int>) -> String {
    String(decoding: bytes.extracting(range).array(), as: UTF8.self)
  }
}
