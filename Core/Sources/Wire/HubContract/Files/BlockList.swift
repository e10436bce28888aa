internal import ByteIO

/// The body of Put Block List: which blocks become the blob, in their order.
///
/// A small part of XML, as the storage SDKs write it: one element that holds elements with text. There
/// are no entities, because block IDs are base64; document types are refused.
public struct BlockList: Equatable, Sendable {
  /// The most blocks of a blob.
  public static let limit = 50_000
  /// The most bytes of a body.
  public static let byteLimit = 8 << 20
  /// The most bytes of a block's ID, decoded.
  private static let idLimit = 64

  /// Where a block is looked for.
  public enum Source: String, Sendable {
    /// Among the blocks of the blob as it is.
    case committed = "Committed"
    /// Among the blocks that were sent since.
    case uncommitted = "Uncommitted"
    /// Among those first, then in the blob.
    case latest = "Latest"
  }

  /// One block of the list.
  public struct Entry: Equatable, Sendable {
    /// Where it is looked for.
    public let source: Source
    /// Its ID, as base64.
    public let id: String
  }

  /// The blocks in their order.
  public private(set) var entries: [Entry] = []

  /// A list of blocks that were sent; their IDs must be some.
  public init(uncommitted ids: [String]) {
    entries = ids.map { Entry(source: .uncommitted, id: $0) }
  }

  /// Whether `text` may be a block's ID: base64 of 1 to 64 bytes.
  public static func isID(_ text: String) -> Bool {
    guard let bytes = Base64.decode(text) else { return false }
    return (1...idLimit).contains(bytes.count)
  }

  /// Reads a body.
  ///
  /// - Throws: 400 for what is no block list, or names one block twice; 409 for too many blocks.
  public init(_ bytes: [UInt8]) throws(BlobRefusal) {
    var reader = XMLReader(bytes)
    guard case .open("BlockList", isEmpty: let isEmpty) = reader.next() else { throw Self.invalid }
    if !isEmpty { try readEntries(&reader) }
    guard case .end = reader.next() else { throw Self.invalid }
  }

  /// Reads the elements up to the end of the list.
  private mutating func readEntries(_ reader: inout XMLReader) throws(BlobRefusal) {
    var known: Set<String> = []
    while true {
      switch reader.next() {
      case .open(let name, isEmpty: false):
        guard let source = Source(rawValue: name) else { throw Self.invalid }
        let id = reader.text()
        guard case .close(name) = reader.next() else { throw Self.invalid }
        guard Self.isID(id) else {
          throw .blockList("A block's ID is base64 of 1 to 64 bytes.")
        }
        guard known.insert(id).inserted else {
          throw .blockList("The list names the block \(id) twice.")
        }
        guard entries.count < Self.limit else { throw .blockCount }
        entries.append(Entry(source: source, id: id))
      case .close("BlockList"): return
      default: throw Self.invalid
      }
    }
  }

  private static let invalid = BlobRefusal(
    400,
    "InvalidXmlDocument",
    "The body is no BlockList of elements Committed, Uncommitted and Latest."
  )
}

/// Tags and the text between them.
private struct XMLReader {
  enum Tag {
    case open(String, isEmpty: Bool)
    case close(String)
    case end
    case malformed
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) {

    rest = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
  }

  /// The next tag behind blanks; declarations are skipped.
  mutating func next() -> Tag {
    while true {
      rest = rest.drop(while: Self.isBlank)
      guard let first = rest.first else { return .end }
      guard first == UInt8(ascii: "<"), let close = rest.firstIndex(of: UInt8(ascii: ">")) else {
        return .malformed
      }
      var inside = rest[rest.startIndex..<close].dropFirst()
      rest = rest[close...].dropFirst()
      switch inside.first {
      case UInt8(ascii: "?"): continue
      case UInt8(ascii: "/"): return .close(Self.name(inside.dropFirst()))
      default:
        let isEmpty = inside.last == UInt8(ascii: "/")
        if isEmpty { inside = inside.dropLast() }
        return .open(Self.name(inside), isEmpty: isEmpty)
      }
    }
  }

  /// The text up to the next tag, without blanks around it.
  mutating func text() -> String {
    let end = rest.firstIndex(of: UInt8(ascii: "<")) ?? rest.endIndex
    var text = rest[..<end].drop(while: Self.isBlank)
    while let last = text.last, Self.isBlank(last) { text = text.dropLast() }
    rest = rest[end...]
    return String(decoding: text, as: UTF8.self)
  }

  /// A tag's name; attributes, such as name spaces, are left out.
  private static func name(_ inside: ArraySlice<UInt8>) -> String {
    String(decoding: inside.prefix { !isBlank($0) }, as: UTF8.self)
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }
}
