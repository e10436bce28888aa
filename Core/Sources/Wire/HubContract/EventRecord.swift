public import ByteIO

/// What an event tells about (contract §8.4, §9.3).
public enum EventSource: UInt8, Sendable, CaseIterable {
  /// A message of a device or module.
  case telemetry = 1
  /// A twin changed.
  case twinChange = 2
  /// An identity was created or deleted.
  case deviceLifecycle = 3
  /// A client connected or disconnected.
  case deviceConnectionState = 4
  /// A digital twin changed.
  case digitalTwinChange = 5
  /// A job's step ended.
  case deviceJobLifecycle = 6

  /// The text of annotation `iothub-message-source`.
  public var name: String {
    switch self {
    case .telemetry: "Telemetry"
    case .twinChange: "twinChangeEvents"
    case .deviceLifecycle: "deviceLifecycleEvents"
    case .deviceConnectionState: "deviceConnectionStateEvents"
    case .digitalTwinChange: "digitalTwinChangeEvents"
    case .deviceJobLifecycle: "deviceJobLifecycleEvents"
    }
  }
}

/// What was special about how an event came.
public struct EventFlags: OptionSet, Hashable, Sendable {
  /// The bits, as they stand in a record.
  public let rawValue: UInt8

  /// Creates flags of bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// It was published with the retain flag: application property `mqtt-retain` (contract §3.3).
  public static let retain = EventFlags(rawValue: 1)
  /// It is a connection's will: application property `iothub-MessageType` (contract §3.8).
  public static let will = EventFlags(rawValue: 2)
  /// An edge hub sent it for a child, so that `$.cdid` and `$.cmid` are believed (contract §3.4).
  public static let onBehalfOfChild = EventFlags(rawValue: 4)
  /// The record says where it goes; without it, to the built-in stream alone.
  public static let routed = EventFlags(rawValue: 8)
}

/// Writes events in the form that the message log stores.
///
/// Version 1, integers little-endian:
///
///     version 1 · source 1 · flags 1
///     authentication method 1 (scope, type << 2, issuer << 4; 0 = none)
///     device ID 1+n · module ID 1+n · generation ID 1+n · model ID 2+n   (empty = none)
///     if flag 8 is set: destinations 4 · enrichments 4+n
///     property bag 4+n, as it came · body, the rest
///
/// Each enrichment: destinations 4 · name 1+n · value 2+n.
/// Time, offset and sequence number are the log's own.
public enum EventEncoder {
  /// The version that is written.
  public static let version: UInt8 = 1

  /// Bytes that `append` will write.
  @inlinable
  public static func byteCount(
    stamp: EventStamp,
    routing: EventRouting = .builtIn,
    bagBytes: Int,
    bodyBytes: Int
  ) -> Int {
    7 + stamp.byteCount + routing.byteCount + bagBytes + bodyBytes
  }

  /// Appends one event; copies, allocates nothing beyond the sink's own growth.
  @inlinable
  public static func append(
    stamp: EventStamp,
    source: EventSource = .telemetry,
    flags: EventFlags = [],
    routing: EventRouting = .builtIn,
    bag: Span<UInt8>,
    body: Span<UInt8>,
    to sink: inout some ByteSink
  ) {
    let isBuiltIn = routing.isBuiltIn
    if source == .telemetry, flags.isEmpty, isBuiltIn {
      sink.append(stamp.telemetryHead.span)
    } else {
      sink.uint8(version)
      sink.uint8(source.rawValue)
      sink.uint8(isBuiltIn ? flags.rawValue : flags.rawValue | EventFlags.routed.rawValue)
      sink.append(stamp.bytes.span)
      if !isBuiltIn {
        sink.uint32LE(routing.destinations.rawValue)
        sink.uint32LE(UInt32(truncatingIfNeeded: routing.enrichments.count))
        sink.append(routing.enrichments.span)
      }
    }
    sink.uint32LE(UInt32(truncatingIfNeeded: bag.count))
    sink.append(bag)
    sink.append(body)
  }
}
