public import HubContract
public import JSONTree

/// What the service side wants of a digital twin: a JSON Patch (RFC 6902) of `add`, `replace` and
/// `remove`, each of one property or one component (contract §7.10).
public struct DigitalTwinPatch: Equatable, Sendable {
  enum Verb: String {
    case add
    case replace
    case remove
  }

  struct Operation: Equatable, Sendable {
    var verb: Verb
    /// A property or component of the root, or a component and its property.
    var path: JSONPointer
    /// What is set; nil for `remove`.
    var value: JSONValue?
  }

  /// The most operations of a patch: more than the desired properties have room for.
  public static let operationLimit = 1000
  /// Longest name of a property, component or field, in characters.
  private static let nameLength = 64
  /// The most objects in each other in a property's value.
  private static let depthLimit = 5

  private(set) var operations: [Operation] = []

  /// Reads the body of PATCH.
  ///
  /// - Throws: 400012 for what is no JSON Patch, 400004 for one that digital twins do not take; with the
  ///   number of the operation, counted from 0, its path, and how to mend it.
  public init(body: JSONValue) throws(HubError) {
    guard let elements = body.arrayValue else {
      throw HubError(
        .deserializationError,
        #"The body must be a JSON Patch: an array of operations like {"op":"add","path":"/name","value":1}."#
      )
    }
    guard elements.count <= Self.operationLimit else {
      throw HubError(
        .argumentInvalid,
        "The patch has \(elements.count) operations; at most \(Self.operationLimit) are accepted."
      )
    }
    for (index, element) in elements.enumerated() {
      operations.append(try Self.operation(element, index))
    }
  }

  private static func operation(
    _ element: JSONValue,
    _ index: Int
  ) throws(HubError) -> Operation {
    let fields = try BodyFields(element, path: "[\(index)]")
    let name = try fields.requiredString("op")
    guard let verb = Verb(rawValue: name) else {
      throw HubError(
        .argumentInvalid,
        "[\(index)].op must be add, replace or remove; digital twins take no other operation."
      )
    }
    let text = try fields.requiredString("path")
    guard let path = JSONPointer(text), (1...2).contains(path.names.count) else {
      throw HubError(
        .argumentInvalid,
        "[\(index)].path must be /<property>, /<component> or /<component>/<property>."
      )
    }
    for name in path.names where !isName(name) {
      throw HubError(.argumentInvalid, "[\(index)].path: \(nameRule)")
    }
    guard verb != .remove else { return Operation(verb: verb, path: path) }
    let place = "[\(index)] \(path.text)"
    guard let value = element["value"] else {
      throw HubError(.argumentNull, "\(place): value is missing; send one, or op remove.")
    }
    if let component = component(value), path.names.count == 1 {
      guard value["$metadata"]?.objectValue?.isEmpty == true else {
        throw HubError(.argumentInvalid, "\(place)/$metadata must be an empty object.")
      }
      for (name, property) in component {
        try check(name, property, at: "\(place)/\(shown(name))", depth: 0)
      }
    } else {
      try check(value, at: place, depth: 0)
    }
    return Operation(verb: verb, path: path, value: value)
  }

  /// The properties of `value` if it is a component: an object with `$metadata`.
  static func component(_ value: JSONValue) -> JSONObject? {
    guard var object = value.objectValue, object.contains("$metadata") else { return nil }
    object["$metadata"] = nil
    return object
  }

  private static func check(
    _ name: String,
    _ value: JSONValue,
    at place: String,
    depth: Int
  ) throws(HubError) {
    guard isName(name) else { throw HubError(.argumentInvalid, "\(place): \(nameRule)") }
    try check(value, at: place, depth: depth)
  }

  private static func check(_ value: JSONValue, at place: String, depth: Int) throws(HubError) {
    switch value {
    case .bool, .number, .string: return
    case .null:
      throw HubError(.argumentInvalid, "\(place): null is no value; remove the property instead.")
    case .array:
      throw HubError(
        .argumentInvalid,
        "\(place): arrays are no values of properties; use an object with a name for each element."
      )
    case .object(let object):
      guard depth < depthLimit else {
        throw HubError(
          .argumentInvalid,
          "\(place): objects are nested deeper than \(depthLimit) levels."
        )
      }
      for (name, field) in object {
        try check(name, field, at: "\(place)/\(shown(name))", depth: depth + 1)
      }
    }
  }

  private static let nameRule =
    "a name is 1 to \(nameLength) ASCII letters, digits and _, begins with a letter and does not end with _."

  /// Whether models allow `text` as a name.
  private static func isName(_ text: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
    guard text.utf8.count <= nameLength, let first = text.utf8.first, isLetter(first) else {
      return false
    }
    return text.utf8.last != UInt8(ascii: "_")
      && text.utf8.allSatisfy {
        isLetter($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_")
      }
  }

  /// A name that may be anything, for a message.
  private static func shown(_ name: String) -> Substring { name.prefix(nameLength) }
}
