import EdgeEngine
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
        #"{"error":{"message":"op must be \"condition\" or \"route\" or \"source\" or \"configuration\", "#
          + #"but is \"x\"."}}"#
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
}
