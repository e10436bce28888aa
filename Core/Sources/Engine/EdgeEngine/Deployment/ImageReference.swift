/// The name of a container image: `[registry/]repository[:tag][@digest]` (edge contract section 2.5);
/// or `oci:/path[:tag][@digest]`, a folder of this machine in the OCI image layout.
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
  /// What stands before the first slash, if that is a host: `registry.example:5000`, or
  /// `$upstream:443` until the parent's name has been put there.
  public let registry: String?
  /// The name in the registry; of a folder `oci:` and its path.
  public let repository: String
  /// The tag; `latest` if neither tag nor digest is given.
  public let tag: String?
  /// The digest, `sha256:` and hexadecimal digits.
  public let digest: String?

  /// The most bytes of registry and repository.
  private static let maximumNameBytes = 255

  /// Reads `text`, nil if it is no image's name.
  public init?(_ text: String) {
    var rest = text[...]
    var digest: String?
    if let at = rest.firstIndex(of: "@") {
      digest = String(rest[rest.index(after: at)...])
      rest = rest[..<at]
    }
    var tag: String?
    if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
      tag = String(rest[rest.index(after: colon)...])
      rest = rest[..<colon]
    }
    guard rest.utf8.count <= Self.maximumNameBytes else { return nil }
    if let tag, !Self.isTag(tag) { return nil }
    if let digest, !Self.isDigest(digest) { return nil }
    if rest.hasPrefix(Self.layoutPrefix) {
      guard Self.isFolder(rest.dropFirst(Self.layoutPrefix.count)) else { return nil }
      (self.registry, repository) = (nil, String(rest))
      self.tag = tag ?? (digest == nil ? "latest" : nil)
      self.digest = digest
      return
    }
    var registry: String?
    if let slash = rest.firstIndex(of: "/"), Self.isHost(rest[..<slash]) {
      registry = String(rest[..<slash])
      rest = rest[rest.index(after: slash)...]
      guard Self.isRegistry(registry ?? "") else { return nil }
    }
    let components = rest.split(separator: "/", omittingEmptySubsequences: false)
    guard components.allSatisfy(Self.isPathComponent) else { return nil }
    self.registry = registry
    repository = String(rest)
    self.tag = tag ?? (digest == nil ? "latest" : nil)
    self.digest = digest
  }

  /// How the name of a folder begins.
  private static let layoutPrefix = "oci:"

  /// The folder that the image is in; nil if it is in a registry.
  public var layoutPath: String? {
    repository.hasPrefix(Self.layoutPrefix)
      ? String(repository.dropFirst(Self.layoutPrefix.count)) : nil
  }

  /// Whether `path` leads from the root to a folder, without `.`, `..` and control characters.
  private static func isFolder(_ path: Substring) -> Bool {
    guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
      return false
    }
    return path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
      .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains(":") }
  }

  private init(registry: String?, repository: String, tag: String?, digest: String?) {
    (self.registry, self.repository, self.tag, self.digest) = (registry, repository, tag, digest)
  }

  /// The whole name.
  public var description: String {
    (registry.map { $0 + "/" } ?? "") + repository + (tag.map { ":" + $0 } ?? "")
      + (digest.map { "@" + $0 } ?? "")
  }

  /// This with the parent's host name for `$upstream`; nil if that is needed and there is no parent.
  public func resolved(parentHostName: String?) -> ImageReference? {
    guard let registry, Upstream.isNamed(in: registry) else { return self }
    return Upstream.replaced(in: registry, by: parentHostName)
      .map { ImageReference(registry: $0, repository: repository, tag: tag, digest: digest) }
  }

  /// This with `digest` alone, which no tag can lead elsewhere.
  public func pinned(to digest: String) -> ImageReference {
    ImageReference(registry: registry, repository: repository, tag: nil, digest: digest)
  }

  /// Registry and repository in full, with what engines take for granted.
  public var canonicalName: String {
    if layoutPath != nil { return repository }
    guard let registry, !["docker.io", "index.docker.io"].contains(registry.lowercased()) else {
      return "docker.io/" + (repository.contains("/") ? repository : "library/" + repository)
    }
    return registry.lowercased() + "/" + repository
  }

  /// Whether `text` is a SHA-256 digest: `sha256:` and 64 small hexadecimal digits.
  public static func isSHA256(_ text: String) -> Bool {
    text.utf8.count == 71 && text.hasPrefix("sha256:") && isDigest(text)
  }

  /// Whether what stands before the first slash is a registry, and not part of the repository.
  private static func isHost(_ text: Substring) -> Bool {
    text == "localhost" || text.contains { $0 == "." || $0 == ":" || $0 == "$" || $0.isUppercase }
  }

  private static func isRegistry(_ text: String) -> Bool {
    var host = text[...]
    if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
      let port = host[host.index(after: colon)...]
      guard (1...5).contains(port.count), port.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        UInt16(port) != nil
      else { return false }
      host = host[..<colon]
    }
    if Upstream.isNamed(in: String(host)) { return host.utf8.count == Upstream.name.utf8.count }
    if host.hasPrefix("["), host.hasSuffix("]") {
      return host.count > 2
        && host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
      !part.isEmpty && !part.hasPrefix("-") && !part.hasSuffix("-")
        && part.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
  }

  /// Small letters and digits, joined by `.`, `_`, `__` or any number of `-`.
  private static func isPathComponent(_ text: Substring) -> Bool {
    let bytes = Array(text.utf8)
    var index = 0
    var joiner: [UInt8] = []
    guard let last = bytes.last, isSmallAlphanumeric(last) else { return false }
    while index < bytes.count {
      if isSmallAlphanumeric(bytes[index]) {
        guard joiner.isEmpty || isJoiner(joiner) else { return false }
        joiner = []
      } else {
        guard index > 0 else { return false }
        joiner.append(bytes[index])
      }
      index += 1
    }
    return true
  }

  private static func isJoiner(_ bytes: [UInt8]) -> Bool {
    bytes == Array(".".utf8) || bytes == Array("_".utf8) || bytes == Array("__".utf8)
      || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
  }

  private static func isTag(_ text: String) -> Bool {
    guard (1...128).contains(text.utf8.count), let first = text.utf8.first,
      isAlphanumeric(first) || first == UInt8(ascii: "_")
    else { return false }
    return text.utf8.allSatisfy {
      isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        || $0 == UInt8(ascii: "-")
    }
  }

  private static func isDigest(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = parts[0].utf8.first, isSmallAlphanumeric(first) else {
      return false
    }
    return parts[0].utf8.allSatisfy(isAlphanumeric) && parts[1].utf8.count >= 32
      && parts[1].utf8.allSatisfy { isSmallAlphanumeric($0) && $0 <= UInt8(ascii: "f") }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isSmallAlphanumeric(byte) || (0x41...0x5A).contains(byte)
  }

  private static func isSmallAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
  }
}

/// The name that stands for the parent's host in nested set-ups (edge contract section 2.5).
public enum Upstream {
  /// How it is written, in any case.
  static let name = "$upstream"

  /// Whether `address` begins with it, as a whole host name.
  public static func isNamed(in address: String) -> Bool {
    guard address.utf8.count >= name.utf8.count,
      address.utf8.prefix(name.utf8.count).elementsEqual(name.utf8, by: { $0 | 0x20 == $1 | 0x20 })
    else { return false }
    let next = address.utf8.dropFirst(name.utf8.count).first
    return next == nil || next == UInt8(ascii: ":") || next == UInt8(ascii: "/")
  }

  /// `address` with `hostName` for the name; nil if it is needed and there is none.
  public static func replaced(in address: String, by hostName: String?) -> String? {
    guard isNamed(in: address) else { return address }
    guard let hostName else { return nil }
    return hostName + String(decoding: address.utf8.dropFirst(name.utf8.count), as: UTF8.self)
  }
}
