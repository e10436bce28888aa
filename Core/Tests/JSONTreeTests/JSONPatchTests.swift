import JSONTree
import Testing

@Suite("JSON Patch and JSON Pointer (RFC 6902, RFC 6901)")
struct JSONPatchTests {
  @Test("a pointer is read and written with its escapes, or refused")
  func pointers() {
    let rows: [(text: String, names: [String]?)] = [
      ("", []), ("/", [""]), ("/a", ["a"]), ("/a/b", ["a", "b"]), ("/a//b/", ["a", "", "b", ""]),
      ("/a~1b/~0", ["a/b", "~"]), ("/~01", ["~1"]), ("/größe", ["größe"]),
      ("a", nil), (" /a", nil), ("/~", nil), ("/~2", nil), ("/a~", nil),
    ]
    for (text, names) in rows {
      let pointer = JSONPointer(text)
      #expect(pointer?.names == names, "\(text)")
      if let pointer { #expect(pointer.text == text) }
    }
  }

  @Test("the operations between two objects, in the order of their paths")
  func operations() throws {
    let rows: [(before: String, after: String, operations: String)] = [
      ("{}", "{}", "[]"),
      (#"{"a":1,"b":{"c":[1]}}"#, #"{"b":{"c":[1]},"a":1}"#, "[]"),
      ("{}", #"{"a":{"b":1}}"#, #"[{"op":"add","path":"/a","value":{"b":1}}]"#),
      (#"{"a":1}"#, "{}", #"[{"op":"remove","path":"/a"}]"#),
      (#"{"a":1}"#, #"{"a":1.0}"#, #"[{"op":"replace","path":"/a","value":1.0}]"#),
      (#"{"a":null}"#, #"{"a":{}}"#, #"[{"op":"replace","path":"/a","value":{}}]"#),
      (#"{"a":[1,2]}"#, #"{"a":[1]}"#, #"[{"op":"replace","path":"/a","value":[1]}]"#),
      (
        #"{"z":1,"o":{"x":1,"y":2}}"#, #"{"o":{"x":2,"n":3},"$m":0}"#,
        """
        [{"op":"add","path":"/$m","value":0},{"op":"add","path":"/o/n","value":3},\
        {"op":"replace","path":"/o/x","value":2},{"op":"remove","path":"/o/y"},\
        {"op":"remove","path":"/z"}]
        """
      ),
      (#"{"a/b":{"~":1}}"#, #"{"a/b":{}}"#, #"[{"op":"remove","path":"/a~1b/~0"}]"#),
    ]
    for row in rows {
      let operations = JSONPatch.operations(
        from: try #require(JSON.parse(row.before).objectValue),
        to: try #require(JSON.parse(row.after).objectValue)
      )
      #expect(JSON.text(.array(operations)) == row.operations, "\(row.before) \(row.after)")
    }
  }
}
