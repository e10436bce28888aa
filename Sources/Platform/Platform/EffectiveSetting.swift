/// One setting as it holds: what it is, and which layer says so.
package struct EffectiveSetting: Sendable {
  /// The layer that a value comes from, from the one that wins over all others on.
  package enum Source: Sendable, Equatable {
    /// A flag of the command line.
    case flag
    /// The key's variable in the environment.
    case environment
    /// The file of this path.
    case file(String)
    /// Nobody set it.
    case standard
  }

  /// The key.
  package let key: SettingKey
  /// Its default in this role, as a person would write it; empty for none.
  package let standard: String
  /// What holds, as it was written; empty for none.
  package let text: String
  /// Where that was written.
  package let source: Source

  package init(key: SettingKey, standard: String, text: String, source: Source) {
    self.key = key
    self.standard = standard
    self.text = text
    self.source = source
  }
}
