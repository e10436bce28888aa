import Glibc
import Platform

/// Stays with a module that is a process, which ends with its shim.
package struct ProcessShim: ShimTask {
  private let folder: ModuleFolder
  private let program: ModuleProgram
  private let launcher: [String]

  /// Runs the module of a folder once, and returns when it is over.
  ///
  /// - Parameters:
  ///   - path: the module's folder.
  ///   - number: which run this is.
  ///   - launcher: how to call the program that becomes the module, without the folder.
  /// - Returns: the exit status of the shim itself; the module's is in the folder.
  package static func run(folder path: String, number: Int64, launcher: [String]) -> Int32 {
    ModuleShim.run(folder: path, number: number) { folder in
      let program = try ModuleProgram(try folder.body())
      return ProcessShim(folder: folder, program: program, launcher: launcher)
    }
  }

  var stopSignal: Int32 { program.stopSignal }
  var log: LogLimits { program.log }

  func begin(output: Int32, error: Int32) throws -> pid_t {
    let fault = try ModuleShim.pipe(folder)
    defer { close(fault.read) }
    let pid: pid_t
    do {
      defer { close(fault.write) }
      pid = try Spawn.start(
        launcher + [folder.path],
        environment: [],
        files: [nil, output, error, fault.write]
      )
    }
    // Its end closes the pipe, and so does the beginning of the module itself.
    guard let text = Self.readAll(fault.read) else { return pid }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    throw RuntimeFault(.failed, text)
  }

  func signal(_ pid: pid_t, _ number: Int32) { kill(-pid, number) }

  func sweep(_ pid: pid_t) { kill(-pid, SIGKILL) }

  func cleanUp() { ControlGroup(folder).remove() }

  /// All that comes until the end; nil if nothing does.
  private static func readAll(_ file: Int32) -> String? {
    var text: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(file, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0, text.count < 65_536 else { break }
      text += bytes[..<count]
    }
    return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
  }
}
