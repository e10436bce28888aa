import JSONTree

extension Function {
  /// The function's value for `arguments`, whose number the compiler has checked.
  ///
  /// An argument of another type, which only a dynamic value can be, makes the result undefined.
  func callAsFunction(_ arguments: ArraySlice<Value>) -> Value {
    let first = arguments.first ?? .undefined
    let second = arguments.dropFirst().first ?? .undefined
    switch self {
    case .abs, .exp, .power, .square, .ceiling, .floor, .sign, .sqrt:
      return number(first, second)
    case .asNumber: return Self.number(from: first)
    case .asReal: return Self.real(from: first)
    case .isArray: return .truth(first == .array)
    case .isObject: return .truth(first == .object)
    case .isDefined: return .truth(first.isDefined)
    case .isNull: return .truth(first == .null || first == .missing || first == .valueless)
    case .isBool: return .truth(first.isTruth)
    case .isString: return .truth(first.isText)
    case .isNumber: return .truth(first.double?.isFinite == true)
    case .isPrimitive:
      return .truth(first.isDefined && first != .array && first != .object)
    case .concat: return Self.join(arguments)
    case .substring: return Self.substring(arguments)
    case .length, .lower, .upper, .indexOf, .startsWith, .endsWith, .contains:
      return text(first, second)
    // Reaches here as a truth value that the message's body has answered.
    case .twinChangeIncludes: return first
    }
  }

  private func number(_ first: Value, _ second: Value) -> Value {
    guard let x = first.double else { return .undefined }
    switch self {
    case .power:
      guard let y = second.double else { return .undefined }
      return Value(Exponential.power(x, y))
    case .exp: return Value(Exponential.exp(x))
    case .sqrt: return Value(x.squareRoot())
    case .square: return Arithmetic.multiply(first, first)
    case .sign: return .integer(x > 0 ? 1 : x < 0 ? -1 : 0)
    case .abs:
      guard case .integer(let value) = first, value != .min else { return Value(x.magnitude) }
      return .integer(value < 0 ? -value : value)
    default:
      // Ceiling and floor of an integer are that integer.
      guard case .real = first else { return first }
      return Value(x.rounded(self == .floor ? .down : .up))
    }
  }

  private func text(_ first: Value, _ second: Value) -> Value {
    guard case .text(let text) = first else { return .undefined }
    switch self {
    case .length: return .integer(Int64(text.utf16.count))
    case .lower: return .text(text.lowercased())
    case .upper: return .text(text.uppercased())
    default: break
    }
    guard case .text(let other) = second else { return .undefined }
    switch self {
    case .startsWith: return .truth(text.utf8.starts(with: other.utf8))
    case .endsWith: return .truth(text.utf8.reversed().starts(with: other.utf8.reversed()))
    case .contains: return .truth(Self.find(other, in: text) != nil)
    default:
      guard let offset = Self.find(other, in: text) else { return .integer(-1) }
      // Found by bytes, told in UTF-16 units, which is what the language counts in.
      let index = text.utf8.index(text.startIndex, offsetBy: offset)
      return .integer(Int64(text.utf16.distance(from: text.startIndex, to: index)))
    }
  }

  /// Byte offset of the first `part` in `whole` (Knuth, Morris and Pratt: linear, because both may
  /// come from a peer who knows the slow case of a plain scan).
  private static func find(_ part: String, in whole: String) -> Int? {
    let needle = part.utf8Span.span
    let hay = whole.utf8Span.span
    guard needle.count > 0 else { return 0 }
    guard hay.count >= needle.count else { return nil }
    // fallback[i]: length of the longest proper prefix that also ends at i.
    var fallback = [Int](repeating: 0, count: needle.count)
    var matched = 0
    for index in 1..<max(needle.count, 1) {
      while matched > 0, needle[index] != needle[matched] { matched = fallback[matched - 1] }
      if needle[index] == needle[matched] { matched += 1 }
      fallback[index] = matched
    }
    matched = 0
    for index in hay.indices {
      while matched > 0, hay[index] != needle[matched] { matched = fallback[matched - 1] }
      if hay[index] == needle[matched] { matched += 1 }
      if matched == needle.count { return index + 1 - needle.count }
    }
    return nil
  }

  /// A number as it is, or the decimal number that all of a text spells, outer blanks apart.
  static func number(from value: Value) -> Value {
    if value.double != nil { return value }
    guard case .text(let text) = value else { return .undefined }
    return number(from: text.utf8Span.span)
  }

  /// The decimal number that all of `text` spells, outer blanks apart.
  static func number(from text: Span<UInt8>) -> Value {
    var (start, end) = (0, text.count)
    while end > start, isBlank(text[end - 1]) { end -= 1 }
    while start < end, isBlank(text[start]) { start += 1 }
    let isNegative = start < end && text[start] == UInt8(ascii: "-")
    if isNegative || (start < end && text[start] == UInt8(ascii: "+")) { start += 1 }
    guard let number = Lexer.decimal(text.extracting(start..<end)) else { return .undefined }
    return isNegative ? Arithmetic.subtract(.integer(0), number) : number
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  /// The same as a double, which is what all numbers are at the edge.
  static func real(from value: Value) -> Value {
    number(from: value).double.map { .real($0) } ?? .undefined
  }

  /// The truth value that a property's text spells, whatever its case (EXT 2).
  static func truth(from value: Value) -> Value {
    guard case .text(let text) = value else { return .undefined }
    switch text.asciiLowercased {
    case "true": return .truth(true)
    case "false": return .truth(false)
    default: return .undefined
    }
  }

  static func join(_ arguments: ArraySlice<Value>) -> Value {
    var joined = ""
    for argument in arguments {
      // A property without value counts as empty (edge contract section 6.8).
      if argument == .valueless { continue }
      guard case .text(let text) = argument,
        joined.utf8.count + text.utf8.count <= QueryLimits.joinedBytes
      else { return .undefined }
      joined += text
    }
    return .text(joined)
  }

  /// `substring(text, start[, length])` in UTF-16 units; undefined when out of range or when it
  /// would cut a character in two.
  private static func substring(_ arguments: ArraySlice<Value>) -> Value {
    guard case .text(let text)? = arguments.first else { return .undefined }
    let units = text.utf16
    let numbers = arguments.dropFirst().map { $0.double.flatMap { Int(exactly: $0) } }
    guard let start = numbers.first.flatMap({ $0 }), (0...units.count).contains(start) else {
      return .undefined
    }
    var count = units.count - start
    if numbers.count > 1 {
      guard let wanted = numbers[1], start < units.count, (0...count).contains(wanted) else {
        return .undefined
      }
      count = wanted
    }
    let from = units.index(units.startIndex, offsetBy: start)
    let to = units.index(from, offsetBy: count)
    return Value(String(units[from..<to]))
  }
}

extension Value {
  var isTruth: Bool { if case .truth = self { true } else { false } }
  var isText: Bool { if case .text = self { true } else { false } }
}
