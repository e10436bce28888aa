import QueryLanguage
import Testing

@Suite("Refused routing conditions (hub contract 9.4)")
struct ConditionFaultTests {
  /// Text, rule, and the offset and length of what is wrong.
  private typealias Row = (String, QueryRule, Int, Int)

  private func check(_ rows: [Row], dialect: Dialect = .routing) {
    for (text, rule, offset, length) in rows {
      do {
        _ = try Condition(text, dialect: dialect)
        Issue.record("accepted: \(text)")
      } catch {
        #expect(error.rule == rule, "\(text)")
        #expect(error.offset == offset, "\(text)")
        #expect(error.length == length, "\(text)")
      }
    }
  }

  @Test("words that are none")
  func words() {
    check([
      ("level == '5'", .foreignOperator, 6, 2), ("a && b", .foreignOperator, 2, 2),
      ("a & b", .foreignOperator, 2, 1), ("! a", .foreignOperator, 0, 1),
      ("a = 'x", .unterminatedText, 4, 1), ("a = \"x'", .unterminatedText, 4, 1),
      ("a = 'x\\", .malformedEscape, 6, 1), ("a = '\\n'", .malformedEscape, 5, 2),
      ("a = '\\u12G4'", .malformedEscape, 5, 4), ("a = '\\ud800'", .malformedEscape, 5, 6),
      ("a = '\\ud800\\u0041'", .malformedEscape, 5, 12), ("true /* x", .unterminatedComment, 5, 2),
      ("true /*/", .unterminatedComment, 5, 2), ("a!='x'", .operatorInName, 1, 1),
      ("a='x'b'y'", .operatorInName, 6, 1), ("it's = 'x'", .operatorInName, 2, 1),
      ("$a!='x'", .operatorInName, 2, 1), ("a ; b", .unexpectedCharacter, 2, 1),
      ("a @ b", .unexpectedCharacter, 2, 1), ("{a} = 'x'", .unexpectedCharacter, 0, 1),
      ("{$a = 'x'", .unterminatedName, 0, 4), ("$ = 'x'", .expected(.name), 1, 1),
      ("$body.[[a = 1", .unterminatedName, 6, 2), ("$body. = 1", .malformedPath, 0, 6),
      ("$body..a = 1", .malformedPath, 0, 8), ("$body.a[x] = 1", .malformedPath, 0, 10),
      ("$body.a[-1] = 1", .malformedPath, 0, 11), ("$body.a[] = 1", .malformedPath, 0, 9),
      ("$body.a[0]b = 1", .malformedPath, 0, 11), ("$body.[0] = 1", .malformedPath, 0, 9),
      ("$a[0] = 'x'", .malformedPath, 0, 5), ("a ? b", .unexpectedCharacter, 2, 1),
      ("a\u{7}", .unexpectedCharacter, 1, 1),
    ])
  }

  @Test("sentences that are none")
  func sentences() {
    check([
      ("a =", .expected(.expression), 3, 0), ("= 'a'", .expected(.expression), 0, 1),
      ("a = = 'x'", .expected(.expression), 4, 1), ("(a = 'x'", .expected(.word("\")\"")), 8, 0),
      ("a = 'x')", .expected(.operatorOrEnd), 7, 1), ("()", .expected(.expression), 1, 1),
      ("a b", .expected(.operatorOrEnd), 2, 1), ("a = 'x' AND", .expected(.expression), 11, 0),
      ("AND a", .expected(.expression), 0, 3), ("NOT", .expected(.expression), 3, 0),
      ("true OR AND", .expected(.expression), 8, 3), ("-", .expected(.expression), 1, 0),
      ("+1 = 1", .expected(.expression), 0, 1), ("length(", .expected(.expression), 7, 0),
      ("length('a'", .expected(.word("\",\" or \")\"")), 10, 0),
      ("length('a',)", .expected(.expression), 11, 1),
      ("level IN ['5']", .expected(.operatorOrEnd), 6, 2),
      ("[1]", .expected(.expression), 0, 1), ("a = 'x' 'y'", .expected(.operatorOrEnd), 8, 3),
    ])
  }

