import JSONTree
import Platform
import Testing

@Suite("TOML that is written")
struct TOMLTextTests {
  @Test("it is read as the tree that it was written from")
  func roundTrip() throws {
    let tree: JSONObject = [
      "a": "plain", "number": -7, "fraction": 1.5, "yes": true, "list": ["x", 1, [false]],
      "quotes \"and\" blanks": "\"\\\n\t\u{1}\u{7F}é😀 # [no table]", "empty": [:],
      "table": ["inner": ["x.y": "dotted", "deep": ["z": ""]], "value": 3],
      "rows": [["a": 1, "b": ["c": "d"]]],
    ]
    let text = TOMLDocument.text(of: tree)
    let read = try TOMLDocument.parse(Array(text.utf8), file: "t.toml")
    #expect(sorted(.object(read)) == sorted(.object(tree)), "\(text)")
  }

  @Test(
    "a header without a name is refused, where the parser would end the program",
    arguments: [
      "[}", "[", "[\n]", "[.a]", "[ =]", "[[", "[[ [a]]", "a = 1\n  [#a]", "\u{FEFF}[é]",
      "a = [\n[1], # [\n]\n[,]", "a = \"\"\"\n[}\\\"\"\"\"\"\"\n[}", "a = '[' \n[}",
      "'\"' = { b = ']' }\n[}",
    ]
  )
  func headersWithoutNames(_ text: String) {
    #expect(throws: SettingsFault.self) { try TOMLDocument.parse(Array(text.utf8), file: "t.toml") }
  }

  @Test(
    "an array with what is no value is refused, where the parser would end the program",
    arguments: [
      "a = [ }", "a = [1, }]", "a = [\n# none\n}\n]", "a = { b = [[ } ]] }", "a = [ \u{2028} 1 ]",
      "a = { b = [ }, { c = 1 }] }",
    ]
  )
  func arraysWithoutValues(_ text: String) {
    #expect(throws: SettingsFault.self) { try TOMLDocument.parse(Array(text.utf8), file: "t.toml") }
  }

  @Test("what looks like such a header in a value is none")
  func headersInValues() throws {
    let text = """
      \u{FEFF}list = [ # [}
        [{ a = 1 }], [
        ], ['[}'],
      ]
      long = \"""
      [}
      \""\\\"\""\"""
      "[}" = '''
      [}
      ''''
        [ a . "[}" ]
      [["b"]]
      """
    let read = try TOMLDocument.parse(Array(text.utf8), file: "t.toml")
    #expect(read["list"]?.arrayValue?.count == 3)
    #expect(read["long"]?.stringValue == "[}\n\"\"\"\"\"")
    #expect(read["[}"]?.stringValue == "[}\n'")
    #expect(read["a"]?["[}"]?.objectValue != nil)
    #expect(read["b"]?.arrayValue?.count == 1)
  }

  /// The same with the members of objects in one order.
  private func sorted(_ value: JSONValue) -> JSONValue {
    if let object = value.objectValue {
      return .object(
        JSONObject(
          object.map { ($0.key, sorted($0.value)) }.sorted { $0.0 < $1.0 }.map {
            (key: $0.0, value: $0.1)
          }
        )
      )
    }
    return value.arrayValue.map { .array($0.map(sorted)) } ?? value
  }
}
