import Platform
import Testing

@Suite("Settings: layers and refusals")
struct SettingsTests {
  private let keys = [
    SettingKey("listen.port", .number(1...65_535), "8883", "A port."),
    SettingKey("hub.names", .list, "localhost", "Names."),
    SettingKey("log.sync", .flag, "true", "Whether."),
    SettingKey("log.when_full", .choice(["refuse", "drop-oldest"]), "refuse", "What."),
  ]

  private func load(
    _ toml: String? = nil,
    environment: [String: String] = [:],
    overrides: [(String, String)] = []
  ) throws -> Settings {
    let directory = try TemporaryDirectory()
    var file: String?
    if let toml {
      file = directory.path + "/hub.toml"
      try PrivateFile.replace(directory.path + "/hub.toml", with: Array(toml.utf8))
    }
    return try Settings(
      keys: keys,
      file: file,
      environment: environment,
      reserved: ["ORRERY_CA"],
      overrides: overrides
    )
  }

  @Test(
    "a flag goes over the environment, the environment over the file, the file over the default"
  )
  func layers() throws {
    #expect(try load().number("listen.port") == 8883)
    #expect(try load("[listen]\nport = 1").number("listen.port") == 1)
    let variable = ["ORRERY_LISTEN_PORT": "2"]
    #expect(try load("[listen]\nport = 1", environment: variable).number("listen.port") == 2)
    let flagged = try load(
      "[listen]\nport = 1",
      environment: variable,
      overrides: [("listen.port", "3"), ("listen.port", "4")]
    )
    #expect(flagged.number("listen.port") == 4)
  }

  @Test("lists, flags and choices are read from every layer")
  func kinds() throws {
    let settings = try load(
      "[hub]\nnames = [\"a\", \"b\"]\n[log]\nsync = false",
      overrides: [("log.when_full", "drop-oldest")]
    )
    #expect(settings.list("hub.names") == ["a", "b"])
    #expect(settings.flag("log.sync") == false)
    #expect(settings.text("log.when_full") == "drop-oldest")
    #expect(try load(overrides: [("hub.names", "x, y")]).list("hub.names") == ["x", "y"])
  }

  @Test(
    "what can't be used is refused, naming the key and where it stands",
    arguments: [
      ("[listen]\nporr = 1", "listen.porr"), ("[listen]\nport = 0", "listen.port"),
      ("[listen]\nport = \"x\"", "listen.port"), ("[log]\nsync = \"maybe\"", "log.sync"),
      ("[log]\nwhen_full = \"explode\"", "drop-oldest"), ("[hub]\nnames = [1]", "hub.names"),
      ("listen = [", "not TOML"),
    ]
  )
  func refusals(_ toml: String, _ named: String) {
    #expect {
      _ = try load(toml)
    } throws: { error in
      "\(error)".contains(named) && "\(error)".contains("hub.toml")
    }
  }

  @Test("an unknown variable is refused with the nearest one; reserved ones pass")
  func variables() throws {
    #expect {
      _ = try load(environment: ["ORRERY_LISTEN_PROT": "1"])
    } throws: { error in
      "\(error)".contains("ORRERY_LISTEN_PROT") && "\(error)".contains("ORRERY_LISTEN_PORT")
    }
    #expect(try load(environment: ["ORRERY_CA": "/x", "PATH": "/"]).number("listen.port") == 8883)
  }
}
