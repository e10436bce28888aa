import ByteIO
package import Configuration
import JSONTree

/// The settings of a role, layered: flags over environment over file over defaults.
package struct Settings: Sendable {
  /// The layers read as one.
  ///
  /// Every key asked for must be a known one.
  package let reader: ConfigReader
  /// Every key with the value that holds, in the order of the documentation.
  package let all: [EffectiveSetting]

  /// Reads and checks all layers.
  ///
  /// - Parameters:
  ///   - keys: Every key the role knows; any other is a fault.
  ///   - file: Path of a TOML file, or nil.
  ///   - environment: The process's variables; those that begin with `ORRERY_` count, except
  ///     `reserved`.
  ///   - reserved: Variables of other roles and of the command line tool.
  ///   - overrides: Name and text of each flag, later ones win.
  ///   - standards: Defaults that differ from the keys' own in this role.
  /// - Throws: `SettingsFault` for an unknown key, a wrong type or range, or a broken file.
  package init(
    keys: [SettingKey],
    file: String?,
    environment: [String: String],
    reserved: Set<String> = [],
    overrides: [(String, String)],
    standards: [String: String] = [:]
  ) throws {
    let known = Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = keys.map(\.name)

    var flags = Layer(.flag)
    for (name, text) in overrides {
      guard let key = known[name] else { throw Self.unknown(name, in: "the command line", names) }
      try flags.set(key, text, from: "the command line")
    }
    let variables = Dictionary(
      keys.map { ($0.variable, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var fromEnvironment = Layer(.environment)
    for (variable, text) in environment
    where variable.hasPrefix("ORRERY_") && !reserved.contains(variable) {
      guard let key = variables[variable] else {
        throw Self.unknown(variable, in: "the environment", keys.map(\.variable))
      }
      try fromEnvironment.set(key, text, from: "the environment variable \(variable)")
    }
    var fromFile = Layer(.file(file ?? ""))
    if let file {
      let table = try TOMLDocument.read(file)
      for (name, text) in try Self.flatten(table, prefix: "", file: file) {
        guard let key = known[name] else { throw Self.unknown(name, in: file, names) }
        try fromFile.set(key, text, from: file)
      }
    }
    var defaults = Layer(.standard)
    for key in keys {
      let standard = standards[key.name] ?? key.standard
      if !standard.isEmpty { try defaults.set(key, standard, from: "the defaults") }
    }
    let layers = [flags, fromEnvironment, fromFile, defaults]
    reader = ConfigReader(providers: layers.map { InMemoryProvider(values: $0.values) })
    all = keys.map { key in
      let winner = layers.first { $0.texts[key.name] != nil } ?? defaults
      return EffectiveSetting(
        key: key,
        standard: defaults.texts[key.name] ?? "",
        text: winner.texts[key.name] ?? "",
        source: winner.source
      )
    }
  }

  /// The text at `name`, or nil where nothing sets it.
  package func text(_ name: String) -> String? {
    reader.string(forKey: ConfigKey(name)).flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The number at `name`; keys of that kind have a default.
  package func number(_ name: String) -> Int { reader.int(forKey: ConfigKey(name), default: 0) }

  /// The flag at `name`.
  package func flag(_ name: String) -> Bool { reader.bool(forKey: ConfigKey(name), default: false) }

  /// The list at `name`, empty where nothing sets it.
  package func list(_ name: String) -> [String] {
    reader.stringArray(forKey: ConfigKey(name), default: [])
  }

  private static func flatten(
    _ table: JSONObject,
    prefix: String,
    file: String
  ) throws -> [(String, String)] {
    var found: [(String, String)] = []
    for (key, value) in table {
      let name = prefix + key
      switch value {
      case .object(let inner): found += try flatten(inner, prefix: name + ".", file: file)
      case .array(let array):
        let texts = array.compactMap(\.stringValue)
        guard texts.count == array.count else {
          throw SettingsFault("\(file): \(name) must be an array of strings")
        }
        found.append((name, texts.joined(separator: ",")))
      case .string(let text): found.append((name, text))
      case .number(let number) where number.integer != nil: found.append((name, number.text))
      case .bool(let flag): found.append((name, String(flag)))
      case .number, .null:
        throw SettingsFault("\(file): \(name) has a type that no setting takes")
      }
    }
    return found
  }

  fileprivate static func value(
    of key: SettingKey,
    _ text: String,
    from place: String
  ) throws -> ConfigValue {
    var fault: SettingsFault {
      SettingsFault("\(place): \(key.name) must be \(key.kind.meaning), not \"\(text)\"")
    }
    switch key.kind {
    case .text: return ConfigValue(.string(text), isSecret: false)
    case .list:
      return ConfigValue(.stringArray(SettingKey.Kind.words(of: text)), isSecret: false)
    case .number(let range):
      guard let number = Int(text), range.contains(number) else { throw fault }
      return ConfigValue(.int(number), isSecret: false)
    case .flag:
      guard let flag = SettingKey.Kind.flag(of: text) else { throw fault }
      return ConfigValue(.bool(flag), isSecret: false)
    case .choice(let words):
      guard words.contains(text) else { throw fault }
      return ConfigValue(.string(text), isSecret: false)
    }
  }

  private static func unknown(_ name: String, in place: String, _ known: [String]) -> SettingsFault
  {
    SettingsFault(
      "\(place): unknown setting \(name)",
      remedy: Spelling.nearest(to: name, among: known).map { "Did you mean \($0)?" }
        ?? "'orrery hub --print-settings' lists all that there are."
    )
  }
}

/// What one source says, as it was written and as it is read.
private struct Layer {
  let source: EffectiveSetting.Source
  private(set) var texts: [String: String] = [:]
  private(set) var values: [AbsoluteConfigKey: ConfigValue] = [:]

  init(_ source: EffectiveSetting.Source) { self.source = source }

  /// Takes the value of a key; a later one wins.
  mutating func set(_ key: SettingKey, _ text: String, from place: String) throws {
    let path = AbsoluteConfigKey(key.name.split(separator: ".").map(String.init))
    values[path] = try Settings.value(of: key, text, from: place)
    texts[key.name] = text
  }
}
