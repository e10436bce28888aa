import JSONTree
import QueryLanguage

/// Any text in every dialect: it compiles or says where it is wrong, and what compiles can be run.
@c(LLVMFuzzerTestOneInput)
public func fuzzQuery(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  for dialect in [
    Dialect.routing, .edgeRouting(.contract), .edgeRouting(.lenient), .twinQuery,
  ] {
    do {
      let condition = try Condition(text, dialect: dialect)
      let first = condition.evaluate(Message())
      precondition(first == condition.evaluate(Message()), "evaluating twice differs")
      precondition(first == .true || !condition.isAlwaysTrue, "always true, yet not now")
    } catch {
      check(error, text)
    }
  }
  do {
    let route = try RouteStatement(text)
    precondition(!route.source.isEmpty && !route.conditionText.isEmpty)
    for warning in route.warnings { check(warning, text) }
  } catch {
    check(error, text)
  }
  do {
    let target = try TwinQuery(targetCondition: text)
    if target.matches(row) { checkConstraints(target) }
  } catch {
    check(error, text)
  }
  do {
    let query = try TwinQuery(text)
    let matches = query.matches(row)
    if matches { checkConstraints(query) }
    _ = query.project(row)
    if query.isAggregation {
      var aggregation = Aggregation(query)
      for _ in 0..<2 { aggregation.add(row) }
      precondition(aggregation.results.count <= 1, "two equal rows, two groups")
    }
  } catch {
    check(error, text)
  }
  return 0
}

/// A fault lies inside the text and has words.
private func check(_ fault: QueryFault, _ text: String) {
  precondition(fault.offset + fault.length <= text.utf8.count, "the fault lies outside")
  precondition(fault.line >= 1 && fault.column >= 1 && !fault.message.isEmpty)
}

/// What a store may rely on holds for every row that matches.
private func checkConstraints(_ query: TwinQuery) {
  for constraint in query.constraints {
    let value = row.value(at: constraint.path)
    precondition(value != nil, "a constraint on a missing value, yet the row matches")
    if case .compares(.equal, let constant) = constraint.test, let value {
      let same =
        value == constant || (value.doubleValue != nil && value.doubleValue == constant.doubleValue)
      precondition(same, "the row matches and breaks an equality")
    }
  }
}

private let row: JSONValue = [
  "deviceId": "dev", "a": 1, "b": 2.5, "c": "text", "d": true, "e": nil, "f": [1, ["g": 2]],
  "tags": ["a": 1, "b": "x"],
]

private struct Message: MessageFields {
  func applicationProperty(_ name: String) -> String? { name.utf8.count < 4 ? name : nil }
  func systemProperty(_ name: String) -> String? {
    switch name {
    case "contentType": "application/json"
    case "contentEncoding": "utf-8"
    default: name.utf8.count < 6 ? "5" : nil
    }
  }
  func body() -> JSONValue? { row }
  func twin() -> JSONValue? { row }
}
