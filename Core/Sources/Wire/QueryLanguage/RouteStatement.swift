/// A route of an edge as it is written: `FROM source WHERE condition INTO sink` (edge contract
/// section 6.1), read and compiled.
public struct RouteStatement: Sendable {
  /// Where a route leads.
  public enum Sink: Hashable, Sendable {
    /// To the hub above: `$upstream`.
    case upstream
    /// To the input of a module: `BrokeredEndpoint("/modules/m/inputs/i")`.
    case module(String, input: String)
  }

  /// The source's segments, as written.
  public let source: [String]
  /// The compiled condition; constantly true if there is no WHERE.
  public let condition: Condition
  /// The condition as written, `true` if there is no WHERE.
  public let conditionText: String
  /// Where messages go.
  public let sink: Sink
  /// What is accepted here and refused or read differently elsewhere, with its place.
  public let warnings: [QueryFault]

  /// Reads `text`, at most 8192 characters.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public init(_ text: String, profile: Dialect.EdgeProfile = .lenient) throws(QueryFault) {
    let bytes = Array(text.utf8)
    var head = RouteHead(bytes)
    source = try head.source()
    var parser = try ExpressionParser(
      bytes,
      from: head.position,
      dialect: .edgeRouting(profile)
    )
    parser.endsAtInto = true
    if parser.takeKeyword("where") {
      let start = parser.token.offset
      condition = try Condition(&parser)
      guard parser.token.isKeyword("into") else { throw parser.fault(.expected(.operatorOrInto)) }
      let end = parser.tokens[parser.index - 1].end
      conditionText = String(decoding: bytes[start..<end], as: UTF8.self)
    } else {
      condition = Condition(always: parser.dialect)
      conditionText = "true"
    }
    guard parser.takeKeyword("into") else { throw parser.fault(.expected(.word("WHERE or INTO"))) }
    let (sink, warning) = try parser.sink()
    self.sink = sink
    warnings = condition.extensions + (warning.map { [$0] } ?? [])
    guard parser.token.kind == .end else { throw parser.fault(.textAfterSink) }
  }

  /// The segments of a source on its own, such as `/messages/*`.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public static func source(_ text: String) throws(QueryFault) -> [String] {
    var head = RouteHead(Array(text.utf8))
    let segments = try head.segments()
    guard head.isAtEnd else { throw head.expected("the end") }
    return segments
  }
}

/// The part of a route before WHERE, where `/*` begins no comment.
private struct RouteHead {
  private let text: [UInt8]
  private(set) var position = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func source() throws(QueryFault) -> [String] {
    if takeWord("select") {
      skipBlanks()
      guard position < text.count, text[position] == UInt8(ascii: "*") else {
        throw expected("\"*\"")
      }
      position += 1
    }
    guard takeWord("from") else { throw expected("FROM") }
    return try segments()
  }

  mutating func segments() throws(QueryFault) -> [String] {
    var segments: [String] = []
    while takeSlash() {
      skipBlanks()
      let start = position
      while position < text.count, Lexer.isPropertyByte(text[position]) { position += 1 }
      guard position > start else { throw expected("a name or \"*\"") }
      segments.append(String(decoding: text[start..<position], as: UTF8.self))
    }
    guard !segments.isEmpty else { throw expected("a source such as /messages/*") }
    return segments
  }

  private mutating func skipBlanks() {
    while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
  }

  private mutating func takeSlash() -> Bool {
    skipBlanks()
    guard position < text.count, text[position] == UInt8(ascii: "/") else { return false }
    position += 1
    return true
  }

  private mutating func takeWord(_ word: String) -> Bool {
    skipBlanks()
    let end = wordEnd
    guard String(decoding: text[position..<end], as: UTF8.self).asciiLowercased == word else {
      return false
    }
    position = end
    return true
  }

  /// Where the letters from the position on end.
  private var wordEnd: Int {
    var end = position
    while end < text.count, (0x61...0x7A).contains(text[end] | 0x20) { end += 1 }
    return end
  }

  var isAtEnd: Bool { position == text.count }

  func expected(_ words: String) -> QueryFault {
    let length = max(wordEnd - position, position < text.count ? 1 : 0)
    return QueryFault(.expected(.word(words)), offset: position, length: length, in: text)
  }
}

extension ExpressionParser {
  /// Reads what stands behind INTO; a warning comes with words that the address should not have.
  fileprivate mutating func sink() throws(QueryFault) -> (RouteStatement.Sink, QueryFault?) {
    if case .system(let name, forced: false) = token.kind, name.asciiLowercased == "upstream" {
      take()
      return (.upstream, nil)
    }
    guard takeKeyword("brokeredendpoint") else { throw fault(.expected(.sink)) }
    try expect(.leftParenthesis, "\"(\"")
    let place = token
    guard case .text(let address) = place.kind else { throw fault(.expected(.sinkAddress)) }
    take()
    try expect(.rightParenthesis, "\")\"")
    var bytes = address.utf8[...]
    while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
    while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
    if bytes.first == UInt8(ascii: "/") { bytes.removeFirst() }
    if bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    let segments = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard segments.count == 4, !segments[1].isEmpty, !segments[3].isEmpty else {
      throw fault(.malformedSinkAddress, at: place)
    }
    // The original does not look at these two words.
    let isProper =
      segments[0].asciiLowercased == "modules" && segments[2].asciiLowercased == "inputs"
    let warning = isProper ? nil : fault(.foreignWordsInSinkAddress, at: place)
    return (.module(segments[1], input: segments[3]), warning)
  }
}
