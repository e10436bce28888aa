import JSONTree
import OperatorCommands
import Testing

@Suite("What people and programs see")
struct OutputTests {
  private static let twins: JSONValue = [
    [
      "deviceId": "a", "status": "enabled", "connectionState": "Connected", "version": 3,
      "lastActivityTime": "2026-01-02T03:04:05.1234567Z", "tags": ["site": "north"],
      "properties": ["desired": [:], "reported": [:]],
    ],
    [
      "deviceId": "longer-name", "status": "disabled", "connectionState": "Disconnected",
      "version": 2, "lastActivityTime": "0001-01-01T00:00:00Z", "tags": [:],
      "properties": ["desired": [:], "reported": [:]],
    ],
  ]

  @Test("Columns line up, times are short, 'never' is a word")
  func table() async {
    let outcome = await CommandHarness(.json(Self.twins)).run(
      "query",
      "SELECT * FROM devices",
      "-o",
      "table"
    )
    #expect(
      outcome.output == """
        deviceId     status    connectionState  lastActivityTime      tags
        a            enabled   Connected        2026-01-02T03:04:05Z  {"site":"north"}
        longer-name  disabled  Disconnected     never                 {}

        """
    )
  }

  @Test("Columns of a projection are the members of its rows, gaps are dashes")
  func projection() async {
    let rows: JSONValue = [["n": 1, "site": "x"], ["n": 2.5, "open": true], ["site": nil]]
    let outcome = await CommandHarness(.json(rows)).run("query", "Q", "-o", "table")
    #expect(
      outcome.output == """
        n    site  open
        1    x     -
        2.5  -     yes
        -    -     -

        """
    )
  }

  @Test(
    "An empty list is a remark for people, and [] for programs",
    arguments: [
      ["device", "list"], ["device", "list", "--where", "x"], ["module", "list", "d1"],
      ["query", "Q"], ["ca", "list"], ["policy", "list"],
    ]
  )
  func empty(_ arguments: [String]) async {
    let table = await CommandHarness(.json([])).run(arguments + ["-o", "table"])
    #expect(table.status == .success)
    #expect(table.output.isEmpty)
    #expect(table.errors.contains(" no "))
    let json = await CommandHarness(.json([])).run(arguments + ["-o", "json"])
    #expect(json.output == "[]\n")
    #expect(json.errors.isEmpty)
  }

  @Test("Numbers are shown as the hub wrote them")
  func verbatimNumbers() async {
    let body = Array(#"[{"a":1.0,"b":12345678901234567890}]"#.utf8)
    let outcome = await CommandHarness(HubResponse(status: 200, body: body)).run("query", "Q")
    #expect(outcome.output.contains("1.0"))
    #expect(outcome.output.contains("12345678901234567890"))
  }

  @Test("What a device nested as deep as the hub takes it can be shown")
  func deepBody() async {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    let body = Array(#"[{"outcome":{"payload":\#(deep)}}]"#.utf8)
    let outcome = await CommandHarness(HubResponse(status: 200, body: body)).run(
      "query",
      "Q",
      "-o",
      "json"
    )
    #expect(outcome.output.filter { $0 == "[" }.count == 65)
  }

  @Test("Without a terminal it is JSON, on one it is a table")
  func defaultFormat() async {
    var harness = CommandHarness(.json(Self.twins))
    let piped = await harness.run("query", "Q")
    #expect((try? JSON.parse(piped.output)) == Self.twins)
    harness.isTerminal = true
    let shown = await harness.run("query", "Q")
    #expect(shown.output.contains("longer-name"))
    #expect((try? JSON.parse(shown.output)) == nil)
  }

  @Test("Colours appear on a terminal alone, and not where NO_COLOR is set")
  func colors() async {
    var harness = CommandHarness(.json(Self.twins))
    harness.isTerminal = true
    #expect(await harness.run("query", "Q").output.contains("\u{1B}["))
    harness.environment["NO_COLOR"] = "1"
    #expect(await !harness.run("query", "Q").output.contains("\u{1B}"))
    harness.environment["NO_COLOR"] = nil
    harness.isTerminal = false
    #expect(await !harness.run("query", "Q", "-o", "table").output.contains("\u{1B}"))
  }

  @Test("What a device wrote cannot steer the terminal")
  func controlCharacters() async {
    let rows: JSONValue = [["x": "\u{1B}[2Jgone\u{202E}\r\n"]]
    let outcome = await CommandHarness(.json(rows)).run("query", "Q", "-o", "table")
    #expect(outcome.output == "x\n\\u{1B}[2Jgone\\u{202E}\\u{D}\\u{A}\n")
  }

  @Test("The last column is cut to the terminal's width")
  func width() async {
    var harness = CommandHarness(
      .json([["id": "a", "text": .string(String(repeating: "x", count: 200))]])
    )
    harness.isTerminal = true
    harness.environment["NO_COLOR"] = "1"
    let lines = await harness.run("query", "Q").output.split(separator: "\n")
    #expect(lines.map(\.count) == [8, 80])
    #expect(lines.last?.hasSuffix("…") == true)
  }

  @Test("An event is one line: time, sender, position, body, properties")
  func eventLine() {
    let event: JSONValue = [
      "partition": 2, "sequenceNumber": 7, "enqueuedTime": "2026-01-02T03:04:05.1234567Z",
      "annotations": [
        "iothub-connection-device-id": "d", "iothub-connection-module-id": "m",
        "iothub-message-source": "Telemetry",
      ],
      "applicationProperties": ["level": "3"], "body": ["t": 21.5], "bodyEncoding": "json",
    ]
    #expect(
      EventLine.text(event, isColored: false)
        == #"2026-01-02T03:04:05.123Z  d/m  2/7  {"t":21.5}  level=3"#
    )
  }

  @Test(
    "Bodies that are text, bytes or change notices are told as such",
    arguments: [
      ("utf-8", "a\u{7}b", "Telemetry", #"2026-01-02T03:04:05.0Z  d  0/1  a\u{7}b"#),
      ("base64", "AAE=", "Telemetry", "2026-01-02T03:04:05.0Z  d  0/1  base64:AAE="),
      ("utf-8", "x", "twinChangeEvents", "2026-01-02T03:04:05.0Z  d  0/1  twinChangeEvents  x"),
    ]
  )
  func eventBodies(_ encoding: String, _ body: String, _ source: String, _ line: String) {
    let event: JSONValue = [
      "partition": 0, "sequenceNumber": 1, "enqueuedTime": "2026-01-02T03:04:05.0Z",
      "annotations": [
        "iothub-connection-device-id": "d", "iothub-message-source": .string(source),
      ],
      "body": .string(body), "bodyEncoding": .string(encoding),
    ]
    #expect(EventLine.text(event, isColored: false) == line)
  }
}
