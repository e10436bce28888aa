package import JSONTree
import TOMLKit

/// A TOML file of the operator's, as a tree of values.
package enum TOMLDocument {
  /// The most bytes of a file.
  package static let byteLimit = 1 << 20

  /// Reads a file.
  ///
  /// - Throws: `FileFault`, or `SettingsFault` that says where it is not TOML, or has a date, which no
  ///   setting takes.
  package static func read(_ file: String) throws -> JSONObject {
    try parse(PrivateFile.read(file, limit: byteLimit), file: file)
  }

  /// Reads the bytes of a file, whose name goes into faults.
  package static func parse(_ bytes: [UInt8], file: String) throws(SettingsFault) -> JSONObject {
    // The parser takes one for the end, and would say nothing of the settings behind it.
    if let end = bytes.firstIndex(of: 0) {
      let line = bytes[..<end].count { $0 == UInt8(ascii: "\n") } + 1
      throw SettingsFault("\(file): not TOML: there is a NUL byte in line \(line)")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    if let fault = TOMLFaults.first(in: text) {
      throw SettingsFault("\(file): not TOML: \(fault)")
    }
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw SettingsFault("\(file): not TOML: \(error.debugDescription)")
    } catch {
      throw SettingsFault("\(file): not TOML: \(error)")
    }
    return try object(table, prefix: "", file: file)
  }

  private static func object(
    _ table: TOMLTable,
    prefix: String,
    file: String
  ) throws(SettingsFault) -> JSONObject {
    var object = JSONObject()
    for (key, value) in table {
      object[key] = try self.value(value, name: prefix + key, file: file)
    }
    return object
  }

  private static func value(
    _ value: some TOMLValueConvertible,
    name: String,
    file: String
  ) throws(SettingsFault) -> JSONValue {
    if let table = value.table {
      return .object(try object(table, prefix: name + ".", file: file))
    }
    if let array = value.array {
      var values: [JSONValue] = []
      for element in array { values.append(try self.value(element, name: name, file: file)) }
      return .array(values)
    }
    if let text = value.string { return .string(text) }
    if let number = value.int { return .int(Int64(number)) }
    if let flag = value.bool { return .bool(flag) }
    if let number = value.double { return .double(number) }
    throw SettingsFault("\(file): \(name) has a type that no setting takes")
  }

  /// A file with these values, which `parse` reads as the same tree; null has no place in one.
  package static func text(of object: JSONObject) -> String { table(object, path: []) }

  private static func table(_ object: JSONObject, path: [String]) -> String {
    var text = ""
    let inner = object.filter { $0.value.objectValue != nil }
    let values = object.filter { $0.value.objectValue == nil && !$0.value.isNull }
    // A table with nothing but tables in it needs no line of its own.
    if !path.isEmpty, !values.isEmpty || inner.isEmpty {
      text += "\n[\(path.map(key).joined(separator: "."))]\n"
    }
    for (name, value) in values { text += "\(key(name)) = \(inline(value))\n" }
    for (name, value) in inner { text += table(value.objectValue ?? [:], path: path + [name]) }
    return text
  }

  private static func key(_ name: String) -> String {
    let isBare = name.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == 0x5F
        || byte == 0x2D
    }
    return isBare && !name.isEmpty ? name : quoted(name)
  }

  private static func inline(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .number(let number): number.text
    case .bool(let flag): String(flag)
    case .array(let values):
      "[" + values.filter { !$0.isNull }.map(inline).joined(separator: ", ") + "]"
    case .object(let object):
      "{ " + object.map { "\(key($0.key)) = \(inline($0.value))" }.joined(separator: ", ") + " }"
    case .null: "\"\""
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
