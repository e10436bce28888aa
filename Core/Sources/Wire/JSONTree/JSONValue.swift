/// One JSON value (RFC 8259 §3).
///
/// Equality is exact: strings by their Unicode scalars (not by canonical equivalence, under which
/// two keys that differ on the wire would be one), numbers by their text, objects in any order.
public enum JSONValue: Sendable {
  /// The literal `null`.
  case null
  /// The literals `true` and `false`.
  case bool(Bool)
  /// A number, kept as it was written.
  case number(JSONNumber)
  /// A string without its quotes and escapes.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object.
  case object(JSONObject)

  /// An integer number.
  @inlinable public static func int(_ value: Int64) -> JSONValue { .number(JSONNumber(value)) }

  /// A number from a double, `null` where the value is infinite or not a number.
  public static func double(_ value: Double) -> JSONValue {
    JSONNumber(double: value).map(JSONValue.number) ?? .null
  }
}

extension JSONValue: Equatable {
  /// Whether both are the same value; see the type for what counts as the same.
  public static func == (first: JSONValue, second: JSONValue) -> Bool {
    switch (first, second) {
    case (.null, .null): true
    case (.bool(let one), .bool(let other)): one == other
    case (.number(let one), .number(let other)): one == other
    case (.string(let one), .string(let other)): one.ordinallyEquals(other)
    case (.array(let one), .array(let other)): one == other
    case (.object(let one), .object(let other)): one == other
    default: false
    }
  }
}

extension JSONValue {
  /// Whether this is `null`.
  public var isNull: Bool { if case .null = self { true } else { false } }

  /// The truth value, nil if this is something else.
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The number, nil if this is something else.
  public var numberValue: JSONNumber? { if case .number(let value) = self { value } else { nil } }

  /// The number as an integer, nil if this is no number, has a fraction or an exponent, or is
  /// beyond 64 bits.
  public var int64Value: Int64? { numberValue?.integer }

  /// The number as a double, nil if this is something else.
  public var doubleValue: Double? { numberValue?.double }

  /// The string, nil if this is something else.
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }

  /// The elements, nil if this is no array.
  public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

  /// The object, nil if this is something else.
  public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }

  /// The member called `key`, nil if this is no object or has no such member.
  public subscript(key: String) -> JSONValue? { objectValue?[key] }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// The value `null`.
  public init(nilLiteral: ()) { self = .null }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An integer number.
  public init(integerLiteral value: Int64) { self = .int(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// An array.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object; of members with the same key the last wins.
  public init(dictionaryLiteral members: (String, JSONValue)...) {
    self = .object(JSONObject(members.lazy.map { (key: $0.0, value: $0.1) }))
  }
}
