import ArgumentParser
import Platform

/// Tells a misspelt subcommand; the parser itself only knows an argument too many.
enum UnknownSubcommand {
  /// What is wrong with the words at the beginning of `arguments`, nil if they name a command.
  static func failure(
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
      // What is not near may be an argument of the default one.
      if near == nil, command.configuration.defaultSubcommand != nil { return nil }
      return CommandFailure(
        .usage,
        "'\(Cell.visible(word))' is no subcommand of '\(path)'",
        remedy: near.map { "Did you mean '\(path) \($0)'?" } ?? "'\(path) --help' lists them."
      )
    }
    return nil
  }
}

extension ParsableCommand {
  fileprivate static var names: [String] {
    [configuration.commandName].compactMap(\.self) + configuration.aliases
  }
}
