import HubContract
import JSONTree
import Testing

@Suite("Direct methods (contract §7.6)")
struct DirectMethodTests {
  private static func code(_ text: String, payloadLimit: Int = 131_072) throws -> HubErrorCode? {
    let json = try JSON.parse(text)
    do throws(HubError) {
      _ = try DirectMethodRequest(json: json, payloadLimit: payloadLimit)
      return nil
    } catch { return error.code }
  }

  private static func read(_ text: String) throws -> DirectMethodRequest {
    try DirectMethodRequest(json: try JSON.parse(text))
  }

  @Test("timeouts have defaults, a missing payload is an empty body")
  func defaults() throws {
    let request = try Self.read(#"{"methodName":"reboot"}"#)
    #expect(request == DirectMethodRequest(methodName: "reboot"))
    #expect(request.responseTimeoutSeconds == 30 && request.connectTimeoutSeconds == 0)
    #expect(request.payloadBytes.isEmpty)
  }

  @Test("the payload is delivered verbatim, null and \"\" too")
  func payloads() throws {
    for payload in ["null", #""""#, "1.0", "1", #"{"b":1e2,"a":[]}"#, "0", "false"] {
      let request = try Self.read(#"{"methodName":"m","payload":\#(payload)}"#)
      #expect(String(decoding: request.payloadBytes, as: UTF8.self) == payload)
    }
  }

  static let bounds: [(String, HubErrorCode?)] = [
    (#""responseTimeoutInSeconds":5"#, nil), (#""responseTimeoutInSeconds":300"#, nil),
    (#""responseTimeoutInSeconds":4"#, .argumentInvalid),
    (#""responseTimeoutInSeconds":301"#, .argumentInvalid),
    (#""responseTimeoutInSeconds":-9223372036854775808"#, .argumentInvalid),
    (#""responseTimeoutInSeconds":9223372036854775808"#, .deserializationError),
    (#""responseTimeoutInSeconds":"30""#, .deserializationError),
    (#""responseTimeoutInSeconds":30.5"#, .deserializationError),
    (#""responseTimeoutInSeconds":null"#, nil),
    (#""connectTimeoutInSeconds":0"#, nil), (#""connectTimeoutInSeconds":30"#, nil),
    (#""connectTimeoutInSeconds":31"#, .argumentInvalid),
    (#""connectTimeoutInSeconds":-1"#, .argumentInvalid),
    (#""connectTimeoutInSeconds":300,"responseTimeoutInSeconds":300"#, nil),
    (#""connectTimeoutInSeconds":301,"responseTimeoutInSeconds":300"#, .argumentInvalid),
  ]

  @Test("each bound is judged at both sides", arguments: bounds)
  func timeouts(members: String, expected: HubErrorCode?) throws {
    #expect(try Self.code(#"{"methodName":"m",\#(members)}"#) == expected)
  }

  @Test("names are judged by the documented characters")
  func names() throws {
    #expect(try Self.code("{}") == .argumentNull)
    #expect(try Self.code(#"{"methodName":null}"#) == .argumentNull)
    #expect(try Self.code(#"{"methodName":5}"#) == .deserializationError)
    #expect(try Self.code(#"{"methodName":""}"#) == .argumentInvalid)
    for name in ["reboot", "comp*cmd", "a.b-c_d~!#%&'+^`|", String(repeating: "x", count: 256)] {
      #expect(MethodName.isValid(name), "\(name)")
    }
    for character in "$()<>@,;:\\\"/[]?={} \t\u{7F}ü\0" {
      #expect(!MethodName.isValid("a\(character)"), "\(character)")
    }
    #expect(!MethodName.isValid(String(repeating: "x", count: 257)))
  }

  @Test("a payload one byte above the limit is refused")
  func payloadLimit() throws {
    #expect(try Self.code(#"{"methodName":"m","payload":"12"}"#, payloadLimit: 4) == nil)
    #expect(
      try Self.code(#"{"methodName":"m","payload":"123"}"#, payloadLimit: 4) == .messageTooLarge
    )
  }

  @Test("a device's answer is an integer status and JSON or nothing")
  func responses() throws {
    func read(_ status: Int?, _ text: String) throws(HubError) -> DirectMethodResponse {
      let bytes = [UInt8](text.utf8)
      return try DirectMethodResponse(status: status, body: bytes.span, limit: 10)
    }
    #expect(JSON.text(try read(200, "").json) == #"{"status":200,"payload":null}"#)
    #expect(JSON.text(try read(-5, #"{"a":1.0}"#).json) == #"{"status":-5,"payload":{"a":1.0}}"#)
    #expect(try read(404, "null") == DirectMethodResponse(status: 404, payload: nil))
    for (status, text, code) in [
      (nil, "", .iotHubFormatError), (200, "{", .iotHubFormatError),
      (200, "12345678901", .messageTooLarge),
    ] as [(Int?, String, HubErrorCode)] {
      do throws(HubError) {
        _ = try read(status, text)
        Issue.record("accepted \(text)")
      } catch {
        #expect(error.code == code)
      }
    }
  }
}
