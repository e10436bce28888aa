import JSONTree
import OperatorCommands
import Platform
import Testing

@Suite("The sheet of settings")
struct SettingsSheetTests {
  private static let settings = [
    EffectiveSetting(
      key: SettingKey("listen.port", .number(0...9), "8", "A port."),
      standard: "8",
      text: "7",
      source: .environment
    ),
    EffectiveSetting(
      key: SettingKey("hub.names", .list, "a,b", "Names."),
      standard: "a,b",
      text: "a,b",
      source: .standard
    ),
    EffectiveSetting(
      key: SettingKey("log.when_full", .choice(["x", "y"]), "x", "What."),
      standard: "x",
      text: "y",
      source: .file("/etc/hub.toml")
    ),
    EffectiveSetting(
      key: SettingKey("log.sync", .flag, "true", "Whether."),
      standard: "true",
      text: "off",
      source: .flag
    ),
    EffectiveSetting(
      key: SettingKey("hub.data", .text, "", "Where."),
      standard: "",
      text: "",
      source: .standard
    ),
  ]

  private func printed(_ format: OutputFormat) -> String {
    let output = Lines()
    var console = Console.system
    console.isOutputTerminal = false
    console.writeOutput = { output.add($0) }
    Console.$current.withValue(console) { SettingsSheet(Self.settings).print(format) }
    return output.text
  }

  @Test("people see value, source, range, default and meaning")
  func people() {
    let text = printed(.table)
    #expect(
      text.hasPrefix(
        """
        listen.port = 7  (from ORRERY_LISTEN_PORT)
            A port.
            Takes a number from 0 to 9; default 8.
        hub.names = a,b  (default)

        """
      )
    )
    #expect(text.contains("log.when_full = y  (from /etc/hub.toml)\n"))
    #expect(text.contains("Takes one of x, y; default x.\n"))
    #expect(text.contains("log.sync = off  (from the command line)\n"))
    #expect(
      text.hasSuffix("hub.data = none  (default)\n    Where.\n    Takes a text; default none.\n")
    )
  }

  @Test("programs get the same as JSON, values with their types")
  func programs() throws {
    let json = try #require(try JSON.parse(printed(.json)).arrayValue)
    #expect(json.map { $0["value"] } == [7, ["a", "b"], "y", false, .null])
    #expect(json.map { $0["default"] } == [8, ["a", "b"], "x", true, .null])
    #expect(json.map { $0["source"] } == ["environment", "default", "file", "flag", "default"])
    #expect(json.map { $0["kind"] } == ["number", "list", "choice", "flag", "text"])
    #expect(json[0]["minimum"] == 0 && json[0]["maximum"] == 9)
    #expect(json[0]["environment"] == "ORRERY_LISTEN_PORT")
    #expect(json[2]["file"] == "/etc/hub.toml" && json[2]["choices"] == ["x", "y"])
    #expect(json[4]["file"] == nil && json[4]["minimum"] == nil)
  }
}

@Suite("Misspelt subcommands")
struct UnknownSubcommandTests {
  @Test(
    "a near one is guessed, with status 2",
    arguments: [
      (["devcie", "list"], "orrery device"), (["device", "lst"], "orrery device list"),
      (["twins"], "orrery twin"), (["c2d", "sned", "d1", "x"], "orrery c2d send"),
    ]
  )
  func near(_ words: [String], _ meant: String) async {
    let outcome = await CommandHarness().run(words)
    #expect(outcome.status == .usage)
    #expect(outcome.errors.contains("Did you mean '\(meant)'?"), "\(outcome.errors)")
    #expect(outcome.requests.isEmpty)
  }

  @Test("a far one is not", arguments: [["frobnicate"], ["device", "explode"]])
  func far(_ words: [String]) async {
    let outcome = await CommandHarness().run(words)
    #expect(outcome.status == .usage)
    #expect(!outcome.errors.contains("mean"), "\(outcome.errors)")
    #expect(outcome.errors.contains("--help"))
  }

  @Test("what is none of its business passes", arguments: [["help", "device"], ["device", "-h"]])
  func others(_ words: [String]) async {
    let outcome = await CommandHarness().run(words)
    #expect(outcome.status == .success, "\(outcome.errors)")
  }
}
