public import JSONTree

/// The members of a REST body's object, read by name with faults that say which member and why.
///
/// Null and absent are alike: stock clients send nulls for what their caller left out (contract §7.3).
public struct BodyFields {
  private let object: JSONObject
  private let path: String

  /// Reads `value` as the object at `path`, "" for the body itself.
  ///
  /// - Throws: 400012 for anything but an object.
  public init(_ value: JSONValue, path: String = "") throws(HubError) {
    guard let object = value.objectValue else {
      throw Self.wrongType(path.isEmpty ? "The body" : path, "an object", value)
    }
    self.object = object
    self.path = path.isEmpty ? "" : "\(path)."
  }

  /// The object itself.
  var whole: JSONValue { .object(object) }

  /// The full name of a member, as messages show it.
  public func name(_ key: String) -> String { path + key }

  /// The member, nil if it is null or absent.
  public func value(_ key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  /// Whether there is such a member, be it null.
  public func contains(_ key: String) -> Bool { object.contains(key) }

  /// A string, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  public func string(_ key: String) throws(HubError) -> String? {
    try value(key, "a string") { $0.stringValue }
  }

  /// A string of which the empty one counts as absent.
  func nonEmptyString(_ key: String) throws(HubError) -> String? {
    guard let text = try string(key), !text.isEmpty else { return nil }
    return text
  }

  /// A string that must be there.
  ///
  /// - Throws: 400005 if it is null or absent, 400012 for another type.
  public func requiredString(_ key: String) throws(HubError) -> String {
    guard let text = try string(key) else {
      throw HubError(.argumentNull, "\(name(key)) is missing; send a string.")
    }
    return text
  }

  /// A truth value, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  public func bool(_ key: String) throws(HubError) -> Bool? {
    try value(key, "true or false") { $0.boolValue }
  }

  /// An integer, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  public func integer(_ key: String) throws(HubError) -> Int64? {
    try value(key, "an integer") { $0.int64Value }
  }

  /// An object, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  public func object(_ key: String) throws(HubError) -> JSONObject? {
    try value(key, "an object") { $0.objectValue }
  }

  /// The members of an object, nil if it is null or absent.
  ///
  /// - Throws: 400012 for another type.
  public func fields(_ key: String) throws(HubError) -> BodyFields? {
    guard let value = value(key) else { return nil }
    return try BodyFields(value, path: name(key))
  }

  func strings(_ key: String) throws(HubError) -> [String]? {
    let elements = try value(key, "an array of strings") { $0.arrayValue }
    guard let elements else { return nil }
    var texts: [String] = []
    for element in elements {
      guard let text = element.stringValue else {
        throw Self.wrongType("\(name(key))[\(texts.count)]", "a string", element)
      }
      texts.append(text)
    }
    return texts
  }

  /// An array of strings that must be there.
  ///
  /// - Throws: 400005 if it is null or absent, 400012 for another type.
  public func requiredStrings(_ key: String) throws(HubError) -> [String] {
    guard let texts = try strings(key) else {
      throw HubError(.argumentNull, "\(name(key)) is missing; send an array of strings.")
    }
    return texts
  }

  /// The member as what `read` makes of it, which must be what `expected` says; nil if it is null or
  /// absent.
  ///
  /// - Throws: 400012 where `read` gives nil.
  public func value<Value>(
    _ key: String,
    _ expected: String,
    _ read: (JSONValue) -> Value?
  ) throws(HubError) -> Value? {
    guard let value = value(key) else { return nil }
    guard let found = read(value) else { throw Self.wrongType(name(key), expected, value) }
    return found
  }

  /// A refusal of a member's value.
  public func invalid(_ key: String, _ reason: String) -> HubError {
    HubError(.argumentInvalid, "\(name(key)) \(reason)")
  }

  // The value itself is not shown: it may be a key.
  static func wrongType(_ place: String, _ expected: String, _ value: JSONValue) -> HubError {
    let found =
      switch value {
      case .null: "null"
      case .bool: "a truth value"
      case .number: "a number"
      case .string: "a string"
      case .array: "an array"
      case .object: "an object"
      }
    return HubError(.deserializationError, "\(place) must be \(expected), but is \(found).")
  }
}
