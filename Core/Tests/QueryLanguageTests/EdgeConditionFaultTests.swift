import QueryLanguage
import Testing

@Suite("Refused routing conditions of the edge (edge contract 6.3 to 6.8)")
struct EdgeConditionFaultTests {
  /// Text, rule, and the offset and length of what is wrong.
  private typealias Row = (String, QueryRule, Int, Int)

  private func check(
    _ rows: [Row],
    _ profiles: [Dialect.EdgeProfile] = Dialect.EdgeProfile.allCases
  ) {
    for (text, rule, offset, length) in rows {
      for profile in profiles {
        do {
          _ = try Condition(text, dialect: .edgeRouting(profile))
          Issue.record("accepted: \(text), \(profile)")
        } catch {
          #expect(error.rule == rule, "\(text), \(profile)")
          #expect(error.offset == offset, "\(text), \(profile)")
          #expect(error.length == length, "\(text), \(profile)")
        }
      }
    }
  }

  @Test("words and sentences that are none")
  func words() {
    check([
      ("a == 'x'", .foreignOperator, 2, 2), ("a && b", .foreignOperator, 2, 2),
      ("a = 'x", .unterminatedText, 4, 1), ("a = '\\n'", .malformedEscape, 5, 2),
      ("a!='x'", .operatorInName, 1, 1), ("it's = 'x'", .operatorInName, 2, 1),
      ("$a!='x'", .operatorInName, 2, 1), ("a ; b", .unexpectedCharacter, 2, 1),
      ("a =", .expected(.expression), 3, 0), ("(a = 'x'", .expected(.word("\")\"")), 8, 0),
      ("a = 'x' INTO $upstream", .expected(.operatorOrEnd), 8, 4),
      ("a IN ['x']", .expected(.operatorOrEnd), 2, 2),
      ("$body.a[-1] = 1", .malformedPath, 0, 11), ("$body.a[*] = 1", .malformedPath, 0, 10),
      ("$body.* = 1", .malformedPath, 0, 7), ("$body..a = 1", .malformedPath, 0, 8),
      ("$body.[[a]] = 1", .malformedPath, 0, 11), ("$body.a[0", .malformedPath, 0, 9),
      ("$body.a[0]b = 1", .malformedPath, 0, 11), ("$body.a['b'] = 1", .malformedPath, 0, 12),
      ("$a[0] = 'x'", .malformedPath, 0, 5),
    ])
  }

  @Test("types that do not go together (6.5)")
  func types() {
    check([
      ("level + 1 = 2", .operandTypes(.property, .number), 6, 1),
      ("'a' * 2 = 2", .operandTypes(.text, .number), 4, 1),
      ("1 || 'a' = 'a'", .operandTypes(.number, .text), 2, 2),
      ("level = null", .operandTypes(.property, .null), 6, 1),
      ("'a' = 5", .operandTypes(.text, .number), 4, 1),
      ("1 = true", .operandTypes(.number, .truth), 2, 1),
      ("level = undefined", .operandTypes(.property, .undefined), 6, 1),
      ("$body.a = undefined", .operandTypes(.dynamic, .undefined), 8, 1),
      ("level ?? 5", .operandTypes(.property, .number), 6, 2),
      ("undefined ?? true", .operandTypes(.undefined, .truth), 10, 2),
      ("level AND true", .operandTypes(.property, .truth), 6, 3),
      ("true OR 5", .operandTypes(.truth, .number), 5, 2),
      ("NOT level = 'x'", .operandType(.property), 0, 3), ("NOT 5", .operandType(.number), 0, 3),
      ("NOT undefined", .operandType(.undefined), 0, 3),
      ("-level = 1", .operandType(.property), 0, 1),
      ("-true = 1", .operandType(.truth), 0, 1),
    ])
    check(
      [
        ("severity > 3", .propertyComparedWithNumber, 0, 8),
        ("3 < severity", .propertyComparedWithNumber, 4, 8),
        ("alert = true", .propertyComparedWithTruth, 0, 5),
        ("$messageId = 5", .propertyComparedWithNumber, 0, 10),
        ("(level ?? 'x') = 5", .operandTypes(.text, .number), 15, 1),
      ],
      [.contract]
    )
    check([("(level ?? 'x') = 5", .operandTypes(.text, .number), 15, 1)], [.lenient])
  }

  @Test("calls that are none, and functions of the hub only (6.8)")
  func calls() {
    check([
      ("nonsense(1)", .unknownFunction, 0, 8),
      ("twin_change_includes(a)", .unknownFunction, 0, 20),
      ("is_array($body.a)", .unknownFunction, 0, 8), ("is_object($body.a)", .unknownFunction, 0, 9),
      ("is_primitive($body.a)", .unknownFunction, 0, 12),
      ("startswith(a, 'x')", .unknownFunction, 0, 10), ("endswith(a, 'x')", .unknownFunction, 0, 8),
      ("length() = 1", .argumentCount(least: 1, most: 1), 0, 6),
      ("concat('a') = 'a'", .argumentCount(least: 2, most: 1000), 0, 6),
      ("length(5) = 1", .argumentType(index: 1, expected: .text), 7, 1),
      ("abs(level) = 1", .argumentType(index: 1, expected: .number), 4, 5),
      ("substring('a', 'b') = 'a'", .argumentType(index: 2, expected: .number), 15, 3),
    ])
  }
}
