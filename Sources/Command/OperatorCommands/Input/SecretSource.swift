import ArgumentParser
import HubContract

/// Where a key comes from: a file, the input or a variable, and never the command line.
package enum SecretSource: Equatable, Sendable {
  /// The first line of a file.
  case file(String)
  /// The next line of the input.
  case input
  /// An environment variable.
  case variable(String)
  /// Something else stands there, likely the key itself. It is not kept.
  case refused

  /// Reads `@FILE`, `-` or `env:NAME`.
  ///
  /// It never throws, because the parser would repeat the argument in its message; `check` does.
  package init(argument: String) {
    if argument == "-" {
      self = .input
    } else if argument.hasPrefix("@"), argument.count > 1 {
      self = .file(String(argument.dropFirst()))
    } else if argument.hasPrefix("env:"), argument.count > 4 {
      self = .variable(String(argument.dropFirst(4)))
    } else {
      self = .refused
    }
  }

  /// Complains about what is no source.
  func check(_ option: String) throws {
    guard self == .refused else { return }
    throw ValidationError(
      "\(option): a key on the command line can be read by every user of this machine; give @FILE, "
        + "- (a line of the input) or env:NAME"
    )
  }

  /// The key.
  func read() throws(CommandFailure) -> String {
    let console = Console.current
    let text: String?
    switch self {
    case .file(let path):
      do {
        text = String(decoding: try console.readFile(path), as: UTF8.self)
      } catch {
        throw CommandFailure(.file(error), "\(error)")
      }
    case .input: text = console.readLine()
    case .variable(let name): text = console.environment[name]
    case .refused: text = nil
    }
    let line = (text ?? "").split(separator: "\n").first.map { $0.trimmed } ?? ""
    guard !line.isEmpty else {
      throw CommandFailure(.usage, "there is no key in \(name)")
    }
    return line
  }

  /// The key as the hub takes one; `option` is what is said to be wrong if it is none.
  func key(_ option: String) throws(CommandFailure) -> SymmetricKey {
    guard let key = SymmetricKey(base64: try read()) else {
      throw CommandFailure(
        .usage,
        "\(option): this is not base64 of 16 to 64 bytes",
        remedy: "Make one with: openssl rand -base64 32"
      )
    }
    return key
  }

  private var name: String {
    switch self {
    case .file(let path): path
    case .input: "the input"
    case .variable(let name): "the variable \(name)"
    case .refused: "the command line"
    }
  }
}
