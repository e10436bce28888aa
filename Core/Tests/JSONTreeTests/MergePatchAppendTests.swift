import ByteIO
import JSONTree
import Testing

@Suite("Joining merge patches")
struct MergePatchAppendTests {
  private func object(_ text: String) throws -> JSONObject {
    try #require(try JSON.parse(text).objectValue)
  }

  @Test("one patch that does what both do; null stays null")
  func rows() throws {
    let rows = [
      ("{}", #"{"a":1}"#, #"{"b":2}"#, #"{"a":1,"b":2}"#),
      (#"{"a":1}"#, #"{"a":null}"#, #"{"b":null}"#, #"{"a":null,"b":null}"#),
      (#"{"k":{"x":1}}"#, #"{"k":null}"#, #"{"k":{"a":1}}"#, #"{"k":{"a":1,"x":null}}"#),
      (
        #"{"k":{"x":{"y":1}}}"#, #"{"k":5}"#, #"{"k":{"x":{"z":1}}}"#,
        #"{"k":{"x":{"z":1,"y":null}}}"#
      ),
      (#"{"k":5}"#, #"{"k":{"b":2}}"#, #"{"k":{"b":null,"c":{}}}"#, #"{"k":{"b":null,"c":{}}}"#),
    ]
    for (base, first, next, expected) in rows {
      var patch = try object(first)
      patch.append(patch: try object(next), onto: try object(base))
      #expect(JSON.text(.object(patch)) == expected, "\(base) \(first) \(next)")
    }
  }

  static func document(
    _ depth: Int,
    nulls: Bool,
    _ generator: inout SeededGenerator
  ) -> JSONObject {
    var object = JSONObject()
    for _ in 0..<Int.random(in: 0..<4, using: &generator) {
      let key = ["a", "b", "c"].randomElement(using: &generator) ?? "a"
      switch Int.random(in: 0..<6, using: &generator) {
      case 0 where nulls: object[key] = .null
      case 1, 2: object[key] = .int(Int64.random(in: 0..<3, using: &generator))
      default:
        object[key] =
          depth == 0 ? "x" : .object(document(depth - 1, nulls: nulls, &generator))
      }
    }
    return object
  }

  @Test("random chains of patches: joined, applied once or twice, it is the same")
  func differential() {
    var generator = SeededGenerator(seed: 5)
    for round in 0..<20_000 {
      let base = Self.document(3, nulls: false, &generator)
      var expected = base
      var joined = JSONObject()
      for _ in 0..<Int.random(in: 1..<5, using: &generator) {
        let patch = Self.document(3, nulls: true, &generator)
        expected.merge(patch: patch)
        joined.append(patch: patch, onto: base)
      }
      var result = base
      result.merge(patch: joined)
      #expect(result == expected, "\(round)")
      result.merge(patch: joined)
      #expect(result == expected, "\(round), twice")

      let other = Self.document(3, nulls: false, &generator)
      var replaced = base
      replaced.merge(patch: other.replacing(base))
      #expect(replaced == other, "\(round)")
    }
  }
}
