extension QueryFault: CustomStringConvertible {
  /// What is wrong, where, and how to mend it, for a person.
  public var message: String {
    let place = "line \(line), column \(column)"
    let mending = mend
    return "\(what) at \(place)." + (mending.isEmpty ? "" : " \(mending)")
  }

  /// The same as `message`.
  public var description: String { message }

  private var quoted: String { length == 0 ? "the end" : "\"\(excerpt)\"" }

  private var what: String {
    switch rule {
    case .textTooLong: "The text is too long"
    case .unexpectedCharacter: "Unexpected character \(quoted)"
    case .foreignOperator: "There is no operator \(quoted)"
    case .unterminatedText: "A text is not closed"
    case .malformedEscape: "Unknown escape \(quoted)"
    case .unterminatedComment: "A comment is not closed"
    case .unterminatedName: "A name is not closed"
    case .malformedNumber: "\(quoted) is not a number"
    case .operatorInName: "The property name runs into \(quoted)"
    case .malformedPath: "Malformed path \(quoted)"
    case .expected(let expectation): "Expected \(expectation.words), found \(quoted)"
    case .tooDeep: "The expression is nested too deeply"
    case .tooManyItems: "There are too many items"
    case .unknownFunction: "There is no function \(quoted)"
    case .argumentCount: "Wrong number of arguments for \(quoted)"
    case .argumentType(let index, let expected):
      "Argument \(index), \(quoted), has to be \(expected.words)"
    case .operandTypes(let left, let right):
      "\(quoted) does not take \(left.words) and \(right.words)"
    case .operandType(let type): "\(quoted) does not take \(type.words)"
    case .propertyComparedWithNumber:
      "The property \(quoted) is text and cannot be compared with a number"
    case .propertyComparedWithTruth:
      "The property \(quoted) is text and cannot be compared with a truth value"
    case .unknownSource: "There are no rows called \(quoted)"
    case .jobsSelectAll: "Jobs are selected as a whole"
    case .notGrouped: "\(quoted) is neither aggregated nor grouped"
    case .malformedTop: "TOP takes a positive integer, found \(quoted)"
    case .textAfterSink: "Nothing may follow the sink, found \(quoted)"
    case .malformedSinkAddress: "\(quoted) is no address of a module's input"
    case .foreignWordsInSinkAddress:
      "The address \(quoted) does not say modules and inputs, which is read as if it did,"
    }
  }

  private var mend: String {
    switch rule {
    case .textTooLong(let limit): "At most \(limit) characters are allowed."
    case .unexpectedCharacter, .malformedPath: "Write unusual names as [[name]]."
    case .foreignOperator: "Write = for ==, AND for &&, NOT for !, <> for !=."
    case .unterminatedText: "Add the closing quote; write \\' or \\\" inside a text."
    case .malformedEscape: "Allowed are \\' \\\" \\\\ and \\uXXXX."
    case .unterminatedComment: "Add */."
    case .unterminatedName: "Add the closing brackets."
    case .malformedNumber: "Write 12, -3.5, 1e3 or 0x1F."
    case .operatorInName: "Put blanks round the operator."
    case .expected, .operandTypes, .operandType, .argumentType: ""
    case .tooDeep(let limit): "At most \(limit) levels are allowed."
    case .tooManyItems(let limit): "At most \(limit) are allowed."
    case .unknownFunction: "See the list of functions of the language."
    case .argumentCount(let least, let most):
      least == most
        ? "It takes \(least)."
        : most == QueryLimits.items
          ? "It takes at least \(least)." : "It takes \(least) to \(most)."
    case .propertyComparedWithNumber: "Write as_number(\(excerpt))."
    case .propertyComparedWithTruth: "Compare with the text 'true' or 'false'."
    case .unknownSource: "Write devices, devices.modules or devices.jobs."
    case .jobsSelectAll: "Write SELECT * FROM devices.jobs."
    case .notGrouped: "Add it to GROUP BY, or leave it out."
    case .malformedTop: "Write for instance SELECT TOP 10 *."
    case .textAfterSink: "A condition stands before INTO."
    case .malformedSinkAddress, .foreignWordsInSinkAddress:
      "Write \"/modules/<module>/inputs/<input>\"."
    }
  }
}

extension QueryRule.Expectation {
  fileprivate var words: String {
    switch self {
    case .expression: "a value, name or function"
    case .name: "a name"
    case .operatorOrEnd: "an operator or the end"
    case .operatorOrInto: "an operator or INTO"
    case .sink: "$upstream or BrokeredEndpoint(\"/modules/<module>/inputs/<input>\")"
    case .sinkAddress: "the address of an input as text, \"/modules/<module>/inputs/<input>\""
    case .constant: "a constant"
    case .word(let word): word
    }
  }
}

extension StaticType {
  fileprivate var words: String {
    switch self {
    case .number: "a number"
    case .text: "text"
    case .property: "a property (which is text)"
    case .truth: "a truth value"
    case .null: "null"
    case .undefined: "undefined"
    case .dynamic: "a value of the body or twin"
    }
  }
}
