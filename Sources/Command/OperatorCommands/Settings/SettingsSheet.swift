import JSONTree
package import Platform

/// Shows settings: what holds, who says so, what else it may be.
package struct SettingsSheet: Sendable {
  private let settings: [EffectiveSetting]

  /// A sheet of these, in this order.
  package init(_ settings: [EffectiveSetting]) { self.settings = settings }

  /// Prints it in the form that was asked for.
  package func print(_ format: OutputFormat?) {
    Printer(format).show(.array(settings.map(Self.json))) { printer in
      let isColored = printer.console.isOutputColored
      for setting in settings { printer.console.writeOutput(Self.text(setting, isColored)) }
    }
  }

  private static func text(_ setting: EffectiveSetting, _ isColored: Bool) -> String {
    let key = setting.key
    let name = Style.strong.applied(to: key.name, if: isColored)
    let source = Style.faint.applied(to: "(\(setting.source.text(of: key)))", if: isColored)
    return """
      \(name) = \(Cell.visible(setting.text.isEmpty ? "none" : setting.text))  \(source)
          \(key.help)
          Takes \(key.kind.meaning); default \(setting.standard.isEmpty ? "none" : setting.standard).

      """
  }

  private static func json(_ setting: EffectiveSetting) -> JSONValue {
    let key = setting.key
    var object: JSONObject = [
      "name": .string(key.name), "value": value(setting.text, key.kind),
      "source": .string(setting.source.name),
    ]
    if case .file(let path) = setting.source { object["file"] = .string(path) }
    object["default"] = value(setting.standard, key.kind)
    object["kind"] = .string(key.kind.name)
    switch key.kind {
    case .number(let range):
      object["minimum"] = .int(Int64(range.lowerBound))
      object["maximum"] = .int(Int64(range.upperBound))
    case .choice(let words): object["choices"] = .array(words.map { .string($0) })
    case .text, .list, .flag: break
    }
    object["takes"] = .string(key.kind.meaning)
    object["environment"] = .string(key.variable)
    object["help"] = .string(key.help)
    return .object(object)
  }

  private static func value(_ text: String, _ kind: SettingKey.Kind) -> JSONValue {
    switch kind {
    case .text, .choice: text.isEmpty ? .null : .string(text)
    case .list: .array(SettingKey.Kind.words(of: text).map { .string($0) })
    case .number: Int64(text).map { .int($0) } ?? .null
    case .flag: SettingKey.Kind.flag(of: text).map { .bool($0) } ?? .null
    }
  }
}

extension EffectiveSetting.Source {
  /// The word for programs.
  fileprivate var name: String {
    switch self {
    case .flag: "flag"
    case .environment: "environment"
    case .file: "file"
    case .standard: "default"
    }
  }

  /// The words for people.
  fileprivate func text(of key: SettingKey) -> String {
    switch self {
    case .flag: "from the command line"
    case .environment: "from \(key.variable)"
    case .file(let path): "from \(Cell.visible(path))"
    case .standard: "default"
    }
  }
}

extension SettingKey.Kind {
  /// The word for programs.
  fileprivate var name: String {
    switch self {
    case .text: "text"
    case .list: "list"
    case .number: "number"
    case .flag: "flag"
    case .choice: "choice"
    }
  }
}
