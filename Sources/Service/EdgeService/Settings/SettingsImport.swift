import JSONTree
package import Platform

/// Settings of the vendor's runtime, taken over line by line (`/etc/aziot/config.toml`).
///
/// Both have the same names, so what decides is the reader of our settings itself: what it takes is
/// carried over, what it takes without effect differs, and what it refuses is left out and told.
package struct SettingsImport: Sendable {
  /// What became of one setting.
  package struct Line: Equatable, Sendable {
    package enum Fate: String, Sendable {
      /// It stands in the new file, and means the same.
      case carried
      /// It stands there or not, and the edge does otherwise; the note says what.
      case differs
      /// Nothing here does what it asks for; it was left out.
      case missing
    }

    /// The dotted name; no value, which may be a secret.
    package let setting: String
    package let fate: Fate
    package let note: String?
  }

  /// What became of each setting, in the order of the file.
  package private(set) var lines: [Line] = []
  /// The new file.
  package private(set) var text = ""

  private var taken: JSONObject = [:]
  private let file: String
  private let paths: EdgePaths

  /// Reads the bytes of `file`.
  ///
  /// - Throws: `SettingsFault` where it is no TOML, or has no provisioning that can be used.
  package init(_ bytes: [UInt8], file: String, paths: EdgePaths) throws(SettingsFault) {
    (self.file, self.paths) = (file, paths)
    let old = try TOMLDocument.parse(bytes, file: file)
    // Without these two nothing can be tried; [edge_ca] may ask for what [cert_issuance] has.
    var names = ["hostname", "provisioning", "cert_issuance"].filter { old.contains($0) }
    names += old.keys.filter { !names.contains($0) }
    taken["provisioning"] = old["provisioning"]
    if let hostName = old["hostname"] { taken["hostname"] = hostName }
    let proofs = ["attestation", "authentication"].map { old["provisioning"]?[$0] }
    if proofs.contains(where: { $0?["identity_cert"]?.objectValue != nil }) {
      // Where the device's own certificate comes from.
      taken["cert_issuance"] = old["cert_issuance"]
    }
    let first = try settings(taken)
    for name in names {
      guard let value = old[name] else { continue }
      if name == "provisioning" || name == "hostname" {
        note(name, value, first.notices)
      } else {
        take(name, value)
      }
    }
    let whole = try settings(taken)
    text =
      "# Imported from \(file).\n" + whole.notices.map { "# \($0)\n" }.joined()
      + TOMLDocument.text(of: taken)
  }

  /// Whether something was left out that nothing here does.
  package var hasMissing: Bool { lines.contains { $0.fate == .missing } }

  private func settings(_ object: JSONObject) throws(SettingsFault) -> EdgeSettings {
    try EdgeSettings(Array(TOMLDocument.text(of: object).utf8), file: file, paths: paths)
  }

  private func refusal(of name: String, _ value: JSONValue) -> SettingsFault? {
    var tried = taken
    tried[name] = value
    do throws(SettingsFault) {
      _ = try settings(tried)
      return nil
    } catch {
      return error
    }
  }

  private mutating func take(_ name: String, _ value: JSONValue) {
    guard let fault = refusal(of: name, value) else {
      taken[name] = value
      return note(name, value, (try? settings(taken).notices) ?? [])
    }
    // One member that is refused does not take its whole table along.
    let members = value.objectValue ?? [:]
    for (key, inner) in members {
      var rest = members
      rest[key] = nil
      guard !rest.isEmpty, refusal(of: name, .object(rest)) == nil else { continue }
      leaveOut("\(name).\(key)", inner, fault)
      taken[name] = .object(rest)
      return note(name, .object(rest), (try? settings(taken).notices) ?? [])
    }
    leaveOut(name, value, fault)
  }

  private mutating func leaveOut(_ name: String, _ value: JSONValue, _ fault: SettingsFault) {
    let start = "\(file): "
    let problem =
      fault.problem.hasPrefix(start) ? String(fault.problem.dropFirst(start.count)) : fault.problem
    let text = fault.remedy.map { "\(problem). \($0)" } ?? problem
    for leaf in Self.leaves(name, value) {
      lines.append(Line(setting: leaf, fate: .missing, note: text))
    }
  }

  /// Tells each setting that was taken, and which of them have no effect.
  private mutating func note(_ name: String, _ value: JSONValue, _ notices: [String]) {
    for leaf in Self.leaves(name, value) {
      let notice = notices.first { text in
        let setting = text.prefix { $0 != " " }
        return leaf == setting || leaf.hasPrefix(setting + ".")
      }
      lines.append(
        Line(
          setting: leaf,
          fate: notice == nil ? .carried : .differs,
          note: notice ?? Self.change[leaf]
        )
      )
    }
  }

  /// What means the same and yet is not quite as it was.
  private static let change = [
    "listen.management_uri":
      "the API is at <run-dir>/agent/management.sock too; fd:// is not needed",
    "listen.workload_uri": "modules have a socket each; fd:// is not needed",
    "moby_runtime.network": "the local hub is no container: modules reach it by the hostname",
  ]

  private static func leaves(_ name: String, _ value: JSONValue) -> [String] {
    guard let object = value.objectValue, !object.isEmpty else { return [name] }
    return object.flatMap { leaves("\(name).\($0.key)", $0.value) }
  }
}
