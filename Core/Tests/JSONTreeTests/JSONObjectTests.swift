import JSONTree
import Testing

@Suite("JSON objects (RFC 8259 §4)")
struct JSONObjectTests {
  @Test("of members with the same key the last wins, in the place of the first")
  func duplicateKeys() throws {
    #expect(try JSON.text(JSON.parse(#"{"a":1,"b":2,"a":3}"#)) == #"{"a":3,"b":2}"#)
    #expect(try JSON.text(JSON.parse(#"{"a":1,"\u0061":2}"#)) == #"{"a":2}"#)
  }

  @Test("order is kept when written and ignored when compared")
  func order() {
    let one: JSONObject = ["b": 1, "a": 2]
    let other: JSONObject = ["a": 2, "b": 1]
    #expect(one == other)
    #expect(one.keys == ["b", "a"])
    #expect(JSON.text(.object(one)) == #"{"b":1,"a":2}"#)
    #expect(JSON.canonicalText(.object(one)) == #"{"a":2,"b":1}"#)
    #expect(one != ["a": 2, "b": 2])
    #expect(one != ["a": 2, "c": 1])
    #expect(one != ["a": 2])
  }

  @Test("keys that differ only in Unicode normalisation stay apart")
  func normalisation() {
    let object: JSONObject = ["\u{E9}": 1, "e\u{301}": 2]
    #expect(object.count == 2)
    #expect(object["\u{E9}"] == 1)
    #expect(object["e\u{301}"] == 2)
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
  }

  @Test("members behave like a dictionary's at every size", arguments: [3, 16, 17, 40, 500])
  func largeAndSmall(_ size: Int) {
    var object = JSONObject()
    for index in 0..<size { object["k\(index)"] = .int(Int64(index)) }
    #expect(object.count == size)
    for index in 0..<size { #expect(object["k\(index)"] == .int(Int64(index))) }
    #expect(object["absent"] == nil)
    for index in 0..<size where index % 2 == 0 { object["k\(index)"] = nil }
    for index in 0..<size {
      #expect(object["k\(index)"] == (index % 2 == 0 ? nil : .int(Int64(index))))
    }
    object["k0"] = "again"
    #expect(object.keys.last == "k0")
    #expect(Array(object).count == object.count)
  }

  @Test("numbers keep their text")
  func numbers() throws {
    #expect(try JSON.text(JSON.parse("[1.0,1e2,-0,1E+400]")) == "[1.0,1e2,-0,1E+400]")
    #expect(JSONNumber(text: "1.0")?.integer == nil)
    #expect(JSONNumber(text: "1.0") != JSONNumber(1))
    #expect(JSONNumber(text: "1.5e2")?.double == 150)
    #expect(JSONNumber(text: "1E+400")?.double == .infinity)
    #expect(JSONNumber(text: "9223372036854775807")?.integer == .max)
    #expect(JSONNumber(text: "9223372036854775808")?.integer == nil)
    #expect(JSONNumber(text: "-9223372036854775808")?.integer == .min)
    #expect(JSONNumber(text: "-9223372036854775809")?.integer == nil)
    #expect(JSONNumber(text: "100000000000000000000000000000")?.integer == nil)
    for text in ["", "-", "01", "1.", ".1", "1e", "+1", " 1", "1 ", "0x1", "NaN", "١"] {
      #expect(JSONNumber(text: text) == nil, "\(text)")
    }
    #expect(JSONNumber(double: .nan) == nil)
    #expect(JSONValue.double(-.infinity) == .null)
  }

  @Test("what is written reads back, escapes included")
  func writing() throws {
    let value: JSONValue = ["k\"\\": ["\u{0}\u{1F}\u{7F}\n", 1, [:], [], nil, true], "é": "😀"]
    #expect(
      JSON.text(value)
        == "{\"k\\\"\\\\\":[\"\\u0000\\u001f\u{7F}\\n\",1,{},[],null,true],\"é\":\"😀\"}"
    )
    #expect(try JSON.parse(JSON.bytes(value)) == value)
    #expect(try JSON.parse(JSON.prettyText(value)) == value)
    #expect(JSON.prettyText(["a": [1], "b": [:]]) == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")
  }

  @Test("getters answer nil for another kind")
  func getters() {
    let value: JSONValue = ["s": "x", "n": 1.5, "i": 7, "b": true, "a": [1], "z": nil]
    #expect(value["s"]?.stringValue == "x")
    #expect(value["n"]?.doubleValue == 1.5)
    #expect(value["n"]?.int64Value == nil)
    #expect(value["i"]?.int64Value == 7)
    #expect(value["b"]?.boolValue == true)
    #expect(value["a"]?.arrayValue == [1])
    #expect(value["z"]?.isNull == true)
    #expect(value["z"]?.stringValue == nil)
    #expect(value["absent"]?.isNull == nil)
    #expect(value["s"]?["t"] == nil)
  }
}
