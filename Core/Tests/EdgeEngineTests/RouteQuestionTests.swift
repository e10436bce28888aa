import EdgeEngine
import JSONTree
import Testing

@Suite("The line protocol for trying routes")
struct RouteQuestionTests {
  private func check(_ rows: [(String, String)]) {
    for (line, expected) in rows {
      let bytes = Array(line.utf8)
      let answer = String(decoding: RouteQuestion.answer(bytes.span), as: UTF8.self)
      #expect(answer == expected, "\(line)")
    }
  }

  @Test("conditions")
  func conditions() {
    let message =
      #""message":{"properties":{"Level":"5","n":7,"flag":null},"systemProperties":"#
      + #"{"messageId":"m","cid":"c"},"body":{"t":21},"contentType":"application/json","#
      + #""contentEncoding":"utf-8","source":"/messages","twin":{}}"#
    check([
      (#"{"op":"condition","condition":"level = '5'",\#(message)}"#, #"{"result":"true"}"#),
      (#"{"op":"condition","condition":"level = '6'",\#(message)}"#, #"{"result":"false"}"#),
      (#"{"op":"condition","condition":"absent = '6'",\#(message)}"#, #"{"result":"undefined"}"#),
      (#"{"op":"condition","condition":"n = '7'",\#(message)}"#, #"{"result":"true"}"#),
      (#"{"op":"condition","condition":"is_null(flag)",\#(message)}"#, #"{"result":"true"}"#),
      (
        #"{"op":"condition","condition":"$correlationId = 'c'",\#(message)}"#, #"{"result":"true"}"#
      ),
      (#"{"op":"condition","condition":"$body.t > 20",\#(message)}"#, #"{"result":"true"}"#),
      (#"{"op":"condition","condition":"level > 3",\#(message)}"#, #"{"result":"true"}"#),
      (#"{"op":"condition","condition":"true"}"#, #"{"result":"true"}"#),
      (
        #"{"op":"condition","condition":"é='x' and a==1","profile":"contract"}"#,
        #"{"result":"error","error":{"position":11,"message":"There is no operator \"==\" at line 1, "#
          + #"column 12. Write = for ==, AND for &&, NOT for !, <> for !=."}}"#
      ),
      (
        #"{"op":"condition","condition":"level > 3","profile":"contract",\#(message)}"#,
        #"{"result":"error","error":{"position":0,"message":"The property \"level\" is text and "#
          + #"cannot be compared with a number at line 1, column 1. Write as_number(level)."}}"#
      ),
      (
        #"{"op":"condition","condition":"$body.t = 21","message":{"bodyText":"{\"t\":21}","#
          + #""systemProperties":{"contentType":"application/json","contentEncoding":"utf-8"}}}"#,
        #"{"result":"true"}"#
      ),
      (
        #"{"op":"condition","condition":"$body.t = 21","message":{"bodyText":"{\"t\":21","#
          + #""systemProperties":{"contentType":"application/json","contentEncoding":"utf-8"}}}"#,
        #"{"result":"undefined"}"#
      ),
      (
        #"{"op":"condition","condition":"$body.t = 21","message":{"body":{"t":21}}}"#,
        #"{"result":"undefined"}"#
      ),
    ])
  }

  @Test("routes, sources and configurations")
  func others() {
    let endpoint = #"BrokeredEndpoint(\"/modules/m/inputs/i\")"#
    check([
      (
        #"{"op":"route","route":"FROM /messages/* INTO $upstream"}"#,
        #"{"ok":true,"source":"/messages/*","condition":"true","sink":"upstream"}"#
      ),
      (
        #"{"op":"route","route":"FROM /* WHERE a = 'x' INTO \#(endpoint)"}"#,
        #"{"ok":true,"source":"/*","condition":"a = 'x'","sink":"module","module":"m","input":"i"}"#
      ),
      (
        #"{"op":"route","route":"FROM /* INTO $upstream WHERE true"}"#,
        #"{"ok":false,"error":{"position":23,"message":"Nothing may follow the sink, found \"WHERE\" "#
          + #"at line 1, column 24. A condition stands before INTO."}}"#
      ),
      (
        #"{"op":"source","from":"/messages/modules/*","messageSource":"/messages/modules/a"}"#,
        #"{"result":true}"#
      ),
      (
        #"{"op":"source","from":"/messages/x*","messageSource":"/messages/xy"}"#,
        #"{"result":false}"#
      ),
      (
        #"{"op":"source","from":"messages","messageSource":"/messages"}"#,
        #"{"result":"error","error":{"position":0,"message":"Expected a source such as /messages/*, "#
          + #"found \"messages\" at line 1, column 1."}}"#
      ),
      (
        #"{"op":"configuration","desired":{"schemaVersion":"1.0","routes":{"a":"FROM /* INTO $upstream"}}}"#,
        #"{"accept":true}"#
      ),
      (
        #"{"op":"configuration","desired":{"schemaVersion":"1.0","routes":{"a":"FROM /* WHERE b=1 INTO $upstream"}}}"#,
        #"{"accept":true,"warnings":["routes.a: The property \"b\" is text and cannot be compared with a "#
          + #"number at line 1, column 15. Write as_number(b)."]}"#
      ),
      (
        #"{"op":"configuration","desired":{"schemaVersion":"2.0"}}"#,
        #"{"accept":false,"error":{"code":400,"message":"schemaVersion must be 1.0 to 1.3, but is \"2.0\"."}}"#
      ),
    ])
  }

  @Test("lines that are no question")
  func malformed() {
    check([
      (
        "",
        #"{"error":{"message":"The line is no JSON object: the text ends too early at byte 0."}}"#
      ),
      ("[]", #"{"error":{"message":"The body must be an object, but is an array."}}"#),
      ("{}", #"{"error":{"message":"op is missing; send a string."}}"#),
      (
        #"{"op":"x"}"#,
        #"{"error":{"message":"op must be \"condition\" or \"route\" or \"source\" or \"configuration\" "#
          + #"or \"test\", but is \"x\"."}}"#
      ),
      (
        #"{"op":"condition"}"#,
        #"{"error":{"message":"condition is missing; send a string."}}"#
      ),
      (
        #"{"op":"route","route":5}"#,
        #"{"error":{"message":"route must be a string, but is a number."}}"#
      ),
      (
        #"{"op":"route","route":"","profile":"strict"}"#,
        #"{"error":{"message":"profile must be \"contract\" or \"lenient\", but is \"strict\"."}}"#
      ),
    ])
  }

  @Test("a message is tried on all routes, and each says what it did and why")
  func trial() throws {
    let desired = #"""
      "desired":{"schemaVersion":"1.1","storeAndForwardConfiguration":{"timeToLiveSecs":60},"routes":{
      "all":"FROM /messages/* INTO $upstream",
      "first":{"route":"FROM /messages/* WHERE level = '5' INTO $upstream","priority":0},
      "filter":"FROM /messages/* WHERE kind = 'x' INTO BrokeredEndpoint(\"/modules/f/inputs/i\")",
      "never":"FROM /messages/* WHERE level = '6' INTO BrokeredEndpoint(\"/modules/f/inputs/j\")",
      "twins":"FROM /twinChangeNotifications INTO $upstream"}}
      """#
    let line =
      #"{"op":"test",\#(desired),"message":{"source":"/messages/modules/m/outputs/o","#
      + #""properties":{"level":"5"}}}"#
    let bytes = Array(line.utf8.filter { $0 != 0x0A })
    let answer = try JSON.parse(RouteQuestion.answer(bytes.span))
    #expect(
      JSON.text(answer["deliveries"] ?? .null)
        == #"[{"to":"$upstream","route":"first","priority":0,"timeToLiveSecs":60}]"#
    )
    var results: [String: String] = [:]
    for route in answer["routes"]?.arrayValue ?? [] {
      results[route["name"]?.stringValue ?? ""] = route["result"]?.stringValue
    }
    #expect(
      results == [
        "all": "shadowed", "first": "taken", "filter": "undefined", "never": "false",
        "twins": "otherSource",
      ]
    )
    let all = answer["routes"]?.arrayValue?.first { $0["name"] == "all" }
    #expect(all?["by"] == "first")
    let filter = answer["routes"]?.arrayValue?.first { $0["name"] == "filter" }
    #expect(
      JSON.text(filter?["parts"] ?? .null)
        == #"[{"text":"kind = 'x'","depth":0,"result":"undefined"},"#
        + #"{"text":"kind","depth":1,"result":"undefined","note":"the message has no property kind"}]"#
    )
  }

  @Test("a sender is known by its source")
  func senders() throws {
    let rows: [(source: String, condition: String)] = [
      (
        "/messages",
        "$edgeHubOriginInterface = 'downstream' and not is_defined($connectionModuleId)"
      ),
      ("/messages/modules/m", "$connectionModuleId = 'm' and not is_defined($outputName)"),
      ("/messages/modules/m/outputs/o", "$connectionModuleId = 'm' and $outputName = 'o'"),
      ("/twinChangeNotifications", "$messageType = 'twinChangeNotification'"),
    ]
    for (source, condition) in rows {
      let line =
        #"{"op":"test","desired":{"schemaVersion":"1.0","routes":{"r":"FROM /* WHERE \#(condition) INTO $upstream"}},"#
        + #""message":{"source":"\#(source)"}}"#
      let answer = try JSON.parse(RouteQuestion.answer(Array(line.utf8).span))
      #expect(answer["deliveries"]?.arrayValue?.count == 1, "\(source): \(JSON.text(answer))")
    }
  }

  @Test("what cannot be tried is refused")
  func refusedTrials() throws {
    for source in [
      "", "messages", "/messages/", "/messages/modules", "/x", "/messages/modules/m/o",
    ] {
      let line =
        #"{"op":"test","desired":{"schemaVersion":"1.0"},"message":{"source":"\#(source)"}}"#
      let answer = try JSON.parse(RouteQuestion.answer(Array(line.utf8).span))
      #expect(answer["error"]?["message"]?.stringValue?.contains("message.source") == true)
    }
    let line = #"{"op":"test","desired":{"schemaVersion":"1.0","routes":{"r":"FROM nowhere"}}}"#
    let answer = try JSON.parse(RouteQuestion.answer(Array(line.utf8).span))
    #expect(answer["accept"] == false)
    #expect(answer["error"]?["message"]?.stringValue?.hasPrefix("routes.r") == true)
  }
}
