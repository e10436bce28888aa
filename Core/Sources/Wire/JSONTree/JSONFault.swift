/// Why bytes are no JSON text (RFC 8259), each with the offset of the byte that breaks the rule.
public enum JSONFault: Error, Equatable, Sendable {
  /// The text is longer than `JSONLimits.maxBytes`; the offset is the limit.
  case tooManyBytes(offset: Int)
  /// Arrays and objects are nested deeper than `JSONLimits.maxDepth`.
  case tooDeep(offset: Int)
  /// There are more values than `JSONLimits.maxNodes`.
  case tooManyNodes(offset: Int)
  /// The text begins with a byte order mark (RFC 8259 §8.1).
  case byteOrderMark(offset: Int)
  /// The text ends inside a value, or holds none.
  case unexpectedEnd(offset: Int)
  /// A byte that cannot stand here: no value, comma, colon or closing bracket (RFC 8259 §2).
  case unexpectedByte(offset: Int)
  /// Not a number: a leading zero, a missing digit (RFC 8259 §6).
  case malformedNumber(offset: Int)
  /// A control character inside a string (RFC 8259 §7).
  case controlCharacter(offset: Int)
  /// A backslash that begins no escape (RFC 8259 §7).
  case malformedEscape(offset: Int)
  /// An escaped surrogate without its other half (RFC 8259 §8.2).
  case loneSurrogate(offset: Int)
  /// A string is not UTF-8 (RFC 8259 §8.1); the offset is the string's first byte.
  case malformedUTF8(offset: Int)
  /// Something follows the value.
  case trailingBytes(offset: Int)

  /// Index of the offending byte, counted from 0.
  public var offset: Int {
    switch self {
    case .tooManyBytes(let offset), .tooDeep(let offset), .tooManyNodes(let offset),
      .byteOrderMark(let offset), .unexpectedEnd(let offset), .unexpectedByte(let offset),
      .malformedNumber(let offset), .controlCharacter(let offset), .malformedEscape(let offset),
      .loneSurrogate(let offset), .malformedUTF8(let offset), .trailingBytes(let offset):
      offset
    }
  }
}

extension JSONFault: CustomStringConvertible {
  /// The rule and the place, in words for a person.
  public var description: String {
    let rule =
      switch self {
      case .tooManyBytes: "the text is too long"
      case .tooDeep: "arrays and objects are nested too deeply"
      case .tooManyNodes: "there are too many values"
      case .byteOrderMark: "a byte order mark is not allowed"
      case .unexpectedEnd: "the text ends too early"
      case .unexpectedByte: "unexpected character"
      case .malformedNumber: "malformed number"
      case .controlCharacter: "a control character must be escaped"
      case .malformedEscape: "malformed escape"
      case .loneSurrogate: "half of a surrogate pair"
      case .malformedUTF8: "the string is not UTF-8"
      case .trailingBytes: "something follows the value"
      }
    return "\(rule) at byte \(offset)"
  }
}
