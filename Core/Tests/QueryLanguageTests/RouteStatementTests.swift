import JSONTree
import QueryLanguage
import Testing

@Suite("Routes of the edge (edge contract 6.1)")
struct RouteStatementTests {
  @Test("source, condition and sink")
  func accepted() throws {
    let upstream = RouteStatement.Sink.upstream
    let rows: [(String, [String], String, RouteStatement.Sink)] = [
      ("FROM /* INTO $upstream", ["*"], "true", upstream),
      ("FROM /messages/* INTO $upstream", ["messages", "*"], "true", upstream),
      ("SELECT * FROM /messages/* INTO $upstream", ["messages", "*"], "true", upstream),
      ("select*from/messages/*\n\tinto\n$UpStream ", ["messages", "*"], "true", upstream),
      ("FROM / messages / * INTO $upstream", ["messages", "*"], "true", upstream),
      (
        "FROM /messages/modules/a-b.c/outputs/o1 INTO $upstream",
        ["messages", "modules", "a-b.c", "outputs", "o1"], "true", upstream
      ),
      (
        "FROM /messages/modules/read* INTO $upstream", ["messages", "modules", "read*"], "true",
        upstream
      ),
      (
        "FROM /messages/* WHERE NOT (a = 'x') INTO $upstream", ["messages", "*"], "NOT (a = 'x')",
        upstream
      ),
      (
        "FROM /* WHERE a = ' INTO $upstream' /* INTO */ INTO $upstream", ["*"],
        "a = ' INTO $upstream'", upstream
      ),
      (
        "FROM /messages/* WHERE(true)INTO BrokeredEndpoint(\"/modules/m/inputs/i\")",
        ["messages", "*"], "(true)", .module("m", input: "i")
      ),
      (
        "FROM /* INTO brokeredendpoint ( 'modules/M/inputs/I/' )", ["*"], "true",
        .module("M", input: "I")
      ),
      (
        "FROM /* INTO BrokeredEndpoint(\" /modules/m/inputs/i/ \")", ["*"], "true",
        .module("m", input: "i")
      ),
      (
        "FROM /twinChangeNotifications INTO $upstream", ["twinChangeNotifications"], "true",
        upstream
      ),
    ]
    for (text, source, condition, sink) in rows {
      do {
        let route = try RouteStatement(text, profile: .contract)
        #expect(route.source == source, "\(text)")
        #expect(route.conditionText == condition, "\(text)")
        #expect(route.sink == sink, "\(text)")
        #expect(route.warnings.isEmpty, "\(text)")
      } catch {
        Issue.record("\(text): \(error.message)")
      }
    }
  }

