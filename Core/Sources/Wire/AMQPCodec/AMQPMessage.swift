internal import ByteIO

/// A message's sections (AMQP 1.0 part 3 §3.2).
public struct AMQPMessage: Equatable, Sendable {
  /// What the message carries.
  public enum Body: Equatable, Sendable {
    /// One or more data sections; none reads as one that is empty.
    case data([[UInt8]])
    /// One value.
    case value(AMQPValue)
    /// One or more sequences.
    case sequences([[AMQPValue]])
  }

  /// The number of each section.
  public enum Section {
    /// The section `header`.
    public static let header: UInt8 = 0x70
    /// The section `delivery-annotations`.
    public static let deliveryAnnotations: UInt8 = 0x71
    /// The section `message-annotations`.
    public static let messageAnnotations: UInt8 = 0x72
    /// The section `properties`.
    public static let properties: UInt8 = 0x73
    /// The section `application-properties`.
    public static let applicationProperties: UInt8 = 0x74
    /// The section `data`.
    public static let data: UInt8 = 0x75
    /// The section `amqp-sequence`.
    public static let sequence: UInt8 = 0x76
    /// The section `amqp-value`.
    public static let value: UInt8 = 0x77
    /// The section `footer`.
    public static let footer: UInt8 = 0x78
  }

  /// The fields of the header as they came: durable, priority, ttl, first-acquirer, delivery-count.
  public var header: [AMQPValue] = []
  /// Annotations for the next hop.
  public var deliveryAnnotations = AMQPMap()
  /// Annotations of the infrastructure.
  public var messageAnnotations = AMQPMap()
  /// The standard properties.
  public var properties = MessageProperties()
  /// The application's own properties.
  public var applicationProperties = AMQPMap()
  /// What it carries.
  public var body: Body

  /// Creates a message with a body.
  public init(body: Body = .data([])) { self.body = body }

  /// The body's bytes: all data sections one after the other, or the bytes of a binary or string
  /// value; nil for anything else.
  public var payload: [UInt8]? {
    switch body {
    case .data(let sections): sections.count == 1 ? sections[0] : sections.flatMap { $0 }
    case .value(.binary(let bytes)): bytes
    case .value(.string(let text)): Array(text.utf8)
    case .value(.null): []
    case .value, .sequences: nil
    }
  }

  private static let names: [(String, UInt64)] = [
    ("amqp:header:list", 0x70), ("amqp:delivery-annotations:map", 0x71),
    ("amqp:message-annotations:map", 0x72), ("amqp:properties:list", 0x73),
    ("amqp:application-properties:map", 0x74), ("amqp:data:binary", 0x75),
    ("amqp:amqp-sequence:list", 0x76), ("amqp:amqp-value:*", 0x77), ("amqp:footer:map", 0x78),
  ]

  /// Reads a whole message.
  ///
  /// - Throws: What is wrong with it, or what is more than `limits`.
  public init(_ bytes: Span<UInt8>, limits: AMQPLimits = AMQPLimits()) throws(AMQPFault) {
    var reader = AMQPReader(bytes, limits: limits)
    var last: UInt8 = 0
    var data: [[UInt8]] = []
    var sequences: [[AMQPValue]] = []
    var value: AMQPValue?
    while !reader.isAtEnd {
      let descriptor = try reader.descriptor()
      guard let code = AMQPReader.code(of: descriptor, names: Self.names),
        let section = UInt8(exactly: code), Section.header...Section.footer ~= section
      else { throw .unexpectedSection }
      let repeats =
        section == last && (section == Section.data || section == Section.sequence)
      guard section > last || repeats else { throw .unexpectedSection }
      // A body is of one kind (§3.2).
      let isBody = Section.data...Section.value ~= section
      guard !isBody || repeats || last < Section.data else { throw .unexpectedSection }
      last = section
      if section == Section.data {
        data.append(bytes.extracting(try reader.binaryRange()).array())
        continue
      }
      switch (section, try reader.value()) {
      case (Section.header, .list(let fields)): header = fields
      case (Section.deliveryAnnotations, .map(let map)): deliveryAnnotations = map
      case (Section.messageAnnotations, .map(let map)): messageAnnotations = map
      case (Section.properties, .list(let fields)): properties = try MessageProperties(fields)
      case (Section.applicationProperties, .map(let map)): applicationProperties = map
      case (Section.sequence, .list(let values)): sequences.append(values)
      case (Section.value, let any): value = any
      case (Section.footer, .map): break
      default: throw .unexpectedType
      }
    }
    if let value {
      body = .value(value)
    } else {
      body = sequences.isEmpty ? .data(data) : .sequences(sequences)
    }
  }

  /// Appends the message; sections that are empty are left out, a body is always there.
  public func write(to writer: inout AMQPWriter) {
    if !header.isEmpty {
      writer.descriptor(Section.header)
      writer.list(header)
    }
    Self.section(Section.deliveryAnnotations, deliveryAnnotations, to: &writer)
    Self.section(Section.messageAnnotations, messageAnnotations, to: &writer)
    if properties != MessageProperties() {
      writer.descriptor(Section.properties)
      writer.list(properties.fields)
    }
    Self.section(Section.applicationProperties, applicationProperties, to: &writer)
    switch body {
    case .data(let sections):
      for data in sections.isEmpty ? [[]] : sections {
        writer.descriptor(Section.data)
        writer.binary(data.span)
      }
    case .value(let value):
      writer.descriptor(Section.value)
      writer.value(value)
    case .sequences(let sequences):
      for values in sequences {
        writer.descriptor(Section.sequence)
        writer.list(values)
      }
    }
  }

  /// The encoded message.
  public var encoded: [UInt8] {
    var writer = AMQPWriter(capacity: 256)
    write(to: &writer)
    return writer.bytes
  }

  private static func section(_ code: UInt8, _ map: AMQPMap, to writer: inout AMQPWriter) {
    guard !map.isEmpty else { return }
    writer.descriptor(code)
    writer.map(map)
  }
}
