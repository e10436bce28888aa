import OperatorCommands
import Testing

@Suite("orrery routes")
struct RoutesCommandTests {
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
