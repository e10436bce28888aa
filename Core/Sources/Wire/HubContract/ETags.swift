internal import ByteIO

/// The texts of ETags and the conditions on them.
public enum ETags {
  /// An identity's or configuration's ETag: base64 of a decimal counter (contract §7.3).
  public static func identity(_ counter: UInt64) -> String {
    Base64.encode([UInt8](String(counter).utf8))
  }

  /// A twin's ETag: base64 of a counter of eight bytes, big-endian (contract §7.5).
  public static func twin(_ counter: UInt64) -> String {
    var writer = ByteWriter(capacity: 8)
    writer.uint64(counter)
    return Base64.encode(writer.bytes)
  }

  /// The ETag as the header `ETag` carries it, in quotes.
  public static func quoted(_ etag: String) -> String { "\"\(etag)\"" }
}

/// What the header `If-Match` asks for (contract §7.1).
public enum ETagCondition: Equatable, Sendable {
  /// The header is absent.
  case absent
  /// `*`: whatever exists.
  case any
  /// Exactly this version.
  case exactly(String)

  /// Reads the header's value, nil if there is none.
  ///
  /// `*`, `"<etag>"` and the bare etag are accepted, each after an optional `W/`; blanks around it
  /// are ignored. An empty value counts as absent.
  public init(ifMatch header: String?) {
    guard var text = header.map({ [UInt8]($0.utf8)[...] }) else {
      self = .absent
      return
    }
    func trimmed() {
      while let byte = text.first, byte == 0x20 || byte == 0x09 { text.removeFirst() }
      while let byte = text.last, byte == 0x20 || byte == 0x09 { text.removeLast() }
    }
    trimmed()
    if text.starts(with: [UInt8(ascii: "W"), UInt8(ascii: "/")]) { text = text.dropFirst(2) }
    if text.count >= 2, text.first == UInt8(ascii: "\""), text.last == UInt8(ascii: "\"") {
      text = text.dropFirst().dropLast()
    }
    if text.isEmpty {
      self = .absent
    } else if text.elementsEqual([UInt8(ascii: "*")]) {
      self = .any
    } else {
      self = .exactly(String(decoding: text, as: UTF8.self))
    }
  }

  /// Whether an object whose current ETag is `current` satisfies the condition.
  ///
  /// True for an absent header: what absence means is the operation's business.
  public func allows(_ current: String) -> Bool {
    switch self {
    case .absent, .any: true
    case .exactly(let etag): etag == current
    }
  }
}
