import ByteIO

/// Writes a value to a sink in one of the forms that `JSON` offers.
struct JSONWriter {
  enum Order { case asIs, sorted }

  let order: Order
  /// Spaces a level, nil for the compact form.
  let indentation: Int?

  func write(_ value: JSONValue, depth: Int, to sink: inout some ByteSink) {
    switch value {
    case .null: sink.utf8("null")
    case .bool(let value): sink.utf8(value ? "true" : "false")
    case .number(let number): sink.append(number.text.utf8Span.span)
    case .string(let text): write(text, to: &sink)
    case .array(let elements):
      sink.uint8(UInt8(ascii: "["))
      for index in elements.indices {
        if index > 0 { sink.uint8(UInt8(ascii: ",")) }
        lineBreak(depth + 1, to: &sink)
        write(elements[index], depth: depth + 1, to: &sink)
      }
      if !elements.isEmpty { lineBreak(depth, to: &sink) }
      sink.uint8(UInt8(ascii: "]"))
    case .object(let object):
      write(object, depth: depth, to: &sink)
    }
  }

  private func write(_ object: JSONObject, depth: Int, to sink: inout some ByteSink) {
    let members =
      order == .asIs
      ? object.members : object.members.sorted { $0.key.ordinallyPrecedes($1.key) }
    sink.uint8(UInt8(ascii: "{"))
    for index in members.indices {
      if index > 0 { sink.uint8(UInt8(ascii: ",")) }
      lineBreak(depth + 1, to: &sink)
      write(members[index].key, to: &sink)
      sink.uint8(UInt8(ascii: ":"))
      if indentation != nil { sink.uint8(UInt8(ascii: " ")) }
      write(members[index].value, depth: depth + 1, to: &sink)
    }
    if !members.isEmpty { lineBreak(depth, to: &sink) }
    sink.uint8(UInt8(ascii: "}"))
  }

  private func lineBreak(_ depth: Int, to sink: inout some ByteSink) {
    guard let indentation else { return }
    sink.uint8(UInt8(ascii: "\n"))
    for _ in 0..<(depth * indentation) { sink.uint8(UInt8(ascii: " ")) }
  }

  /// Writes a string; what needs no escape goes out in whole runs.
  private func write(_ text: String, to sink: inout some ByteSink) {
    let bytes = text.utf8Span.span
    sink.uint8(UInt8(ascii: "\""))
    var start = 0
    for index in bytes.indices {
      let byte = bytes[index]
      guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
        continue
      }
      if start < index { sink.append(bytes.extracting(start..<index)) }
      escape(byte, to: &sink)
      start = index + 1
    }
    if start < bytes.count { sink.append(bytes.extracting(start..<bytes.count)) }
    sink.uint8(UInt8(ascii: "\""))
  }

  private func escape(_ byte: UInt8, to sink: inout some ByteSink) {
    sink.uint8(UInt8(ascii: "\\"))
    switch byte {
    case 0x08: sink.uint8(UInt8(ascii: "b"))
    case 0x09: sink.uint8(UInt8(ascii: "t"))
    case 0x0A: sink.uint8(UInt8(ascii: "n"))
    case 0x0C: sink.uint8(UInt8(ascii: "f"))
    case 0x0D: sink.uint8(UInt8(ascii: "r"))
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): sink.uint8(byte)
    default:
      sink.utf8("u00")
      sink.uint8(Hex.character(byte >> 4))
      sink.uint8(Hex.character(byte & 15))
    }
  }
}