  @Test("what is accepted with a warning")
  func warnings() throws {
    let foreign = try RouteStatement("FROM /* INTO BrokeredEndpoint('/devices/m/endpoints/i')")
    #expect(foreign.sink == .module("m", input: "i"))
    #expect(foreign.warnings.map(\.rule) == [.foreignWordsInSinkAddress])
    #expect(foreign.warnings.map(\.offset) == [30])
    let lenient = try RouteStatement("FROM /* WHERE level > 3 INTO $upstream")
    #expect(lenient.warnings.map(\.rule) == [.propertyComparedWithNumber])
    #expect(lenient.warnings.map(\.offset) == [14])
    #expect(throws: QueryFault.self) {
      try RouteStatement("FROM /* WHERE level > 3 INTO $upstream", profile: .contract)
    }
  }

  @Test("refused, with the place (DIFF 16, DIFF 22)")
  func refused() {
    let rows: [(String, QueryRule, Int, Int)] = [
      ("", .expected(.word("FROM")), 0, 0), ("INTO $upstream", .expected(.word("FROM")), 0, 4),
      ("SELECT FROM /* INTO $upstream", .expected(.word("\"*\"")), 7, 4),
      ("SELECT a FROM /* INTO $upstream", .expected(.word("\"*\"")), 7, 1),
      (
        "FROM INTO $upstream", .expected(.word("a source such as /messages/*")), 5, 4
      ),
      ("FROM messages INTO $upstream", .expected(.word("a source such as /messages/*")), 5, 8),
      ("FROM // INTO $upstream", .expected(.word("a name or \"*\"")), 6, 1),
      ("FROM /a?b INTO $upstream", .unexpectedCharacter, 7, 1),
      ("FROM /messages/*", .expected(.word("WHERE or INTO")), 16, 0),
      ("FROM /messages/* WHERE INTO $upstream", .expected(.expression), 23, 4),
      ("FROM /messages/* WHERE a = 'x'", .expected(.operatorOrInto), 30, 0),
      ("FROM /messages/* WHERE a 'x' INTO $upstream", .expected(.operatorOrInto), 25, 3),
      ("FROM /messages/* WHERE a!='x' INTO $upstream", .operatorInName, 24, 1),
      ("FROM /messages/* INTO", .expected(.sink), 21, 0),
      ("FROM /messages/* INTO upstream", .expected(.sink), 22, 8),
      ("FROM /messages/* INTO {$upstream}", .expected(.sink), 22, 11),
      ("FROM /messages/* INTO $downstream", .expected(.sink), 22, 11),
      ("FROM /* INTO $upstream WHERE a = 'x'", .textAfterSink, 23, 5),
      ("FROM /* INTO $upstream INTO $upstream", .textAfterSink, 23, 4),
      ("FROM /* INTO BrokeredEndpoint", .expected(.word("\"(\"")), 29, 0),
      ("FROM /* INTO BrokeredEndpoint()", .expected(.sinkAddress), 30, 1),
      ("FROM /* INTO BrokeredEndpoint(m)", .expected(.sinkAddress), 30, 1),
      ("FROM /* INTO BrokeredEndpoint('/modules/m/inputs/i'", .expected(.word("\")\"")), 51, 0),
      ("FROM /* INTO BrokeredEndpoint('/modules/m/inputs')", .malformedSinkAddress, 30, 19),
      ("FROM /* INTO BrokeredEndpoint('/modules/m/inputs/i/j')", .malformedSinkAddress, 30, 23),
      ("FROM /* INTO BrokeredEndpoint('/modules//inputs/i')", .malformedSinkAddress, 30, 20),
      ("FROM /* INTO BrokeredEndpoint('//modules/m/inputs/i')", .malformedSinkAddress, 30, 22),
      ("FROM /* INTO BrokeredEndpoint('')", .malformedSinkAddress, 30, 2),
      (String(repeating: "x", count: 8193), .expected(.word("FROM")), 0, 8193),
      (
        "FROM /* WHERE '" + String(repeating: "x", count: 8192) + "' = a INTO $upstream",
        .textTooLong(limit: 8192), 8192, 35
      ),
    ]
    for (text, rule, offset, length) in rows {
      do {
        _ = try RouteStatement(text)
        Issue.record("accepted: \(text)")
      } catch {
        #expect(error.rule == rule, "\(text)")
        #expect(error.offset == offset, "\(text)")
        #expect(error.length == length, "\(text)")
      }
    }
  }

  @Test("conditions of a set ask what they share once, and can be tried again")
  func conditionSet() throws {
    let dialect = Dialect.edgeRouting(.lenient)
    let texts = ["level = '5'", "level > 7", "true", "$body.n = 7", "level = '5' AND $body.n = 8"]
    let set = ConditionSet(try texts.map { try Condition($0, dialect: dialect) }, dialect: dialect)
    #expect(set.needsBody)
    var evaluation = set.makeEvaluation()
    func truths(_ message: EdgeMessage) -> [Truth] {
      evaluation.restart()
      return texts.indices.map { evaluation.evaluate($0, message) }
    }
    var message = EdgeMessage.sample()
    for _ in 0..<2 {
      #expect(truths(message) == [.true, .false, .true, .true, .false])
    }
    message.application["level"] = "8"
    message.bodyValue = ["n": 8]
    #expect(truths(message) == [.false, .true, .true, .false, .false])
    message.application["level"] = nil
    message.system["contenttype"] = nil
    #expect(truths(message) == [.undefined, .undefined, .true, .undefined, .undefined])
    message = EdgeMessage.sample()
    #expect(truths(message) == [.true, .false, .true, .true, .false])
  }
}
