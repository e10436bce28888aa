import Glibc
import Platform

/// Where the programs of this product are.
enum ProgramPath {
  /// The program that runs.
  static func own() throws(CommandFailure) -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else {
      throw CommandFailure(.failure, "\(FileFault("read", "/proc/self/exe"))")
    }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The program `name`: beside this one, or where the shell would find it.
  static func find(_ name: String, _ console: Console = .current) throws(CommandFailure) -> String {
    let own = try own()
    let folder = own.lastIndex(of: "/").map { String(own[..<$0]) } ?? ""
    let folders =
      [folder] + (console.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    for folder in folders where access("\(folder)/\(name)", X_OK) == 0 {
      return "\(folder)/\(name)"
    }
    throw CommandFailure(
      .notFound,
      "the program \(name) is neither beside \(own) nor in PATH",
      remedy: "Build it with: swift build -c release --product \(name)"
    )
  }
}
