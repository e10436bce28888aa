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
    let table: TOMLTable
    do {
      table = try TOMLTable(string: String(decoding: bytes, as: UTF8.self))
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
}
