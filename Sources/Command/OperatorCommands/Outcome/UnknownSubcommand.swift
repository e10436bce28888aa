package import ArgumentParser
import Platform

/// Tells a misspelt subcommand; the parser itself only knows an argument too many.
package enum UnknownSubcommand {
  /// What is wrong with the words at the beginning of `arguments`, nil if they name a command.
  package static func failure(
    _ arguments: [String],
    _ root: any ParsableCommand.Type
  ) -> CommandFailure? {
    var command = root
    var path = root.configuration.commandName ?? ""
    for word in arguments {
      let below = command.configuration.subcommands
      guard !below.isEmpty, !word.hasPrefix("-") else { return nil }
      // The parser's own, which takes the path of a command.
      if word == "help", path == root.configuration.commandName { return nil }
      if let next = below.first(where: { $0.names.contains(word) }) {
        command = next
        path += " " + word
        continue
      }
      let near = Spelling.nearest(to: word, among: below.flatMap { $0.names })
      // No default subcommand takes arguments, so a word can only be meant as a name.
      return CommandFailure(
        .usage,
        "'\(Cell.visible(word))' is no subcommand of '\(path)'",
        remedy: near.map { "Did you mean '\(path) \($0)'?" } ?? list(below, of: path)
      )
    }
    return nil
  }

  /// The names themselves as long as they fit a line.
  private static func list(_ commands: [any ParsableCommand.Type], of path: String) -> String {
    guard commands.count <= 10 else { return "'\(path) --help' lists them." }
    let names = commands.compactMap { $0.configuration.commandName }
    return "It has \(names.joined(separator: ", ")); see '\(path) --help'."
  }
}

extension ParsableCommand {
  fileprivate static var names: [String] {
    [configuration.commandName].compactMap(\.self) + configuration.aliases
  }
}
