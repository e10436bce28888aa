import ByteIO
import JSONTree
import QueryLanguage
import Testing

@Suite("Sets of conditions decide as their conditions do")
struct ConditionSetTests {
  /// A message that offers its properties, in any case, as well as answering for each.
  struct OfferingMessage: MessageFields {
    var plain: EdgeMessage
    var keys: [(key: String, value: String?)]

    func applicationProperty(_ name: String) -> String? { plain.applicationProperty(name) }
    func hasValuelessProperty(_ name: String) -> Bool { plain.hasValuelessProperty(name) }
    func systemProperty(_ name: String) -> String? { plain.systemProperty(name) }
    func body() -> JSONValue? { plain.body() }
    func twin() -> JSONValue? { nil }

    func offerProperties(to table: inout PropertyTable) -> Bool {
      for (key, value) in keys {
        guard let number = table.number(of: key.utf8Span.span) else { continue }
        if let value {
          table.set(number, to: value.utf8Span.span)
        } else {
          table.set(number, to: nil)
        }
      }
      return true
    }
  }

  private static let properties = [
    "a", "B", "level", "Été", "$contentType", "$body.x", "K", "{$cid}",
  ]
  private static let texts = [
    "", "5", "05", "true", "FALSE", "x", "X", "é", "e\u{301}", "\u{FF5E}", "\u{1F600}", "-1.5",
    " 7 ",
    "12e-1", "xy", "0.30000000000000004",
  ]
  private static let numbers = ["5", "-1.5", "0", "7", "1.2", "0.3", "1e3"]

  /// A random condition, well typed in the lenient profile.
  private func condition(
    _ depth: Int,
    _ generator: inout SeededGenerator
  ) -> String {
    func pick(_ words: [String]) -> String { words.randomElement(using: &generator) ?? "" }
    let comparison = pick(["=", "!=", "<>", "<", "<=", ">", ">="])
    let property = pick(Self.properties)
    let quoted = "'" + pick(Self.texts) + "'"
    if depth > 0 {
      let left = condition(depth - 1, &generator)
      let right = condition(depth - 1, &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: return "(\(left)) AND (\(right))"
      case 1: return "(\(left)) OR (\(right))"
      case 2: return "NOT (\(left))"
      case 3: return "\(left) AND \(right)"
      default: break
      }
    }
    switch Int.random(in: 0..<20, using: &generator) {
    case 0, 1, 2: return "\(property) \(comparison) \(quoted)"
    case 3: return "\(quoted) \(comparison) \(property)"
    case 4, 5: return "as_number(\(property)) \(comparison) \(pick(Self.numbers))"
    case 6: return "\(pick(Self.numbers)) \(comparison) \(property)"
    case 7: return "\(property) = \(pick(["true", "false"]))"
    case 8: return "is_defined(\(property))"
    case 9: return "is_null(\(property))"
    case 10: return "starts_with(\(property), \(quoted))"
    case 11: return "ends_with(\(property), \(quoted))"
    case 12: return "contains(\(property), \(quoted))"
    case 13: return "\(property) || 'x' \(comparison) \(quoted)"
    case 14: return "(\(property) ?? 'x') \(comparison) \(quoted)"
    case 15: return "$body.x \(comparison) \(pick(Self.numbers))"
    case 16: return "$body.flag"
    case 17: return pick(["true", "null", "undefined", "false", "(null OR $body.flag)"])
    case 18: return "length(\(property)) + 1 \(comparison) \(pick(Self.numbers))"
    default: return "\(property) \(comparison) \(pick(["a", "level"]))"
    }
  }

