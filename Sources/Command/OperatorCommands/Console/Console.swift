import Glibc
package import HubContract
import Platform

/// Everything that a command sees of the world around it: streams, variables, clock, network.
///
/// Commands are made by the argument parser, so this cannot come in through an initialiser; it comes
/// in through the task that runs the command.
package struct Console: Sendable {
  /// The environment variables.
  package var environment: [String: String]
  /// Whether the output goes to a person.
  package var isOutputTerminal: Bool
  /// Whether the error stream goes to a person.
  package var isErrorTerminal: Bool
  /// Whether a person can answer questions.
  package var isInputTerminal: Bool
  /// Columns of the terminal; 0 for no limit.
  package var width: Int
  /// Writes to the output.
  package var writeOutput: @Sendable (String) -> Void
  /// Writes to the error stream.
  package var writeError: @Sendable (String) -> Void
  /// Reads the whole input.
  package var readInput: @Sendable () throws -> [UInt8]
  /// Reads one line of the input without its end; nil at the end.
  package var readLine: @Sendable () -> String?
  /// Reads a file.
  package var readFile: @Sendable (String) throws -> [UInt8]
  /// Makes the way to a hub.
  package var transport: @Sendable (HubConnection) throws -> any HubTransport
  /// The time of day.
  package var now: @Sendable () -> Timestamp

  /// The console of the running command.
  @TaskLocal package static var current = Console.system

  /// The process's own streams, variables, clock and network.
  package static let system = Console(
    environment: processEnvironment(),
    isOutputTerminal: isatty(STDOUT_FILENO) == 1,
    isErrorTerminal: isatty(STDERR_FILENO) == 1,
    isInputTerminal: isatty(STDIN_FILENO) == 1,
    width: terminalWidth(),
    writeOutput: { write($0, to: STDOUT_FILENO) },
    writeError: { write($0, to: STDERR_FILENO) },
    readInput: { try PrivateFile.read("/dev/stdin") },
    readLine: { Swift.readLine() },
    readFile: { try PrivateFile.read($0) },
    transport: { try HTTPTransport($0) },
    now: { Timestamp(ticks: SystemClock.wallTicks()) }
  )

  /// Creates a console of these parts.
  package init(
    environment: [String: String],
    isOutputTerminal: Bool,
    isErrorTerminal: Bool,
    isInputTerminal: Bool,
    width: Int,
    writeOutput: @escaping @Sendable (String) -> Void,
    writeError: @escaping @Sendable (String) -> Void,
    readInput: @escaping @Sendable () throws -> [UInt8],
    readLine: @escaping @Sendable () -> String?,
    readFile: @escaping @Sendable (String) throws -> [UInt8],
    transport: @escaping @Sendable (HubConnection) throws -> any HubTransport,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.environment = environment
    self.isOutputTerminal = isOutputTerminal
    self.isErrorTerminal = isErrorTerminal
    self.isInputTerminal = isInputTerminal
    self.width = width
    self.writeOutput = writeOutput
    self.writeError = writeError
    self.readInput = readInput
    self.readLine = readLine
    self.readFile = readFile
    self.transport = transport
    self.now = now
  }
}

extension Console {
  /// Whether the output may have colours: a terminal, and the person did not say no
  /// (the convention of `NO_COLOR`).
  package var isOutputColored: Bool { isOutputTerminal && allowsColor }

  /// Whether the error stream may have colours.
  var isErrorColored: Bool { isErrorTerminal && allowsColor }

  private var allowsColor: Bool {
    environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
  }

  /// Prints a failure on the error stream.
  func complain(_ failure: CommandFailure) {
    let word = Style.bad.applied(to: "error:", if: isErrorColored)
    writeError("orrery: \(word) \(failure.description)\n")
  }

  /// Prints a remark on the error stream, which keeps the output clean for programs.
  package func remark(_ text: String) {
    writeError(Style.faint.applied(to: text, if: isErrorColored) + "\n")
  }

  /// Asks a person; true only for a clear yes.
  func confirms(_ question: String) -> Bool {
    writeError("\(question) [y/N] ")
    let answer = readLine() ?? ""
    return ["y", "yes"].contains(answer.lowercased())
  }
}

private func processEnvironment() -> [String: String] {
  var variables: [String: String] = [:]
  var entry = environ
  while let text = entry.pointee {
    let pair = String(cString: text)
    if let equals = pair.firstIndex(of: "=") {
      variables[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
    }
    entry += 1
  }
  return variables
}

private func terminalWidth() -> Int {
  var size = winsize()
  guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return 0 }
  return Int(size.ws_col)
}

/// Writes all of `text`; a reader that went away ends the program quietly, as it does `cat`, and
/// everything else that is in the way ends it with a message.
private func write(_ text: String, to file: Int32) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR || errno == EAGAIN { continue }
    guard count > 0 else {
      let number = errno
      if count < 0, number != EPIPE, file == STDOUT_FILENO {
        write("orrery: error: \(FileFault("write", "the output", number))\n", to: STDERR_FILENO)
      }
      exit(CommandStatus.failure.rawValue)
    }
    rest = rest.dropFirst(count)
  }
}
