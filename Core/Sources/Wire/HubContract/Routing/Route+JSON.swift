public import JSONTree

extension Route {
  /// Reads a route's JSON form.
  ///
  /// - Throws: 400012, 400005 or 400004, with the member that is wrong.
  public init(json: JSONValue) throws(HubError) { self = try Route(try BodyFields(json)) }

  init(_ fields: BodyFields) throws(HubError) {
    let sourceName = try fields.requiredString("source")
    guard let source = EventSource(routeName: sourceName) else {
      let names = EventSource.allCases.map(\.routeName).joined(separator: ", ")
      throw fields.invalid("source", "must be one of \(names).")
    }
    self.init(
      name: try fields.routingName("name"),
      source: source,
      condition: try fields.string("condition") ?? "true",
      endpointNames: try fields.strings("endpointNames") ?? [],
      isEnabled: try fields.bool("isEnabled") ?? true
    )
  }

  /// Reads the fallback route, of which only the endpoint and whether it is in use can be chosen.
  init(fallback fields: BodyFields) throws(HubError) {
    self = .fallback
    if let source = try fields.nonEmptyString("source"),
      EventSource(routeName: source) != .telemetry
    {
      throw fields.invalid("source", "must be DeviceMessages.")
    }
    if let condition = try fields.nonEmptyString("condition"), condition != "true" {
      throw fields.invalid("condition", "must be true.")
    }
    if let names = try fields.strings("endpointNames") { endpointNames = names }
    isEnabled = try fields.bool("isEnabled") ?? true
  }

  /// The JSON form.
  public var json: JSONValue {
    [
      "name": .string(name), "source": .string(source.routeName),
      "condition": .string(condition),
      "endpointNames": .array(endpointNames.map { .string($0) }), "isEnabled": .bool(isEnabled),
    ]
  }
}

extension Enrichment {
  /// Bytes of a key.
  public static let maximumKeyBytes = 128
  /// Bytes of a value.
  public static let maximumValueBytes = 1024

  init(_ fields: BodyFields) throws(HubError) {
    key = try fields.requiredString("key")
    value = try fields.requiredString("value")
    endpointNames = try fields.strings("endpointNames") ?? []
    guard (1...Self.maximumKeyBytes).contains(key.utf8.count),
      key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
    else {
      throw fields.invalid(
        "key",
        "must be 1 to \(Self.maximumKeyBytes) printable ASCII characters without blank and slash."
      )
    }
    guard value.utf8.count <= Self.maximumValueBytes else {
      throw fields.invalid("value", "is longer than \(Self.maximumValueBytes) bytes.")
    }
  }

  var json: JSONValue {
    [
      "key": .string(key), "value": .string(value),
      "endpointNames": .array(endpointNames.map { .string($0) }),
    ]
  }
}

extension BodyFields {
  /// A name of a route or endpoint: 1 to 64 letters, digits, `.`, `-` and `_`.
  func routingName(_ key: String) throws(HubError) -> String {
    let name = try requiredString(key)
    guard (1...64).contains(name.utf8.count),
      name.utf8.allSatisfy({ byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      })
    else {
      throw invalid(key, "must be 1 to 64 letters, digits, periods, hyphens and underscores.")
    }
    return name
  }

  /// The objects of an array; none if it is absent.
  func list(_ key: String) throws(HubError) -> [BodyFields] {
    let elements = try value(key, "an array of objects") { $0.arrayValue }
    var items: [BodyFields] = []
    for element in elements ?? [] {
      items.append(try BodyFields(element, path: "\(name(key))[\(items.count)]"))
    }
    return items
  }

  /// An integer within `range`, `standard` if it is absent.
  func integer(
    _ key: String,
    in range: ClosedRange<Int>,
    or standard: Int
  ) throws(HubError) -> Int {
    guard let number = try integer(key) else { return standard }
    guard let value = Int(exactly: number), range.contains(value) else {
      throw invalid(key, "must be \(range.lowerBound) to \(range.upperBound).")
    }
    return value
  }
}
