/// Why a query or condition is refused, and where.
public struct QueryFault: Error, Equatable, Sendable {
  /// The rule that the text breaks.
  public let rule: QueryRule
  /// Line of the offending text, counted from 1.
  public let line: Int
  /// Unicode scalar within the line, counted from 1.
  public let column: Int
  /// First byte of the offending text in its UTF-8 form, counted from 0.
  public let offset: Int
  /// Bytes of offending text; 0 at the end of the text.
  public let length: Int
  /// The offending text itself, cut after 40 characters.
  public let excerpt: String

  init(_ rule: QueryRule, offset: Int, length: Int, in text: [UInt8]) {
    let start = min(max(offset, 0), text.count)
    let end = min(start + max(length, 0), text.count)
    self.rule = rule
    self.offset = start
    self.length = end - start
    var line = 1
    var column = 1
    for byte in text[..<start] {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    self.line = line
    self.column = column
    self.excerpt = String(String(decoding: text[start..<end], as: UTF8.self).prefix(40))
  }

  init(_ rule: QueryRule, at token: Token, in text: [UInt8]) {
    self.init(rule, offset: token.offset, length: token.length, in: text)
  }
}

/// The rules of the query languages (hub contract sections 7.7 and 9.4).
public enum QueryRule: Equatable, Sendable {
  /// The text has more characters than `limit` (hub contract section 10).
  case textTooLong(limit: Int)
  /// A character that begins no word of the language.
  case unexpectedCharacter
  /// An operator of other languages: `==`, `&&`, `!`.
  case foreignOperator
  /// A text without its closing quote.
  case unterminatedText
  /// A backslash in a text that begins none of the escapes.
  case malformedEscape
  /// A `/*` without its `*/`.
  case unterminatedComment
  /// A `[[` without its `]]`, or a `{$` without its `}`.
  case unterminatedName
  /// Digits that are no number, or none that a double can hold.
  case malformedNumber
  /// A property name with `'` in it or `!` at its end, which is a forgotten blank.
  case operatorInName
  /// A step of a path that is neither a name nor an index.
  case malformedPath
  /// Something else has to stand here.
  case expected(Expectation)
  /// Parentheses, calls and signs are nested deeper than `limit`.
  case tooDeep(limit: Int)
  /// A list, a call or a selection has more items than `limit`.
  case tooManyItems(limit: Int)
  /// No function is called so.
  case unknownFunction
  /// The function takes from `least` to `most` arguments.
  case argumentCount(least: Int, most: Int)
  /// The argument, counted from 1, has to be a `expected`.
  case argumentType(index: Int, expected: StaticType)
  /// The operator does not take operands of these types.
  case operandTypes(StaticType, StaticType)
  /// The operator does not take an operand of this type.
  case operandType(StaticType)
  /// A property, which is text, is compared with a number.
  case propertyComparedWithNumber
  /// A property, which is text, is compared with a truth value.
  case propertyComparedWithTruth
  /// Rows come from `devices`, `devices.modules` and `devices.jobs`.
  case unknownSource
  /// Jobs are selected by `*` only.
  case jobsSelectAll
  /// A path beside an aggregate or a group is not among the grouped ones.
  case notGrouped
  /// The number behind TOP is no positive integer.
  case malformedTop
  /// Something follows the sink of a route (edge contract section 16, DIFF 22).
  case textAfterSink
  /// The address of a module's input has not four segments.
  case malformedSinkAddress
  /// The first and third segment of an input's address are other words than `modules` and `inputs`;
  /// only a warning.
  case foreignWordsInSinkAddress

  /// What may stand at a place.
  public enum Expectation: Equatable, Sendable {
    /// A value, name, call or parenthesis.
    case expression
    /// A name, or a path.
    case name
    /// An operator, or the end of the text.
    case operatorOrEnd
    /// An operator, or the INTO of a route.
    case operatorOrInto
    /// Where a route may lead.
    case sink
    /// The address of a module's input, as text.
    case sinkAddress
    /// A constant of a list.
    case constant
    /// This word or sign.
    case word(String)
  }
}

/// What is known of an expression's type before a row is seen (edge contract section 6.5).
public enum StaticType: Equatable, Sendable {
  /// A number.
  case number
  /// Text.
  case text
  /// An application or system property: text that arrives with the message.
  case property
  /// A truth value.
  case truth
  /// The literal `null`.
  case null
  /// The literal `undefined`.
  case undefined
  /// A value of a body or twin, of whatever type.
  case dynamic
}