  @Test("types that do not go together")
  func types() {
    check([
      ("level > 3", .propertyComparedWithNumber, 0, 5),
      ("3 < level", .propertyComparedWithNumber, 4, 5),
      ("alert = true", .propertyComparedWithTruth, 0, 5),
      ("$messageId = 5", .propertyComparedWithNumber, 0, 10),
      ("true AND level > 3", .propertyComparedWithNumber, 9, 5),
      ("level = null", .operandTypes(.property, .null), 6, 1),
      ("'a' = 5", .operandTypes(.text, .number), 4, 1),
      ("1 = true", .operandTypes(.number, .truth), 2, 1),
      ("level + 1 = 2", .operandTypes(.property, .number), 6, 1),
      ("1 || 'a' = 'a'", .operandTypes(.number, .text), 2, 2),
      ("level AND true", .operandTypes(.property, .truth), 6, 3),
      ("true OR 5", .operandTypes(.truth, .number), 5, 2),
      ("NOT level", .operandType(.property), 0, 3),
      ("NOT level = 'x'", .operandType(.property), 0, 3),
      ("-level = 1", .operandType(.property), 0, 1), ("-'a' = 1", .operandType(.text), 0, 1),
      ("a ?? 'x' = 'x'", .operandTypes(.property, .truth), 2, 2),
      ("level ?? 5", .operandTypes(.property, .number), 6, 2),
      ("$body.a = undefined", .operandTypes(.dynamic, .undefined), 8, 1),
      ("NOT $body.a = 5", .operandTypes(.truth, .number), 12, 1),
    ])
  }

  @Test("calls that are none")
  func calls() {
    check([
      ("nonsense(1)", .unknownFunction, 0, 8), ("true AND len(a) = 1", .unknownFunction, 9, 3),
      ("length() = 1", .argumentCount(least: 1, most: 1), 0, 6),
      ("length('a','b') = 1", .argumentCount(least: 1, most: 1), 0, 6),
      ("substring('a') = 'a'", .argumentCount(least: 2, most: 3), 0, 9),
      ("concat('a') = 'a'", .argumentCount(least: 2, most: 1000), 0, 6),
      ("length(5) = 1", .argumentType(index: 1, expected: .text), 7, 1),
      ("abs(level) = 1", .argumentType(index: 1, expected: .number), 4, 5),
      ("contains(level, 1 + 2)", .argumentType(index: 2, expected: .text), 16, 5),
      ("substring('a', 'b') = 'a'", .argumentType(index: 2, expected: .number), 15, 3),
      ("twin_change_includes(5)", .expected(.name), 21, 1),
      ("twin_change_includes(a..b)", .malformedPath, 21, 4),
    ])
  }

  @Test("limits")
  func limits() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "(", count: depth) + "true" + String(repeating: ")", count: depth)
    }
    _ = try Condition(nested(64))
    check([(nested(65), .tooDeep(limit: 64), 64, 1)])
    let signs = String(repeating: "NOT ", count: 65) + "true"
    check([(signs, .tooDeep(limit: 64), 256, 3)])
    let minuses = String(repeating: "-", count: 5000) + "1"
    check([(minuses, .tooDeep(limit: 64), 64, 1)])
    let calls = String(repeating: "abs(", count: 2000)
    check([(calls, .tooDeep(limit: 64), 256, 3)])
    // A chain is no nesting, however long.
    let chain = String(repeating: "1=1 AND ", count: 1000) + "true"
    #expect(try Condition(chain).evaluate(Message()) == .true)
    let longest = "true" + String(repeating: " ", count: 8188)
    _ = try Condition(longest)
    check([(longest + "x", .textTooLong(limit: 8192), 8192, 1)])
    let accents = "'" + String(repeating: "é", count: 8188) + "'=''"
    check([(accents, .textTooLong(limit: 8192), 2 * 8188 + 4, 1)])
    let list = "concat(" + Array(repeating: "''", count: 1001).joined(separator: ",") + ")=''"
    check([(list, .tooManyItems(limit: 1000), 7 + 3 * 1000, 2)])
  }

  @Test("a fault tells a person what, where and how to mend it")
  func message() throws {
    let fault = try #require(throws: QueryFault.self) {
      try Condition("é = 'x'\n  AND severity > 3")
    }
    #expect(fault.line == 2)
    #expect(fault.column == 7)
    #expect(fault.excerpt == "severity")
    #expect(
      fault.message == """
        The property "severity" is text and cannot be compared with a number at line 2, \
        column 7. Write as_number(severity).
        """
    )
    let end = try #require(throws: QueryFault.self) { try Condition("éé = ") }
    #expect(end.column == 6)
    #expect(end.message.contains("found the end"))
  }
}
