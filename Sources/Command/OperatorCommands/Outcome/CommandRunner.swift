package import ArgumentParser

/// Runs a command line and turns every way in which it can end into a status and a message.
package enum CommandRunner {
  /// Parses `arguments` for `root` and runs the command that they name.
  ///
  /// Help goes to the output, complaints go to the error stream, both through `Console.current`.
  package static func run(
    _ root: any ParsableCommand.Type,
    _ arguments: [String]
  ) async -> CommandStatus {
    if let failure = UnknownSubcommand.failure(arguments, root) {
      Console.current.complain(failure)
      return failure.status
    }
    do {
      let command = try root.parseAsRoot(arguments)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        var command = command
        try command.run()
      }
      return .success
    } catch {
      return report(error, root)
    }
  }

  private static func report(_ error: any Error, _ root: any ParsableCommand.Type) -> CommandStatus
  {
    let console = Console.current
    if let failure = error as? CommandFailure {
      console.complain(failure)
      return failure.status
    }
    if error is CancellationError { return .success }
    let code = root.exitCode(for: error)
    if code == .validationFailure {
      console.writeError(root.fullMessage(for: error) + "\n")
      return .usage
    }
    if code == .success {
      let text = root.fullMessage(for: error)
      if !text.isEmpty { console.writeOutput(text + "\n") }
      return .success
    }
    if let exit = error as? ExitCode { return CommandStatus(rawValue: exit.rawValue) ?? .failure }
    console.complain(CommandFailure(.failure, "\(error)"))
    return .failure
  }
}
