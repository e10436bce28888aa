import JSONTree
import QueryLanguage
import Testing

@Suite("Aggregates and groups (hub contract 7.7)")
struct AggregationTests {
  private static let rows: [JSONValue] = [
    ["deviceId": "a", "tags": ["site": "north", "t": 1]],
    ["deviceId": "b", "tags": ["site": "south", "t": 2.5]],
    ["deviceId": "c", "tags": ["site": "north", "t": 3]],
    ["deviceId": "d", "tags": ["t": "text"]],
    ["deviceId": "e", "tags": ["site": "e\u{301}", "t": nil]],
    ["deviceId": "f", "tags": ["site": "\u{E9}"]],
    ["deviceId": "g", "tags": ["site": 1]],
    ["deviceId": "h", "tags": ["site": 1.0]],
  ]

  private func answer(_ text: String, rows: [JSONValue] = Self.rows) throws -> [JSONObject] {
    let query = try TwinQuery(text)
    var aggregation = Aggregation(query)
    for row in rows where query.matches(row) { aggregation.add(row) }
    return aggregation.results
  }

  @Test("without GROUP BY there is one row, even if nothing matches")
  func ungrouped() throws {
    #expect(try answer("SELECT COUNT() AS n FROM devices") == [["n": 8]])
    #expect(try answer("SELECT COUNT() AS n FROM devices WHERE tags.t > 1") == [["n": 2]])
    #expect(try answer("SELECT COUNT() n FROM devices", rows: []) == [["n": 0]])
    #expect(try answer("SELECT AVG(tags.t) FROM devices", rows: []) == [[:]])
    #expect(
      try answer("SELECT SUM(tags.t), AVG(tags.t) a, MIN(deviceId), MAX(deviceId) FROM devices")
        == [["sum": 6.5, "a": .double(6.5 / 3), "min": "a", "max": "h"]]
    )
    #expect(try answer("SELECT MIN(tags.t) m, MAX(tags.t) x FROM devices") == [["m": 1, "x": 3]])
    #expect(
      try answer("SELECT COUNT(), COUNT(*), count() FROM devices")
        == [["count": 8, "count2": 8, "count3": 8]]
    )
  }

  @Test("integers are summed exactly while they fit")
  func sums() throws {
    let large: [JSONValue] = [["v": .int(.max - 1)], ["v": 1]]
    #expect(try answer("SELECT SUM(v) s FROM devices", rows: large) == [["s": .int(.max)]])
    let beyond = try answer("SELECT SUM(v) s FROM devices", rows: large + [["v": 1]])
    #expect(beyond.first?["s"]?.doubleValue == 9_223_372_036_854_775_808)
  }

  @Test("groups come in the order of their first rows, missing values being one of them")
  func grouped() throws {
    let groups = try answer(
      "SELECT tags.site AS site, COUNT() AS n FROM devices c GROUP BY c.tags.site"
    )
    #expect(
      groups == [
        ["site": "north", "n": 2], ["site": "south", "n": 1], ["n": 1],
        ["site": "e\u{301}", "n": 1], ["site": "\u{E9}", "n": 1], ["site": 1, "n": 2],
      ]
    )
    #expect(
      try answer("SELECT TOP 2 tags.site FROM devices GROUP BY tags.site")
        == [["site": "north"], ["site": "south"]]
    )
    #expect(try answer("SELECT COUNT() FROM devices GROUP BY tags.site", rows: []) == [])
    #expect(
      try answer("SELECT COUNT() n FROM devices WHERE tags.t > 0 GROUP BY tags.site, tags.t")
        == [["n": 1], ["n": 1], ["n": 1]]
    )
  }
}
