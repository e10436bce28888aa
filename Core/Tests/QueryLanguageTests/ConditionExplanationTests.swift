import JSONTree
import QueryLanguage
import Testing

@Suite("Why a condition came to what it came to (edge contract section 6)")
struct ConditionExplanationTests {
  /// The parts, one a line: two blanks a depth, the text, what it came to, and the note.
  private func lines(
    _ text: String,
    _ profile: Dialect.EdgeProfile = .lenient,
    _ message: EdgeMessage = .sample()
  ) throws -> [String] {
    let explanation = try ConditionExplanation(
      text,
      dialect: .edgeRouting(profile),
      message: message
    )
    let truth = try Condition(text, dialect: .edgeRouting(profile)).evaluate(message)
    #expect(explanation.truth == truth)
    return explanation.parts.map { part in
      let outcome =
        switch part.outcome {
        case .value(let value): JSON.text(value)
        case .undefined: "undefined"
        case .notAsked: "not asked"
        }
      return String(repeating: "  ", count: part.depth) + "\(part.text) -> \(outcome)"
        + (part.note.map { " (\($0))" } ?? "")
    }
  }

  @Test("each part has its value, and what is settled by its left side is not asked")
  func parts() throws {
    #expect(
      try lines("level = '5' and (word = 'low' or $body.t > 20)") == [
        "level = '5' and (word = 'low' or $body.t > 20) -> true",
        "  level = '5' -> true",
        "    level -> \"5\"",
        "  word = 'low' or $body.t > 20 -> true",
        "    word = 'low' -> false",
        "      word -> \"high\"",
        "    $body.t > 20 -> true",
        "      $body.t -> 21.5",
      ]
    )
    #expect(
      try lines("word = 'low' and not is_defined(absent)") == [
        "word = 'low' and not is_defined(absent) -> false",
        "  word = 'low' -> false",
        "    word -> \"high\"",
        "  not is_defined(absent) -> not asked",
        "    is_defined(absent) -> not asked",
        "      absent -> not asked",
      ]
    )
  }

  @Test("what is missing says so")
  func missing() throws {
    #expect(
      try lines("absent = 'x'") == [
        "absent = 'x' -> undefined",
        "  absent -> undefined (the message has no property absent)",
      ]
    )
    #expect(
      try lines("flag = 'x'").last
        == "  flag -> undefined (the message has the property without a value)"
    )
    #expect(
      try lines("$correlationId = 'x'").last
        == "  $correlationId -> undefined (the message has no system property correlationid)"
    )
    #expect(
      try lines("$body.none = 1").last
        == "  $body.none -> null (the body has no such member, which compares as null)"
    )
    #expect(
      try lines("$body.o = 1").last
        == "  $body.o -> undefined (an object or array is there, which nothing can be compared with)"
    )
    var plain = EdgeMessage.sample()
    plain.system["contenttype"] = "text/plain"
    #expect(
      try lines("$body.t = 1", .lenient, plain).last?.hasSuffix(
        "the message has text/plain and UTF-8)"
      ) == true
    )
  }

  @Test("a property that is read as a number or truth value says so")
  func conversions() throws {
    #expect(
      try lines("level > 3 and alert = true and word > 3") == [
        "level > 3 and alert = true and word > 3 -> undefined",
        "  level > 3 and alert = true -> true",
        "    level > 3 -> true",
        "      level -> 5 (read as a number)",
        "        level -> \"5\"",
        "    alert = true -> true",
        "      alert -> true (read as true or false)",
        "        alert -> \"TRUE\"",
        "  word > 3 -> undefined",
        "    word -> undefined (it is read as a number, and is none)",
        "      word -> \"high\"",
      ]
    )
    #expect(throws: QueryFault.self) { try lines("level > 3", .contract) }
  }

  @Test("nothing to explain in a condition without parts, and none in what is no condition")
  func edges() throws {
    #expect(try lines("").isEmpty)
    #expect(try lines("true").isEmpty)
    #expect(throws: QueryFault.self) { try lines("level = ") }
    #expect(throws: QueryFault.self) { try lines("level = '5' '6'") }
  }

  @Test("the explanation agrees with the evaluation")
  func agreement() throws {
    for left in ["true", "false", "null", "undefined", "absent = 'x'", "$body.yes", "$body.z"] {
      for right in ["true", "false", "null", "$body.no", "flag = 'y'", "$body.none = null"] {
        for operation in ["and", "or"] {
          _ = try lines("\(left) \(operation) \(right)")
          _ = try lines("not (\(left) \(operation) \(right)) or \(right)")
        }
      }
    }
  }
}
