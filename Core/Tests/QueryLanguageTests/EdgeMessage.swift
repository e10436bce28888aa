import JSONTree
import QueryLanguage

/// A message at an edge: names are asked for in lower case.
struct EdgeMessage: MessageFields {
  var application: [String: String] = [:]
  var valueless: Set<String> = []
  var system: [String: String] = [:]
  var bodyValue: JSONValue?

  func applicationProperty(_ name: String) -> String? { application[name] }
  func hasValuelessProperty(_ name: String) -> Bool { valueless.contains(name) }
  func systemProperty(_ name: String) -> String? { system[name] }
  func body() -> JSONValue? { bodyValue }
  func twin() -> JSONValue? { ["tags": ["a": 1]] }

  /// Properties and a JSON body of several shapes.
  static func sample() -> EdgeMessage {
    EdgeMessage(
      application: [
        "level": "5", "alert": "TRUE", "off": "false", "word": "high", "blank": " 12.5 ",
        "empty": "", "a-b": "hyphen", "$contenttype": "mine", "$body.own": "property",
        "big": "9007199254740993", "é": "accent", "5g": "radio", "name": "Pump-7",
      ],
      valueless: ["flag"],
      system: [
        "contenttype": "Application/JSON", "contentencoding": "UTF-8", "messageid": "m-1",
        "connectiondeviceid": "dev1", "body.s": "system",
      ],
      bodyValue: [
        "t": 21.5, "n": 7, "big": 9_007_199_254_740_993, "s": "warm", "yes": true, "no": false,
        "z": nil, "a": [1, [2, 3], ["c": "deep"]], "o": ["p": ["q": 1]], "own": 5, "wide": "a😀é",
      ]
    )
  }
}
