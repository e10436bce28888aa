import OperatorCommands
import Testing

@Suite("orrery routes")
struct RoutesCommandTests {
  @Test(
    "test names the file that is wrong, and says nothing of the shell",
    arguments: [
      ["--manifest", "m.json"], ["--manifest", "@m.json"],
      ["--manifest", "list.json"], ["--manifest", "bad.json"],
      ["--manifest", "good.json", "--message", "@m.json"],
    ]
  )
  func badFiles(_ words: [String]) async throws {
    var harness = CommandHarness()
    harness.files = [
      "m.json": "{", "list.json": "[]",
      "bad.json": #"{"schemaVersion":"1.0","routes":{"up":"FRM /* INTO $upstream"}}"#,
      "good.json": #"{"schemaVersion":"1.0","routes":{"up":"FROM /* INTO $upstream"}}"#,
    ]
    let outcome = await harness.run(["routes", "test"] + words)
    let file = try #require(words.last).drop { $0 == "@" }
    #expect(outcome.status == .usage)
    #expect(outcome.errors.hasPrefix("orrery: error: \(file): "), "\(outcome.errors)")
    #expect(!outcome.errors.contains("--"), "\(outcome.errors)")
    #expect(!outcome.errors.contains("shell"), "\(outcome.errors)")
  }

  @Test("test says whether the message or the manifest is wrong, and minds the shell for text")
  func badMessages() async {
    var harness = CommandHarness()
    harness.files["good.json"] =
      #"{"schemaVersion":"1.0","routes":{"up":"FROM /* INTO $upstream"}}"#
    let text = await harness.run("routes", "test", "--manifest", "good.json", "--message", "{x")
    #expect(text.errors.contains("--message is no JSON") && text.errors.contains("shell"))
    let source = await harness.run(
      ["routes", "test", "--manifest", "good.json", "--message", #"{"source":"/x"}"#]
    )
    #expect(source.status == .usage && !source.errors.contains("good.json"), "\(source.errors)")
  }

  @Test("eval answers each line with a line, also a line that is no question")
  func eval() async {
    var harness = CommandHarness()
    harness.input = [
      #"{"op":"condition","condition":"level > 3","message":{"properties":{"level":"5"}}}"#, "",
      "nonsense", #"{"op":"route","route":"FROM /* INTO $upstream"}"#,
    ]
    let outcome = await harness.run("routes", "eval")
    #expect(outcome.status == .success)
    #expect(outcome.requests.isEmpty)
    #expect(
      outcome.output == """
        {"result":"true"}
        {"error":{"message":"The line is no JSON object: unexpected character at byte 1."}}
        {"ok":true,"source":"/*","condition":"true","sink":"upstream"}

        """
    )
  }
}
