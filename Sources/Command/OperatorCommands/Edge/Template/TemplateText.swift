/// Texts of a template: placeholders in them, and what takes their places (edge contract section
/// 13.1).
struct TemplateText {
  /// What a placeholder stands for.
  enum Placeholder: Equatable {
    /// `${MODULES.name}`, with a platform or `debug` behind.
    case module(name: String, platform: String?)
    /// `${MODULEDIR<path>}`, likewise.
    case folder(path: String, platform: String?)
    /// `$NAME` or `${NAME}`.
    case variable(String, isBraced: Bool)
  }

  /// Names with a dollar sign that manifests have, and that are no variables.
  private static let reserved: Set<String> = ["edgeAgent", "edgeHub", "upstream", "body"]
  /// How often a value may itself have placeholders.
  static let depthLimit = 8

  /// Whether `text` can be the name of a variable.
  static func isName(_ text: some StringProtocol) -> Bool {
    guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return text.utf8.allSatisfy(isNameByte)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || byte == UInt8(ascii: "_")
  }

  /// `text` with `replace`'s answer in place of each placeholder; nil leaves it as it is.
  static func expand(
    _ text: String,
    _ replace: (Placeholder) throws(TemplateFault) -> String?
  ) throws(TemplateFault) -> String {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    var result = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[rest.index(after: dollar)...]
      if rest.first == "{" {
        guard let end = rest.firstIndex(of: "}") else {
          throw TemplateFault("a placeholder has no end: $\(rest.prefix(40))")
        }
        let inner = rest[rest.index(after: rest.startIndex)..<end]
        let written = rest[...end]
        rest = rest[rest.index(after: end)...]
        result += try placeholder(inner).flatMap(replace) ?? "$\(written)"
        continue
      }
      let name = rest.prefix { $0.utf8.count == 1 && $0.utf8.allSatisfy(isNameByte) }
      rest = rest[name.endIndex...]
      guard isName(name), !reserved.contains(String(name)) else {
        result += "$\(name)"
        continue
      }
      result += try replace(.variable(String(name), isBraced: false)) ?? "$\(name)"
    }
    return result + rest
  }

  /// What stands in braces; nil for what is no placeholder, such as a path of a route's body.
  private static func placeholder(_ inner: Substring) throws(TemplateFault) -> Placeholder? {
    if inner.hasPrefix("MODULES.") {
      let parts = inner.dropFirst(8).split(separator: ".", maxSplits: 1).map(String.init)
      guard let name = parts.first else { throw TemplateFault("${\(inner)} names no module") }
      return .module(name: name, platform: parts.count > 1 ? parts[1] : nil)
    }
    if inner.hasPrefix("MODULEDIR<") {
      guard let end = inner.firstIndex(of: ">") else {
        throw TemplateFault("${\(inner)} has no > behind the folder")
      }
      let path = inner[..<end].dropFirst(10)
      let rest = inner[inner.index(after: end)...]
      guard !path.isEmpty, rest.isEmpty || rest.hasPrefix(".") else {
        throw TemplateFault("${\(inner)} is not like ${MODULEDIR<../folder>.amd64}")
      }
      return .folder(path: String(path), platform: rest.isEmpty ? nil : String(rest.dropFirst()))
    }
    guard isName(inner), !reserved.contains(String(inner)) else { return nil }
    return .variable(String(inner), isBraced: true)
  }
}
