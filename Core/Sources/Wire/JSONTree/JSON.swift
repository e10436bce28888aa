public import ByteIO

/// Reading and writing of JSON texts (RFC 8259).
public enum JSON {
  /// Reads the one value that `bytes` hold.
  ///
  /// Strict: UTF-8 without byte order mark, no trailing comma, no lone surrogate, nothing behind the
  /// value. Of members with the same key the last wins, in the place of the first.
  ///
  /// - Throws: the rule that is broken first, with its place.
  public static func parse(
    _ bytes: Span<UInt8>,
    limits: JSONLimits = .default
  ) throws(JSONFault) -> JSONValue {
    guard bytes.count <= limits.maxBytes else {
      throw .tooManyBytes(offset: max(limits.maxBytes, 0))
    }
    var parser = JSONParser(bytes, limits: limits)
    return try parser.document()
  }

  /// Reads the one value that `bytes` hold.
  ///
  /// - Throws: the rule that is broken first, with its place.
  public static func parse(
    _ bytes: [UInt8],
    limits: JSONLimits = .default
  ) throws(JSONFault) -> JSONValue {
    try parse(bytes.span, limits: limits)
  }

  /// Reads the one value that `text` holds.
  ///
  /// - Throws: the rule that is broken first, with its place in the UTF-8 form.
  public static func parse(
    _ text: String,
    limits: JSONLimits = .default
  ) throws(JSONFault) -> JSONValue {
    try parse(text.utf8Span.span, limits: limits)
  }

  /// Appends the compact form of `value`, members in their order.
  public static func write(_ value: JSONValue, to sink: inout some ByteSink) {
    JSONWriter(order: .asIs, indentation: nil).write(value, depth: 0, to: &sink)
  }

  /// Appends the compact form of `object`, members in their order.
  public static func write(_ object: JSONObject, to sink: inout some ByteSink) {
    write(.object(object), to: &sink)
  }

  /// The compact form of `value` as UTF-8.
  public static func bytes(_ value: JSONValue) -> [UInt8] {
    var writer = ByteWriter(capacity: 64)
    write(value, to: &writer)
    return writer.bytes
  }

  /// The compact form of `value`.
  public static func text(_ value: JSONValue) -> String {
    String(decoding: bytes(value), as: UTF8.self)
  }

  /// The compact form with members sorted by their keys' Unicode scalars, as UTF-8.
  ///
  /// Equal values have equal canonical forms. Numbers stay as written.
  public static func canonicalBytes(_ value: JSONValue) -> [UInt8] {
    var writer = ByteWriter(capacity: 64)
    JSONWriter(order: .sorted, indentation: nil).write(value, depth: 0, to: &writer)
    return writer.bytes
  }

  /// The compact form with members sorted by their keys' Unicode scalars.
  public static func canonicalText(_ value: JSONValue) -> String {
    String(decoding: canonicalBytes(value), as: UTF8.self)
  }

  /// The form for people: a member a line, two spaces a level.
  public static func prettyText(_ value: JSONValue) -> String {
    var writer = ByteWriter(capacity: 64)
    JSONWriter(order: .asIs, indentation: 2).write(value, depth: 0, to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
