import JSONTree
import Testing

@Suite("Twin patches (hub contract 3.6, 7.5)")
struct MergePatchTests {
  @Test("a patch merges as the contract says")
  func merge() throws {
    let rows: [(target: String, patch: String, result: String)] = [
      (#"{}"#, #"{"a":1}"#, #"{"a":1}"#),
      (#"{"a":1,"b":2}"#, #"{"a":9}"#, #"{"a":9,"b":2}"#),
      (#"{"a":1}"#, #"{"a":null}"#, #"{}"#),
      (#"{"a":1}"#, #"{"b":null}"#, #"{"a":1}"#),
      (#"{"a":{"b":{"c":1,"d":2}}}"#, #"{"a":{"b":{"c":null}}}"#, #"{"a":{"b":{"d":2}}}"#),
      // Deleting the last leaf leaves the object.
      (#"{"a":{"b":1}}"#, #"{"a":{"b":null}}"#, #"{"a":{}}"#),
      // An empty object persists, new or not, and changes nothing in an existing one.
      (#"{}"#, #"{"a":{}}"#, #"{"a":{}}"#),
      (#"{"a":{"b":1}}"#, #"{"a":{}}"#, #"{"a":{"b":1}}"#),
      // Arrays replace, whatever was there and whatever they hold.
      (#"{"a":[1,2,3]}"#, #"{"a":[4]}"#, #"{"a":[4]}"#),
      (#"{"a":{"b":1}}"#, #"{"a":[{"c":null}]}"#, #"{"a":[{"c":null}]}"#),
      // Scalars and objects give way to each other.
      (#"{"a":{"b":1}}"#, #"{"a":"s"}"#, #"{"a":"s"}"#),
      (#"{"a":"s"}"#, #"{"a":{"b":1}}"#, #"{"a":{"b":1}}"#),
      (#"{"a":null}"#, #"{"a":{"b":null}}"#, #"{"a":{}}"#),
      // Nulls of a patch that creates an object delete nothing and leave no trace.
      (#"{}"#, #"{"a":{"b":null,"c":{"d":null,"e":1}}}"#, #"{"a":{"c":{"e":1}}}"#),
      (#"{"a":1}"#, #"{}"#, #"{"a":1}"#),
    ]
    for row in rows {
      var target = try #require(JSON.parse(row.target).objectValue)
      target.merge(patch: try #require(JSON.parse(row.patch).objectValue))
      #expect(JSON.text(.object(target)) == row.result, "\(row.target) + \(row.patch)")
    }
  }

  @Test("many deletions in a large object leave the rest in order")
  func manyDeletions() {
    var target = JSONObject()
    var patch = JSONObject()
    for index in 0..<1000 {
      target["k\(index)"] = .int(Int64(index))
      if index % 3 != 0 { patch["k\(index)"] = .null }
    }
    target.merge(patch: patch)
    #expect(target.keys == (0..<1000).filter { $0 % 3 == 0 }.map { "k\($0)" })
    #expect(target["k999"] == 999)
    #expect(target["k1"] == nil)
  }

  @Test("the patch from one object to another makes the one of the other, and holds what differs")
  func difference() throws {
    let rows: [(String, String, String)] = [
      ("{}", "{}", "{}"), (#"{"a":1}"#, #"{"a":1}"#, "{}"), ("{}", #"{"a":{}}"#, #"{"a":{}}"#),
      (#"{"a":1,"b":2}"#, #"{"b":3}"#, #"{"b":3,"a":null}"#),
      (
        #"{"a":{"b":1,"c":2}}"#, #"{"a":{"c":2,"d":{"e":[1]}}}"#, #"{"a":{"d":{"e":[1]},"b":null}}"#
      ),
      (#"{"a":{"b":1}}"#, #"{"a":{}}"#, #"{"a":{"b":null}}"#),
      (#"{"a":{"b":1}}"#, #"{"a":5}"#, #"{"a":5}"#),
      (#"{"a":5}"#, #"{"a":{"b":1}}"#, #"{"a":{"b":1}}"#),
      (#"{"a":[1,2]}"#, #"{"a":[2]}"#, #"{"a":[2]}"#),
      (#"{"a":1}"#, #"{"a":1.0}"#, #"{"a":1.0}"#),
    ]
    for (from, to, expected) in rows {
      var object = try #require(JSON.parse(from).objectValue)
      let target = try #require(JSON.parse(to).objectValue)
      let patch = object.patch(to: target)
      #expect(try .object(patch) == JSON.parse(expected), "\(from) to \(to)")
      object.merge(patch: patch)
      #expect(object == target, "\(from) to \(to)")
    }
  }

  @Test("the size of a section counts keys and leaves")
  func size() throws {
    let rows: [(String, Int)] = [
      ("{}", 0), (#"{"abc":{}}"#, 3), (#"{"a":1}"#, 9), (#"{"a":1.5e300}"#, 9),
      (#"{"a":true}"#, 5), (#"{"a":"xyz"}"#, 4), (#"{"a":"x\ny\u0000\u009f"}"#, 3),
      (#"{"é":"é"}"#, 3), (#"{"a":{"bb":{"c":"12"}}}"#, 6), (#"{"a":[1,true,"x",{"k":"v"}]}"#, 16),
      (#"{"a":null}"#, 1),
    ]
    for (text, expected) in rows {
      let object = try #require(JSON.parse(text).objectValue)
      #expect(TwinSize.bytes(of: object) == expected, "\(text)")
    }
  }
}
