package import ArgumentParser
import EdgeEngine

/// `orrery routes`: the routes of edge devices, without one.
package struct RoutesCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "routes",
    abstract: "Try the routes of an edge device's manifest.",
    discussion: """
      Nothing is asked of a hub or of an edge: the routes are judged here as an edge judges them. The \
      routes of a hub are those of 'orrery routing'.
      """,
    subcommands: [RoutesTest.self, RoutesEval.self]
  )

  package init() {}
}

struct RoutesEval: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Answer questions about routes, one JSON object a line.",
    discussion: #"""
      For tools: each line of the input is a question, each line of the output its answer, in the same \#
      order. op is condition, route, source, configuration or test:

        {"op":"condition","condition":"n > 3","message":{"properties":{"n":"5"}}}
        {"op":"route","route":"FROM /messages/* INTO $upstream"}
        {"op":"source","from":"/messages/*","messageSource":"/messages"}
        {"op":"configuration","desired":{"schemaVersion":"1.0","routes":{}}}

      A message has properties, systemProperties, body or bodyText, contentType and contentEncoding. \#
      "profile":"contract" refuses what only Orrery understands; the default is "lenient".
      """#
  )

  func run() throws {
    let console = Console.current
    while let line = console.readLine() {
      // Blank lines keep their place out of the count of answers.
      if line.allSatisfy(\.isWhitespace) { continue }
      let answer = RouteQuestion.answer(line.utf8Span.span)
      console.writeOutput(String(decoding: answer, as: UTF8.self) + "\n")
    }
  }
}
