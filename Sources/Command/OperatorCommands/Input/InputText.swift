import Glibc
import JSONTree
import Platform

extension CommandStatus {
  /// The status for a file that could not be read or written.
  package static func file(_ error: any Error) -> CommandStatus {
    guard let fault = error as? FileFault else { return .failure }
    switch fault.number {
    case ENOENT, ENOTDIR: return .notFound
    case EACCES, EPERM: return .unauthorized
    default: return .failure
    }
  }
}

/// Text that an argument gives: itself, `@FILE`, or `-` for the input.
enum InputText {
  /// The bytes that `argument` stands for.
  static func bytes(_ argument: String) throws(CommandFailure) -> [UInt8] {
    let console = Console.current
    do {
      if argument == "-" { return try console.readInput() }
      if argument.hasPrefix("@") { return try console.readFile(String(argument.dropFirst())) }
    } catch {
      throw CommandFailure(.file(error), "\(error)")
    }
    return Array(argument.utf8)
  }

  /// What an argument names in place of giving text: a file, or the input; nil for text.
  static func place(of argument: String) -> String? {
    if argument == "-" { return "the input" }
    return argument.hasPrefix("@") ? String(argument.dropFirst()) : nil
  }

  /// The JSON that `argument` stands for.
  ///
  /// If it is none, a file is what is said to be wrong, and without one `option`, such as `--payload`.
  static func json(_ argument: String, option: String) throws(CommandFailure) -> JSONValue {
    let bytes = try bytes(argument)
    do throws(JSONFault) {
      return try JSON.parse(bytes)
    } catch {
      if let place = place(of: argument) {
        throw CommandFailure(
          .usage,
          "\(place): this is no JSON: \(error)",
          remedy: "Correct it there: bytes are counted from 0."
        )
      }
      throw CommandFailure(
        .usage,
        "\(option) is no JSON: \(error)",
        remedy: "Mind the shell: put it in single quotes, or into a file and give @FILE."
      )
    }
  }

  /// The JSON object that `argument` stands for.
  static func object(_ argument: String, option: String) throws(CommandFailure) -> JSONValue {
    let value = try json(argument, option: option)
    guard value.objectValue != nil else {
      if let place = place(of: argument) {
        throw CommandFailure(.usage, "\(place): this must be a JSON object")
      }
      throw CommandFailure(.usage, "\(option) must be a JSON object, such as '{\"interval\":10}'")
    }
    return value
  }
}
