import ArgumentParser
import HubContract
import OperatorCommands
import Testing

@Suite("Exit status")
struct ExitStatusTests {
  @Test("Numbers never change their meaning")
  func numbers() {
    #expect(CommandStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(CommandStatus.notFound.rawValue == 3)
    #expect(CommandStatus.timedOut.rawValue == 7)
  }

  @Test(
    "Each refusal of the hub has its status and its text",
    arguments: [
      (HubErrorCode.deviceNotFound, HubErrorShape.registry, CommandStatus.notFound),
      (.moduleNotFound, .module, .notFound),
      (.iotHubUnauthorized, .registry, .unauthorized),
      (.iotHubUnauthorizedAccess, .registry, .unauthorized),
      (.deviceAlreadyExists, .registry, .conflict),
      (.moduleAlreadyExistsOnDevice, .module, .conflict),
      (.preconditionFailed, .registry, .conflict),
      (.deviceNotOnline, .method, .unreachable),
      (.gatewayTimeout, .method, .timedOut),
      (.serviceUnavailable, .registry, .unreachable),
      (.argumentInvalid, .registry, .failure),
      (.throttlingException, .registry, .failure),
      (.serverError, .registry, .failure),
    ]
  )
  func refusals(_ code: HubErrorCode, _ shape: HubErrorShape, _ status: CommandStatus) async {
    let harness = CommandHarness(.refusal(code, "What the hub says.", shape))
    let outcome = await harness.run("device", "show", "d1")
    #expect(outcome.status == status)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("orrery: error: device 'd1': What the hub says ("))
    #expect(outcome.errors.contains("\(code.rawValue) \(code.name)"))
  }

  @Test("An answer that is no hub's is told as such")
  func noHub() async {
    let page = HubResponse(status: 200, body: Array("<html>".utf8))
    let outcome = await CommandHarness(page).run("device", "show", "d1")
    #expect(outcome.status == .failure)
    #expect(outcome.errors.contains("no JSON"))
    let bare = await CommandHarness(HubResponse(status: 404)).run("device", "show", "d1")
    #expect(bare.status == .notFound)
  }

  @Test("Help goes to the output and is success")
  func help() async {
    let outcome = await CommandHarness().run("device", "--help")
    #expect(outcome.status == .success)
    #expect(outcome.output.contains("connection-string"))
    #expect(outcome.errors.isEmpty)
  }

  @Test(
    "Every command explains itself with an abstract",
    arguments: [
      "device", "module", "twin", "method", "c2d", "monitor", "query", "ca", "policy", "registry",
      "token", "simulate", "backup", "restore", "routing", "enrollment", "enrollment-group",
      "registration", "job", "configuration", "routes",
    ]
  )
  func everyCommand(name: String) async {
    let outcome = await CommandHarness().run(name, "--help")
    #expect(outcome.status == .success)
    #expect(outcome.output.hasPrefix("OVERVIEW: "))
  }

  /// Every command of the program, by its words.
  private static let commands: [(words: String, type: any ParsableCommand.Type)] = {
    func below(
      _ type: any ParsableCommand.Type,
      _ words: String
    ) -> [(String, any ParsableCommand.Type)] {
      type.configuration.subcommands.flatMap { command in
        let path = "\(words) \(command.configuration.commandName ?? "?")"
        return [(path, command)] + below(command, path)
      }
    }
    return below(TestRoot.self, "orrery").map { (words: $0.0, type: $0.1) }
  }()

  @Test("Examples fit a terminal of 80 columns, and are of commands that there are")
  func examples() throws {
    #expect(Self.commands.count > 40)
    for command in Self.commands {
      #expect(!command.type.configuration.abstract.isEmpty, "\(command.words)")
      for line in command.type.configuration.discussion.split(separator: "\n")
      where line.hasPrefix("  ") {
        #expect(line.count <= 80, "\(command.words): \(line)")
        let words = line.split(separator: " ")
        guard words.first == "orrery", words.count > 2, words[1] != "hub" else { continue }
        let isKnown = Self.commands.contains { known in
          known.words == words.prefix(3).joined(separator: " ")
            || known.words == words.prefix(2).joined(separator: " ")
              && known.type.configuration.subcommands.isEmpty
        }
        #expect(isKnown, "\(command.words): \(line)")
      }
    }
  }

  @Test("A file that is not there is 'not found', a hub that is not there 'unreachable'")
  func missing() async {
    let file = await CommandHarness().run("twin", "update", "d1", "--desired", "@none.json")
    #expect(file.status == .notFound)
    #expect(file.errors.contains("none.json"))
    var harness = CommandHarness()
    harness.answers = []
    let hub = await harness.run("device", "show", "d1")
    #expect(hub.status == .unreachable)
  }
}
