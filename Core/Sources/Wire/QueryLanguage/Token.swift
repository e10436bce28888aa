/// A piece of a query text.
struct Token: Equatable {
  enum Kind: Equatable {
    /// A name, a key word or a function name.
    case word(String)
    /// `$name`, or `{$name}` if forced; the name comes without the dollar sign.
    case system(String, forced: Bool)
    case number(Value)
    case text(String)
    /// `[[any]]`, a quoted step of a path.
    case step(String)
    case symbol(Symbol)
    case end
  }

  enum Symbol: Equatable {
    case leftParenthesis, rightParenthesis, leftBracket, rightBracket, comma, dot
    case plus, minus, star, slash, percent, concatenate
    case less, lessOrEqual, greater, greaterOrEqual, equal, notEqual, coalesce
  }

  let kind: Kind
  /// Place of the first byte in the text's UTF-8 form.
  let offset: Int
  /// Bytes in the text.
  let length: Int

  var end: Int { offset + length }

  /// Whether this is the key word `word`, given in lower case, in any case.
  func isKeyword(_ word: String) -> Bool {
    if case .word(let text) = kind { text.asciiLowercased == word } else { false }
  }
}

extension String {
  /// This with the letters A to Z in lower case and nothing else changed.
  ///
  /// Key words are ASCII; `lowercased()` would also turn the Kelvin sign into a `k`.
  var asciiLowercased: String {
    guard utf8.contains(where: { (0x41...0x5A).contains($0) }) else { return self }
    return String(decoding: utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}
