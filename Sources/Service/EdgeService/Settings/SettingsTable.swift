import JSONTree
import Platform

/// A table of the settings file; each fault says where it stands and what would be right.
struct SettingsTable {
  /// The file's path, for faults.
  let file: String
  /// The dotted name of the table with a full stop behind it, empty for the file itself.
  let prefix: String
  /// Whether keys may be kept back in it, as in what the supervisor writes.
  let isCopy: Bool
  private let object: JSONObject

  init(_ object: JSONObject, file: String, prefix: String = "", isCopy: Bool = false) {
    self.object = object
    self.file = file
    self.prefix = prefix
    self.isCopy = isCopy
  }

  /// Every name in it.
  var names: [String] { object.keys }

  /// Refuses what is not among `known`.
  func refuse(otherThan known: [String]) throws(SettingsFault) {
    for name in object.keys where !known.contains(name) {
      let guess = Spelling.nearest(to: name, among: known).map { "Did you mean \(prefix)\($0)?" }
      let list = known.map { prefix + $0 }.joined(separator: ", ")
      throw SettingsFault(
        "\(file): unknown setting \(prefix)\(name)",
        remedy: guess ?? "Here belong: \(list)."
      )
    }
  }

  func fault(_ name: String, _ problem: String, remedy: String? = nil) -> SettingsFault {
    SettingsFault("\(file): \(prefix)\(name) \(problem)", remedy: remedy)
  }

  func contains(_ name: String) -> Bool { object.contains(name) }

  /// A text that is not empty; nil where nothing is set.
  func text(_ name: String) throws(SettingsFault) -> String? {
    guard let value = object[name] else { return nil }
    guard let text = value.stringValue, !text.isEmpty else {
      throw fault(name, "must be a text that is not empty")
    }
    return text
  }

  /// A text that must be there; `purpose` says when.
  func required(_ name: String, _ purpose: String) throws(SettingsFault) -> String {
    guard let text = try text(name) else {
      throw fault(name, "is missing", remedy: "It is needed \(purpose).")
    }
    return text
  }

  /// One of the words, nil where nothing is set.
  func word(_ name: String, of words: [String]) throws(SettingsFault) -> String? {
    guard let text = try text(name) else { return nil }
    guard words.contains(text) else {
      throw fault(name, "must be one of \(words.joined(separator: ", ")), not \"\(text)\"")
    }
    return text
  }

  func flag(_ name: String) throws(SettingsFault) -> Bool? {
    guard let value = object[name] else { return nil }
    guard let flag = value.boolValue else { throw fault(name, "must be true or false") }
    return flag
  }

  func number(_ name: String, in range: ClosedRange<Int>) throws(SettingsFault) -> Int? {
    guard let value = object[name] else { return nil }
    guard let number = value.int64Value.flatMap({ Int(exactly: $0) }), range.contains(number) else {
      throw fault(name, "must be a whole number \(SettingKey.Kind.number(range).bounds)")
    }
    return number
  }

  /// Texts of an array, or the one text that stands in its place.
  func texts(_ name: String) throws(SettingsFault) -> [String] {
    guard let value = object[name] else { return [] }
    if let text = value.stringValue, !text.isEmpty { return [text] }
    let texts = value.arrayValue?.compactMap(\.stringValue).filter { !$0.isEmpty }
    guard let texts, texts.count == value.arrayValue?.count else {
      throw fault(name, "must be a text or an array of texts")
    }
    return texts
  }

  /// A table, nil where there is none.
  func table(_ name: String) throws(SettingsFault) -> SettingsTable? {
    guard let value = object[name] else { return nil }
    guard let object = value.objectValue else {
      throw fault(name, "must be a table", remedy: "Write it as [\(prefix)\(name)].")
    }
    return SettingsTable(object, file: file, prefix: "\(prefix)\(name).", isCopy: isCopy)
  }

  /// Environment variables: a table whose members are texts, numbers or truth values.
  func variables(_ name: String) throws(SettingsFault) -> [String: String] {
    guard let table = try table(name) else { return [:] }
    var variables: [String: String] = [:]
    for (key, value) in table.object {
      switch value {
      case .string(let text): variables[key] = text
      case .number(let number): variables[key] = number.text
      case .bool(let flag): variables[key] = String(flag)
      case .array, .object, .null: throw table.fault(key, "must be a text")
      }
    }
    return variables
  }

  /// Anything, as it stands.
  func value(_ name: String) -> JSONValue? { object[name] }

  /// A duration as `90s`, `10m`, `12h`, `1d` or `2w`, or a sum like `1d 12h`, in seconds.
  func seconds(_ name: String, in range: ClosedRange<Int64>) throws(SettingsFault) -> Int64? {
    guard let text = try text(name) else { return nil }
    guard let seconds = SettingsDuration.seconds(text), range.contains(seconds) else {
      throw fault(
        name,
        "must be a time from \(range.lowerBound) to \(range.upperBound) seconds, not \"\(text)\"",
        remedy: "Write it like 30m, 12h or 7d."
      )
    }
    return seconds
  }

  /// A file, given by its path or as `file://<path>`; the path must begin at the root.
  func path(_ name: String) throws(SettingsFault) -> String? {
    guard let text = try text(name) else { return nil }
    return try path(name, text)
  }

  func path(_ name: String, _ text: String) throws(SettingsFault) -> String {
    if text.hasPrefix("pkcs11:") {
      throw fault(
        name,
        "names a PKCS#11 token, which this version cannot use",
        remedy: "Name a file: file:///path/to/file.pem"
      )
    }
    let path = text.hasPrefix("file://") ? String(text.dropFirst(7)) : text
    guard path.hasPrefix("/") else {
      throw fault(
        name,
        "must be a file, not \"\(text)\"",
        remedy: "Write the path from the root on: file:///etc/orrery/file.pem"
      )
    }
    return path
  }
}

extension SettingKey.Kind {
  /// The bounds of a number in words.
  fileprivate var bounds: String {
    guard case .number(let range) = self else { return "" }
    return range.upperBound == .max
      ? "from \(range.lowerBound) on" : "from \(range.lowerBound) to \(range.upperBound)"
  }
}
