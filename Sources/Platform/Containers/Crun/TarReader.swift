/// Reads a tar stream front to back: ustar and pax (POSIX.1-2017, pax), and the long names of GNU tar.
package struct TarReader {
  /// What an entry is; other kinds are refused.
  package enum Kind: Equatable, Sendable { case file, hardLink, symbolicLink, directory, fifo }

  /// One entry, less its content.
  package struct Entry: Equatable, Sendable {
    /// The path, part by part, without `.`; empty for the root itself.
    package var path: [String]
    package var kind: Kind
    /// The lower twelve bits of the mode.
    package var mode: UInt32
    package var user, group: UInt32
    /// Bytes of content.
    package var size: Int64
    /// Seconds since 1970.
    package var modified: Int64
    /// What a link names.
    package var target: String
  }

  /// Why a stream cannot be read, for a person.
  package struct Malformed: Error, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
  }

  /// The longest path and link, in bytes, and the longest name in a path (limits.h of Linux).
  package static let pathLimit = 4096
  private static let nameLimit = 255
  private static let depthLimit = 128
  /// The most bytes of a header that is stored as content: the long names, and pax records.
  private static let headerLimit = 64 << 10
  private static let block = 512

  private let source: () throws -> [UInt8]
  private var bytes: ArraySlice<UInt8> = []
  /// Content of the current entry that was not read, and what pads it to a block.
  private var left: Int64 = 0
  private var padding: Int64 = 0

  /// Reads what `source` gives, piece by piece; an empty piece is the end.
  package init(_ source: @escaping () throws -> [UInt8]) { self.source = source }

  /// The next entry, nil behind the last one.
  ///
  /// - Throws: `Malformed`, and what the source throws.
  package mutating func next() throws -> Entry? {
    var records: [String: String] = [:]
    while true {
      try skip(left + padding)
      (left, padding) = (0, 0)
      guard let header = try take(Self.block), header.contains(where: { $0 != 0 }) else {
        guard records.isEmpty else { throw Malformed("a long name has no entry behind it") }
        return nil
      }
      let size = try begin(header)
      switch header[156] {
      case UInt8(ascii: "x"):
        for (key, value) in try Self.records(try content(size)) { records[key] = value }
      case UInt8(ascii: "g"): _ = try content(size)
      case UInt8(ascii: "L"): records["path"] = try Self.text(try content(size)[...])
      case UInt8(ascii: "K"): records["linkpath"] = try Self.text(try content(size)[...])
      default: return try entry(header, records)
      }
    }
  }

  /// Hands the content of the current entry on, piece by piece.
  package mutating func read(_ sink: (ArraySlice<UInt8>) throws -> Void) throws {
    while left > 0 {
      try fill()
      let part = bytes.prefix(Int(min(left, Int64(bytes.count))))
      bytes = bytes.dropFirst(part.count)
      left -= Int64(part.count)
      try sink(part)
    }
  }

  // MARK: Bytes

  /// Sees that there is at least a byte.
  private mutating func fill() throws {
    if bytes.isEmpty { bytes = try source()[...] }
    guard !bytes.isEmpty else { throw Malformed("it ends in the middle of an entry") }
  }

  private mutating func skip(_ count: Int64) throws {
    var count = count
    while count > 0 {
      try fill()
      let part = Int(min(count, Int64(bytes.count)))
      bytes = bytes.dropFirst(part)
      count -= Int64(part)
    }
  }

  /// So many bytes; nil if there is not a single one.
  private mutating func take(_ count: Int) throws -> [UInt8]? {
    if bytes.isEmpty { bytes = try source()[...] }
    if bytes.isEmpty { return nil }
    var taken: [UInt8] = []
    while taken.count < count {
      try fill()
      let part = bytes.prefix(count - taken.count)
      taken += part
      bytes = bytes.dropFirst(part.count)
    }
    return taken
  }

  /// The content of a header that is one of several for an entry.
  private mutating func content(_ size: Int64) throws -> [UInt8] {
    guard size <= Int64(Self.headerLimit) else {
      throw Malformed("a header has \(size) bytes; at most \(Self.headerLimit) are read")
    }
    var content: [UInt8] = []
    try read { content += $0 }
    return content
  }

  // MARK: Headers

  /// Checks a header, and gives the size of what follows.
  private mutating func begin(_ header: [UInt8]) throws -> Int64 {
    let sum = header.enumerated().reduce(0) { sum, byte in
      sum + ((148..<156).contains(byte.offset) ? 0x20 : Int64(byte.element))
    }
    guard try Self.number(header[148..<156], "checksum") == sum else {
      throw Malformed("an entry's checksum is wrong: this is no tar file, or a damaged one")
    }
    try setSize(try Self.number(header[124..<136], "size"))
    return left
  }

  private mutating func setSize(_ size: Int64) throws {
    guard size >= 0, size < 1 << 50 else { throw Malformed("an entry has an impossible size") }
    left = size
    padding = (512 - size % 512) % 512
  }

  private mutating func entry(
    _ header: [UInt8],
    _ records: [String: String]
  ) throws -> Entry {
    var name = try Self.text(header[0..<100])
    if Array(header[257..<263]) == Array("ustar\0".utf8), header[345] != 0 {
      name = try Self.text(header[345..<500]) + "/" + name
    }
    let path = try Self.parts(records["path"] ?? name)
    let whole = path.joined(separator: "/")
    let kind: Kind
    switch header[156] {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
      // Before ustar a folder was a file whose name ends so.
      let last = (records["path"] ?? name).utf8.last
      kind = last == UInt8(ascii: "/") ? .directory : .file
    case UInt8(ascii: "1"): kind = .hardLink
    case UInt8(ascii: "2"): kind = .symbolicLink
    case UInt8(ascii: "5"): kind = .directory
    case UInt8(ascii: "6"): kind = .fifo
    case UInt8(ascii: "3"), UInt8(ascii: "4"):
      throw Malformed("\(whole) is a device, which images must not bring")
    case let other: throw Malformed("\(whole) is of the kind \(other), which is not known")
    }
    if let text = records["size"] {
      guard let size = Int64(text) else { throw Malformed("\(whole) has no size") }
      try setSize(size)
    }
    guard kind == .file || left == 0 else {
      throw Malformed("\(whole) is no file and has a content")
    }
    let target = try records["linkpath"] ?? Self.text(header[157..<257])
    if kind == .hardLink || kind == .symbolicLink {
      guard !target.isEmpty, target.utf8.count < Self.pathLimit else {
        throw Malformed("\(whole) is a link to nothing, or to a name that is too long")
      }
    }
    return Entry(
      path: path,
      kind: kind,
      mode: UInt32(try Self.number(header[100..<108], "mode") & 0o7777),
      user: try Self.owner(records["uid"], header[108..<116], whole),
      group: try Self.owner(records["gid"], header[116..<124], whole),
      size: left,
      modified: try records["mtime"].flatMap { Double($0) }.flatMap { Int64(exactly: $0.rounded()) }
        ?? max(Self.number(header[136..<148], "time"), 0),
      target: target
    )
  }

  private static func owner(
    _ record: String?,
    _ field: ArraySlice<UInt8>,
    _ path: String
  ) throws -> UInt32 {
    let number = try record.map { Int64($0) ?? -1 } ?? number(field, "owner")
    // The last number means "nobody" to the kernel.
    guard number >= 0, number < Int64(UInt32.max) else {
      throw Malformed("\(path) has an owner that is no user's number")
    }
    return UInt32(number)
  }

  /// The parts of a path that stays where it is put.
  ///
  /// Cut by bytes, as the kernel does: a slash beside a combining mark is no character of its own.
  package static func parts(_ path: String) throws -> [String] {
    guard path.utf8.first != UInt8(ascii: "/") else {
      throw Malformed("\"\(path)\" is no path in the image")
    }
    guard path.utf8.count < pathLimit else { throw Malformed("a path is too long") }
    let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
      .filter { $0 != "." }
    guard parts.count <= depthLimit else { throw Malformed("a path has too many folders") }
    guard parts.allSatisfy({ $0 != ".." && $0.utf8.count <= nameLimit }) else {
      throw Malformed("\"\(path)\" leads out of the image, or has a name that is too long")
    }
    return parts
  }

  /// Octal digits, or the two's complement of GNU tar.
  private static func number(_ field: ArraySlice<UInt8>, _ name: String) throws -> Int64 {
    if let first = field.first, first & 0x80 != 0 {
      let bytes = field.suffix(8)
      // What does not fit stands in front of the last eight bytes.
      let fill: UInt8 = first == 0xFF ? 0xFF : 0
      let front = field.dropLast(8).enumerated()
        .map { $0.offset == 0 && first == 0x80 ? 0 : $0.element }
      guard front.allSatisfy({ $0 == fill }) else {
        throw Malformed("an entry's \(name) is too large")
      }
      let own = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      // In a field of eight bytes the mark is in the number itself.
      return Int64(bitPattern: field.count == 8 && first == 0x80 ? own & ~(1 << 63) : own)
    }
    let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
    guard digits.allSatisfy({ (0x30...0x37).contains($0) }), digits.count <= 12 else {
      throw Malformed("an entry's \(name) is no number")
    }
    return digits.reduce(0) { $0 << 3 | Int64($1 - 0x30) }
  }

  /// What stands before the first zero.
  private static func text(_ field: ArraySlice<UInt8>) throws -> String {
    guard let text = String(validating: field.prefix { $0 != 0 }, as: UTF8.self) else {
      throw Malformed("a name is not in UTF-8")
    }
    return text
  }

  /// Records of pax: `length key=value` and a line's end.
  private static func records(_ content: [UInt8]) throws -> [(key: String, value: String)] {
    var found: [(key: String, value: String)] = []
    var rest = content[...]
    while !rest.isEmpty {
      let digits = rest.prefix { $0 != 0x20 }
      guard let length = Int(String(decoding: digits, as: UTF8.self)), length <= rest.count,
        length > digits.count + 1, rest[rest.startIndex + length - 1] == 0x0A
      else { throw Malformed("a pax header is damaged") }
      let record = rest.prefix(length - 1).dropFirst(digits.count + 1)
      rest = rest.dropFirst(length)
      let key = String(decoding: record.prefix { $0 != 0x3D }, as: UTF8.self)
      // Others may hold anything.
      guard ["path", "linkpath", "size", "uid", "gid", "mtime"].contains(key) else { continue }
      let value = record.dropFirst(key.utf8.count + 1)
      guard !value.contains(0), let text = String(validating: value, as: UTF8.self) else {
        throw Malformed("a name is not in UTF-8, or has a zero")
      }
      found.append((key, text))
    }
    return found
  }
}
