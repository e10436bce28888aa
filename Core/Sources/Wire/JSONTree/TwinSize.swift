/// The size of a twin section as its limit counts it (hub contract section 7.5).
public enum TwinSize {
  /// The sum of all key lengths and leaf values.
  ///
  /// A key counts its UTF-8 bytes, once, at whatever depth. A string counts its characters (Unicode
  /// scalars) less the control characters, a number 8, a truth value 4, null nothing; arrays and
  /// objects count what they hold.
  public static func bytes(of object: JSONObject) -> Int {
    var sum = 0
    for member in object.members { sum += member.key.utf8.count + size(member.value) }
    return sum
  }

  private static func size(_ value: JSONValue) -> Int {
    switch value {
    case .null: return 0
    case .bool: return 4
    case .number: return 8
    case .string(let text):
      var count = 0
      for scalar in text.unicodeScalars where !isControl(scalar) { count += 1 }
      return count
    case .array(let elements):
      var sum = 0
      for element in elements { sum += size(element) }
      return sum
    case .object(let inner): return bytes(of: inner)
    }
  }

  /// C0, DEL and C1, the control characters of Unicode.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
  }
}
