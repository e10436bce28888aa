import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("Reading arguments")
struct InputTests {
  @Test(
    "Spans of time",
    arguments: [
      ("30s", 30_000), ("5", 5000), ("1.5", 1500), ("250ms", 250), ("2m", 120_000),
      ("1h", 3_600_000),
      ("2d", 172_800_000), ("0", 0),
    ]
  )
  func spans(_ text: String, _ milliseconds: Int64) {
    #expect(TimeSpan(argument: text)?.milliseconds == milliseconds)
  }

  @Test(
    "What is no span of time",
    arguments: ["", "s", "-1s", "1y", "1 h", "h1", "1e3", "9999999d"]
  )
  func noSpans(_ text: String) {
    #expect(TimeSpan(argument: text) == nil)
  }

  @Test(
    "Spans are shown as people write them",
    arguments: [
      ("90s", "90s"), ("120s", "2m"), ("86400", "1d"), ("250ms", "250ms"), ("7200s", "2h"),
    ]
  )
  func shownSpans(_ text: String, _ shown: String) {
    #expect(TimeSpan(argument: text)?.description == shown)
  }

  @Test(
    "Patterns of device IDs",
    arguments: [
      ("d1", "d1", true), ("d1", "d10", false), ("*", "", true), ("d*", "d10", true),
      ("*-1", "x-1", true), ("*-1", "x-11", false), ("a*b*c", "a--b--c", true),
      ("a*b*c", "a--c--b", false), ("a*a", "a", false), ("a*a", "aa", true), ("a?", "a?", true),
      ("a?", "ab", false), ("**x", "yx", true), ("a*b*b", "ab", false), ("a*bc*c", "abcc", true),
    ]
  )
  func patterns(_ pattern: String, _ name: String, _ matches: Bool) {
    #expect(NamePattern(pattern).matches(name) == matches)
  }

  @Test(
    "Names with values",
    arguments: [
      ("a=b", "a", "b"), ("a=", "a", ""), ("a=b=c", "a", "b=c"),
    ]
  )
  func pairs(_ text: String, _ name: String, _ value: String) {
    #expect(NamedValue(argument: text)?.name == name)
    #expect(NamedValue(argument: text)?.value == value)
    #expect(NamedValue(argument: "=x") == nil)
    #expect(NamedValue(argument: "x") == nil)
  }

  @Test(
    "Where reading begins",
    arguments: [
      ("earliest", "earliest"), ("start", "earliest"), ("latest", "latest"),
      ("offset:12", "offset:12"),
      ("sequence:0", "sequence:0"),
      ("time:2026-01-02T03:04:05Z", "time:2026-01-02T03:04:05.0000000Z"),
      ("2026-01-02T03:04:05+01:00", "time:2026-01-02T02:04:05.0000000Z"),
    ]
  )
  func starts(_ text: String, _ parameter: String) {
    #expect(EventStart(argument: text)?.parameter == parameter)
  }

  @Test(
    "Where reading cannot begin",
    arguments: [
      "", "now", "offset:", "offset:-1", "sequence:x", "time:today", "offset:99999999999999999999",
    ]
  )
  func noStarts(_ text: String) {
    #expect(EventStart(argument: text) == nil)
  }

  @Test(
    "Paths from the root on",
    arguments: [
      ("/a/b", "/a/b"), ("b", "/w/d/b"), ("../b", "/w/b"), ("./b/../c/", "/w/d/c"),
      ("/a/../../b", "/b"), (".", "/w/d"), ("a/../\u{301}b", "/w/d/\u{301}b"),
    ]
  )
  func paths(_ path: String, _ absolute: String) {
    #expect(AbsolutePath.of(path, from: "/w/d") == absolute)
  }

  @Test("A filter takes what fits all of its parts")
  func filters() {
    let event: JSONValue = [
      "annotations": [
        "iothub-connection-device-id": "pump-1", "iothub-connection-module-id": "m",
        "iothub-message-source": "Telemetry",
      ],
      "applicationProperties": ["level": "3"],
    ]
    var filter = EventFilter()
    #expect(filter.lets(event))
    filter.devices = [NamePattern("x"), NamePattern("pump-*")]
    filter.module = "m"
    filter.source = "Telemetry"
    filter.properties = [NamedValue(argument: "level=3")].compactMap(\.self)
    #expect(filter.lets(event))
    var other = filter
    other.devices = [NamePattern("pump-2")]
    #expect(!other.lets(event))
    other = filter
    other.properties = [NamedValue(argument: "level=4")].compactMap(\.self)
    #expect(!other.lets(event))
    other = filter
    other.module = "n"
    #expect(!other.lets(event))
    other = filter
    other.source = "twinChangeEvents"
    #expect(!other.lets(event))
  }
}
