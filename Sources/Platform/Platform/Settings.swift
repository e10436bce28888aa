import ByteIO
package import Configuration
import TOMLKit

/// One key that a role understands: its name, kind, default and meaning.
package struct SettingKey: Sendable {
  /// What values a key takes.
  package enum Kind: Sendable, Equatable {
    /// Any text.
    case text
    /// A list of texts: a TOML array, or words parted by commas in a flag or the environment.
    case list
    /// A whole number in a range.
    case number(ClosedRange<Int>)
    /// `true` or `false`.
    case flag
    /// One of some words.
    case choice([String])
  }

  /// Dotted name: table, then key, such as `listen.mqtt_port`.
  package let name: String
  /// What it takes.
  package let kind: Kind
  /// The default as a person would write it; empty for none.
  package let standard: String
  /// One sentence for people.
  package let help: String

  package init(_ name: String, _ kind: Kind, _ standard: String, _ help: String) {
    self.name = name
    self.kind = kind
    self.standard = standard
    self.help = help
  }

  /// The environment variable that sets it: `ORRERY_LISTEN_MQTT_PORT`.
  package var variable: String {
    "ORRERY_" + name.uppercased().replacing(".", with: "_")
  }
}

/// A setting that cannot be used, with where it stands and how to mend it.
package struct SettingsFault: Error, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// The settings of a role, layered: flags over environment over file over defaults.
package struct Settings: Sendable {
  /// The layers read as one.
  ///
  /// Every key asked for must be a known one.
  package let reader: ConfigReader
  private let keys: [String: SettingKey]

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
    self.keys = known
    let names = keys.map(\.name)

    var flags: [AbsoluteConfigKey: ConfigValue] = [:]
    for (name, text) in overrides {
      guard let key = known[name] else { throw Self.unknown(name, in: "the command line", names) }
      flags[Self.path(name)] = try Self.value(of: key, text, from: "the command line")
    }
    let variables = Dictionary(
      keys.map { ($0.variable, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var fromEnvironment: [AbsoluteConfigKey: ConfigValue] = [:]
    for (variable, text) in environment
    where variable.hasPrefix("ORRERY_") && !reserved.contains(variable) {
      guard let key = variables[variable] else {
        throw Self.unknown(variable, in: "the environment", Array(variables.keys))
      }
      fromEnvironment[Self.path(key.name)] = try Self.value(
        of: key,
        text,
        from: "the environment variable \(variable)"
      )
    }
    var fromFile: [AbsoluteConfigKey: ConfigValue] = [:]
    if let file {
      let bytes = try PrivateFile.read(file, limit: 1 << 20)
      let table: TOMLTable
      do {
        table = try TOMLTable(string: String(decoding: bytes, as: UTF8.self))
      } catch let error as TOMLParseError {
        throw SettingsFault("\(file): not TOML: \(error.debugDescription)")
      }
      for (name, text) in try Self.flatten(table, prefix: "", file: file) {
        guard let key = known[name] else { throw Self.unknown(name, in: file, names) }
        fromFile[Self.path(name)] = try Self.value(of: key, text, from: file)
      }
    }
    var defaults: [AbsoluteConfigKey: ConfigValue] = [:]
    for key in keys {
      let standard = standards[key.name] ?? key.standard
      guard !standard.isEmpty else { continue }
      defaults[Self.path(key.name)] = try Self.value(of: key, standard, from: "the defaults")
    }
    reader = ConfigReader(providers: [
      InMemoryProvider(name: "flags", values: flags),
      InMemoryProvider(name: "environment", values: fromEnvironment),
      InMemoryProvider(name: "file", values: fromFile),
      InMemoryProvider(name: "defaults", values: defaults),
    ])
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

  private static func path(_ name: String) -> AbsoluteConfigKey {
    AbsoluteConfigKey(name.split(separator: ".").map(String.init))
  }

  private static func flatten(
    _ table: TOMLTable,
    prefix: String,
    file: String
  ) throws -> [(String, String)] {
    var found: [(String, String)] = []
    for (key, value) in table {
      let name = prefix + key
      if let inner = value.table {
        found += try flatten(inner, prefix: name + ".", file: file)
      } else if let array = value.array {
        let texts = array.compactMap { $0.string }
        guard texts.count == array.count else {
          throw SettingsFault("\(file): \(name) must be an array of strings")
        }
        found.append((name, texts.joined(separator: ",")))
      } else if let text = value.string {
        found.append((name, text))
      } else if let number = value.int {
        found.append((name, String(number)))
      } else if let flag = value.bool {
        found.append((name, String(flag)))
      } else {
        throw SettingsFault("\(file): \(name) has a type that no setting takes")
      }
    }
    return found
  }

  private static func value(
    of key: SettingKey,
    _ text: String,
    from place: String
  ) throws -> ConfigValue {
    func fault(_ wanted: String) -> SettingsFault {
      SettingsFault("\(place): \(key.name) must be \(wanted), not \"\(text)\"")
    }
    switch key.kind {
    case .text: return ConfigValue(.string(text), isSecret: false)
    case .list:
      let words = text.split(separator: ",").map { String($0.trimmed) }.filter { !$0.isEmpty }
      return ConfigValue(.stringArray(words), isSecret: false)
    case .number(let range):
      guard let number = Int(text), range.contains(number) else {
        throw fault("a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return ConfigValue(.int(number), isSecret: false)
    case .flag:
      switch text.lowercased() {
      case "true", "yes", "on", "1": return ConfigValue(.bool(true), isSecret: false)
      case "false", "no", "off", "0": return ConfigValue(.bool(false), isSecret: false)
      default: throw fault("true or false")
      }
    case .choice(let words):
      guard words.contains(text) else { throw fault("one of " + words.joined(separator: ", ")) }
      return ConfigValue(.string(text), isSecret: false)
    }
  }

  private static func unknown(_ name: String, in place: String, _ known: [String]) -> SettingsFault
  {
    let near = known.min { editDistance(name, $0) < editDistance(name, $1) }
    let hint = near.map { "; did you mean \($0)?" } ?? ""
    return SettingsFault("\(place): unknown setting \(name)\(hint)")
  }

  private static func editDistance(_ first: String, _ second: String) -> Int {
    let target = Array(second.utf8)
    var row = Array(0...target.count)
    for (index, byte) in first.utf8.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in target.indices {
        let substituted = diagonal + (byte == target[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(substituted, min(row[column], diagonal) + 1)
      }
    }
    return row[target.count]
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
