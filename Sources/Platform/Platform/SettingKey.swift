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

    /// What it takes, in words, as behind "must be".
    package var meaning: String {
      switch self {
      case .text: "a text"
      case .list: "a list of texts"
      case .number(let range) where range.upperBound == .max: "a number from \(range.lowerBound) on"
      case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
      case .flag: "true or false"
      case .choice(let words): "one of " + words.joined(separator: ", ")
      }
    }

    /// The parts of a list that is written with commas.
    package static func words(of text: String) -> [String] {
      text.split(separator: ",").map { String($0.trimmed) }.filter { !$0.isEmpty }
    }

    /// The meaning of a flag's word, nil for any other.
    package static func flag(of text: String) -> Bool? {
      switch text.lowercased() {
      case "true", "yes", "on", "1": true
      case "false", "no", "off", "0": false
      default: nil
      }
    }
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

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
