import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Direct methods of $edgeAgent (edge contract section 3.8)")
struct AgentMethodTests {
  private static let now = Timestamp(iso8601: "2026-01-10T00:00:00Z") ?? .epoch

  private func read(_ name: String, _ payload: String) throws -> AgentMethod {
    try AgentMethod(name: name, payload: try JSON.parse(payload), now: Self.now)
  }

  @Test("names ignore case, and ping takes anything")
  func names() throws {
    #expect(try read("PING", "[1]") == .ping)
    #expect(
      try read("restartmodule", #"{"schemaVersion":"1.0","id":"a"}"#) == .restartModule(id: "a")
    )
    #expect(
      try read("GETTASKSTATUS", #"{"correlationId":"x"}"#) == .getTaskStatus(correlationID: "x")
    )
  }

  @Test("items may be one object, and filters are read")
  func items() throws {
    let method = try read(
      "GetModuleLogs",
      #"{"items":{"id":"a.*","filter":{"tail":5,"since":"2 days","until":1700000000,"loglevel":3,"regex":"x+"}},"#
        + #""encoding":"gzip","contentType":"json"}"#
    )
    var filter = LogFilter()
    filter.tail = 5
    filter.since = Self.now.adding(seconds: -2 * 86_400)
    filter.until = Timestamp(seconds: 1_700_000_000)
    filter.logLevel = 3
    filter.pattern = "x+"
    var form = AgentMethod.LogForm()
    form.isCompressed = true
    form.isJSON = true
    #expect(method == .getModuleLogs([.init(id: "a.*", filter: filter)], form))
    #expect(form.fileExtension == "json.gz")
  }

  @Test(
    "what is wrong is refused, with its place",
    arguments: [
      ("Fly", "{}", "GetModuleLogs"), ("RestartModule", "{}", "id"),
      ("RestartModule", #"{"id":"  "}"#, "id"), ("RestartModule", "[]", ""),
      ("RestartModule", #"{"id":"a","schemaVersion":"2.0"}"#, "schemaVersion"),
      ("GetModuleLogs", "{}", "items"), ("GetModuleLogs", #"{"items":[]}"#, "items"),
      ("GetModuleLogs", #"{"items":[{"id":"("}]}"#, "items[0].id"),
      ("GetModuleLogs", #"{"items":[{"id":"a","filter":{"tail":0}}]}"#, "tail"),
      ("GetModuleLogs", #"{"items":[{"id":"a","filter":{"since":"soon"}}]}"#, "since"),
      ("GetModuleLogs", #"{"items":[{"id":"a","filter":{"loglevel":8}}]}"#, "loglevel"),
      ("GetModuleLogs", #"{"items":[{"id":"a","filter":{"regex":"["}}]}"#, "regex"),
      ("GetModuleLogs", #"{"items":[{"id":"a"}],"encoding":"zip"}"#, "encoding"),
      ("GetModuleLogs", #"{"items":[{"id":"a"}],"contentType":"xml"}"#, "contentType"),
      ("UploadModuleLogs", #"{"items":[{"id":"a"}]}"#, "sasUrl"),
      ("UploadModuleLogs", #"{"items":[{"id":"a"}],"sasUrl":"file:///x"}"#, "sasUrl"),
      ("UploadSupportBundle", #"{"sasUrl":"https://a b"}"#, "sasUrl"),
    ]
  )
  func refusals(_ name: String, _ payload: String, _ place: String) {
    #expect { try read(name, payload) } throws: { error in
      (error as? HubError)?.message.contains(place) == true || place.isEmpty
    }
  }

  @Test("an item names modules by a regular expression, or all")
  func matching() {
    let all = AgentMethod.LogItem(id: "ALL")
    #expect(all.names("x"))
    let some = AgentMethod.LogItem(id: "^temp.*[0-9]$")
    #expect(some.names("temp-1"))
    #expect(!some.names("my-temp-1"))
    #expect(AgentMethod.LogItem(id: "edgeHub").names("edgeHub"))
  }

  @Test(
    "points in time as people write them",
    arguments: [
      ("1700000000", 1_700_000_000), ("2026-01-09T23:00:00Z", 1_767_999_600),
      ("1 hour", 1_767_999_600), ("1h30m", 1_767_997_800), ("2 days", 1_767_830_400),
      ("90s", 1_768_003_110), ("1 week", 1_767_398_400),
    ] as [(String, Int64)]
  )
  func times(_ text: String, _ seconds: Int64) {
    #expect(LogTime.parse(text, now: Self.now)?.seconds == seconds)
  }

  @Test(
    "what is no point in time is told apart",
    arguments: ["", " ", "yesterday", "h", "1", "1 x", "2 days ago", "99999999999999999999 days"]
  )
  func noTimes(_ text: String) {
    // A number alone is a time: seconds since 1970.
    if text == "1" { return #expect(LogTime.parse(text, now: Self.now) == Timestamp(seconds: 1)) }
    #expect(LogTime.parse(text, now: Self.now) == nil)
  }

  @Test("a line's level is read, and filters take levels up to it")
  func levels() {
    let line = "<3> 2026-01-02 03:04:05.678 +00:00 [ERR] gone"
    let parsed = ParsedLogLine(line)
    #expect(parsed.level == 3)
    #expect(parsed.time == Timestamp(iso8601: "2026-01-02T03:04:05.678Z"))
    #expect(parsed.text == "[ERR] gone")
    for other in ["plain", "<9> 2026-01-02 03:04:05.678 +00:00 x", "<3> soon", "<3>", ""] {
      #expect(ParsedLogLine(other) == ParsedLogLine(other))
      #expect(ParsedLogLine(other).level == 6)
      #expect(ParsedLogLine(other).text == other)
    }
    var filter = LogFilter()
    filter.logLevel = 4
    #expect(LogLineFilter(filter).wants(line))
    #expect(!LogLineFilter(filter).wants("plain"))
    filter.logLevel = nil
    filter.pattern = "go.e$"
    #expect(LogLineFilter(filter).wants(line))
    #expect(!LogLineFilter(filter).wants("gone away"))
  }

  @Test("a line as JSON")
  func json() {
    let line = ParsedLogLine("plain").json(hub: "h", deviceID: "d", module: "m", stream: "stdout")
    #expect(
      line == [
        "iothub": "h", "device": "d", "id": "m", "stream": "stdout", "loglevel": 6, "text": "plain",
      ]
    )
  }

  @Test("$upstream in the URL of an upload is the parent's name")
  func upstream() {
    for (url, expected) in [
      ("https://$upstream:8443/logs?sig=a", "https://parent:8443/logs?sig=a"),
      ("http://$UPSTREAM/logs", "http://parent/logs"),
      ("https://$upstreams/logs", "https://$upstreams/logs"),
      ("https://other/$upstream", "https://other/$upstream"),
    ] {
      #expect(Upstream.replaced(inURL: url, by: "parent") == expected)
    }
    #expect(Upstream.replaced(inURL: "https://$upstream/logs", by: nil) == nil)
    #expect(Upstream.replaced(inURL: "https://a/b", by: nil) == "https://a/b")
  }
}