  private func message(_ generator: inout SeededGenerator) -> OfferingMessage {
    var plain = EdgeMessage()
    var keys: [(key: String, value: String?)] = []
    func set(_ key: String, _ value: String?) {
      keys.append((key, value))
      let name = key.lowercased()
      plain.application[name] = value
      if value == nil { plain.valueless.insert(name) } else { plain.valueless.remove(name) }
    }
    let names = [
      "a", "A", "b", "LEVEL", "été", "ÉTÉ", "$ContentType", "$body.x", "\u{212A}", "other", "le",
    ]
    for _ in 0..<Int.random(in: 0..<8, using: &generator) {
      let value = Int.random(in: 0..<6, using: &generator) == 0
      set(
        names.randomElement(using: &generator) ?? "a",
        value ? nil : Self.texts.randomElement(using: &generator)
      )
    }
    plain.system["contenttype"] = Bool.random(using: &generator) ? "application/json" : nil
    plain.system["contentencoding"] = "utf-8"
    plain.system["cid"] = Self.texts.randomElement(using: &generator)
    plain.bodyValue =
      [["x": 5, "flag": true], ["x": nil, "flag": nil], ["x": "t", "flag": false], 5]
      .randomElement(using: &generator)
    return OfferingMessage(plain: plain, keys: keys)
  }

  @Test("random conditions on random messages", arguments: 1...8)
  func differential(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let dialect = Dialect.edgeRouting(.lenient)
    var texts: [String] = []
    var conditions: [Condition] = []
    while conditions.count < 60 {
      let text = condition(Int.random(in: 0...3, using: &generator), &generator)
      // NULL and the like may not be joined with everything; such rows are dropped.
      guard let compiled = try? Condition(text, dialect: dialect) else { continue }
      texts.append(text)
      conditions.append(compiled)
    }
    // Equal ones are shared; the answers stay.
    texts += texts.prefix(5)
    conditions += conditions.prefix(5)
    let set = ConditionSet(conditions, dialect: dialect)
    var offered = set.makeEvaluation()
    var asked = set.makeEvaluation()
    var trues = 0
    for round in 0..<60 {
      let message = message(&generator)
      offered.restart()
      asked.restart()
      let order = conditions.indices.shuffled(using: &generator)
      for index in order {
        let expected = conditions[index].evaluate(message.plain)
        if expected == .true { trues += 1 }
        #expect(offered.evaluate(index, message) == expected, "\(round): \(texts[index]), offered")
        #expect(
          asked.evaluate(index, message.plain) == expected,
          "\(round): \(texts[index]), asked"
        )
      }
    }
    #expect(trues > 100)
  }

  @Test("names and texts that differ only in their Unicode form stay apart")
  func unicode() throws {
    let dialect = Dialect.edgeRouting(.contract)
    let texts = ["a = '\u{E9}'", "a = 'e\u{301}'", "\u{E9} = '1'", "e\u{301} = '1'"]
    let set = ConditionSet(try texts.map { try Condition($0, dialect: dialect) }, dialect: dialect)
    var evaluation = set.makeEvaluation()
    let message = OfferingMessage(
      plain: EdgeMessage(),
      keys: [("a", "e\u{301}"), ("\u{C9}", "1"), ("E\u{301}", "2")]
    )
    #expect(
      texts.indices.map { evaluation.evaluate($0, message) } == [.false, .true, .true, .false]
    )
  }

  @Test("the deepest and the longest conditions")
  func extremes() throws {
    let dialect = Dialect.edgeRouting(.lenient)
    let long = Array(repeating: "a=1", count: 1100).joined(separator: " or ") + " or a=2"
    let deep = String(repeating: "(", count: 60) + "a=2" + String(repeating: ")", count: 60)
    let set = ConditionSet(
      try [long, deep].map { try Condition($0, dialect: dialect) },
      dialect: dialect
    )
    var evaluation = set.makeEvaluation()
    for (value, expected) in [("2", Truth.true), ("3", .false)] {
      evaluation.restart()
      let message = EdgeMessage(application: ["a": value])
      #expect(evaluation.evaluate(0, message) == expected)
      #expect(evaluation.evaluate(1, message) == expected)
    }
  }
}
