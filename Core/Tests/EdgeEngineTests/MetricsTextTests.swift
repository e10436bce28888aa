import EdgeEngine
import Testing

@Suite("Metrics pages (Prometheus text format 0.0.4)")
struct MetricsTextTests {
  private static func parse(_ text: String) throws(MetricsText.Fault) -> [MetricsText.Value] {
    try MetricsText.parse([UInt8](text.utf8).span)
  }

  @Test("values are read with their labels")
  func values() throws {
    let page = """
      # HELP a_total Some, "help" {
      # TYPE a_total counter
      a_total{id="d/m", text="a\\"b\\\\c\\nd",} 3

        b 1.5e3 1700000000000
      c{} NaN\r
      d:e{x=""} -Inf
      """
    let values = try Self.parse(page)
    #expect(values.map(\.name) == ["a_total", "b", "c", "d:e"])
    #expect(values[0].labels == ["id": "d/m", "text": "a\"b\\c\nd"])
    #expect(values[0].value == 3)
    #expect(values[1].value == 1500)
    #expect(values[2].value.isNaN)
    #expect(values[3].value == -.infinity && values[3].labels == ["x": ""])
    #expect(try Self.parse("").isEmpty)
  }

  @Test(
    "what is no value is refused with its line",
    arguments: [
      "a", "a b", "1a 1", "a{ 1", "a{x} 1", "a{x=1} 1", "a{x=\"} 1", "a{x=\"\\",
      "a{x=\"1\"y=\"2\"} 1",
      "a{x=\"1\",x=\"2\"} 1", "a 1 2 3", "a 1 b", "{x=\"1\"} 1", "a{x=\"1\"", "é 1",
      "a{x=\"1\"}1 x",
    ]
  )
  func refused(line: String) {
    #expect(throws: MetricsText.Fault.line(2)) { try Self.parse("good 1\n\(line)\n") }
  }

  @Test("limits hold")
  func limits() {
    let labels = (0...MetricsText.labelLimit).map { "l\($0)=\"\"" }.joined(separator: ",")
    #expect(throws: MetricsText.Fault.tooMany) { try Self.parse("a{\(labels)} 1") }
    let many = String(repeating: "a 1\n", count: MetricsText.valueLimit + 1)
    #expect(throws: MetricsText.Fault.tooMany) { try Self.parse(many) }
    #expect(throws: MetricsText.Fault.line(1)) {
      try MetricsText.parse(([UInt8]("a{x=\"".utf8) + [0xFF] + [UInt8]("\"} 1".utf8)).span)
    }
  }
}
