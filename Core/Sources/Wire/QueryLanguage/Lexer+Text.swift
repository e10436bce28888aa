extension Lexer {
  /// Reads a text in either kind of quotes, with `\'`, `\"`, `\\` and `\uXXXX`.
  mutating func quotedText() throws(QueryFault) {
    let start = position
    let quote = byte()
    position += 1
    var content: [UInt8] = []
    while position < text.count {
      let byte = byte()
      if byte == quote {
        position += 1
        // Whole scalars in, whole scalars out: the decoding repairs nothing.
        return emit(.text(String(decoding: content, as: UTF8.self)), from: start)
      }
      if byte == UInt8(ascii: "\\") {
        try escape(into: &content)
      } else {
        content.append(byte)
        position += 1
      }
    }
    throw fault(.unterminatedText, from: start, length: 1)
  }

  private mutating func escape(into content: inout [UInt8]) throws(QueryFault) {
    let start = position
    let kind = byte(1)
    position = min(position + 2, text.count)
    switch kind {
    case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "\\"): content.append(kind)
    case UInt8(ascii: "u"):
      guard let first = codeUnit() else { throw fault(.malformedEscape, from: start) }
      if let scalar = Unicode.Scalar(first) {
        content.append(contentsOf: String(Character(scalar)).utf8)
        return
      }
      guard byte() == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: "u"), first < 0xDC00 else {
        throw fault(.malformedEscape, from: start)
      }
      position += 2
      guard let second = codeUnit(), (0xDC00...0xDFFF).contains(second),
        let scalar = Unicode.Scalar(
          0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        )
      else { throw fault(.malformedEscape, from: start) }
      content.append(contentsOf: String(Character(scalar)).utf8)
    default: throw fault(.malformedEscape, from: start)
    }
  }

  /// Four hexadecimal digits.
  private mutating func codeUnit() -> UInt16? {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(byte())).hexDigitValue else { return nil }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
