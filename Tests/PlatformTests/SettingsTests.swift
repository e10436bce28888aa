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

  @Test("a far typo gets no guess but the way to the list")
  func farTypo() {
    #expect {
      _ = try load(overrides: [("no.such_key", "1")])
    } throws: { error in
      let text = "\(error)"
      return text.contains("no.such_key") && !text.contains("mean") && text.contains("--print")
    }
    #expect {
      _ = try load(overrides: [("log.snyc", "1")])
    } throws: { error in
      (error as? SettingsFault)?.remedy == "Did you mean log.sync?"
    }
  }

  @Test("each value is told with the layer that it comes from")
  func sources() throws {
    let settings = try load(
      "[listen]\nport = 1\n[log]\nsync = false",
      environment: ["ORRERY_LISTEN_PORT": "2", "ORRERY_HUB_NAMES": "a, b"],
      overrides: [("listen.port", "3")]
    )
    #expect(settings.all.map(\.key.name) == keys.map(\.name))
    #expect(settings.all.map(\.text) == ["3", "a, b", "false", "refuse"])
    #expect(settings.all.map(\.standard) == ["8883", "localhost", "true", "refuse"])
    #expect(settings.all[0].source == .flag)
    #expect(settings.all[1].source == .environment)
    guard case .file(let path) = settings.all[2].source else {
      Issue.record("\(settings.all[2].source)")
      return
    }
    #expect(path.hasSuffix("/hub.toml"))
    #expect(settings.all[3].source == .standard)
  }

  @Test(
    "what a key takes is said in words",
    arguments: [
      (SettingKey.Kind.number(1...5), "a number from 1 to 5"),
      (.number(0...Int.max), "a number from 0 on"), (.flag, "true or false"),
      (.choice(["a", "b"]), "one of a, b"), (.list, "a list of texts"), (.text, "a text"),
    ]
  )
  func meaning(_ kind: SettingKey.Kind, _ text: String) {
    #expect(kind.meaning == text)
  }
}
