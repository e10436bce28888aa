import JSONTree
import QueryLanguage

/// A message that conditions are tried on.
struct Message: MessageFields {
  var application: [String: String] = [:]
  var system: [String: String] = [:]
  var bodyValue: JSONValue?
  var twinValue: JSONValue?
  /// How often the body and the twin were asked for.
  let asked = Counter()

  final class Counter {
    var body = 0
    var twin = 0
  }

  func applicationProperty(_ name: String) -> String? { application[name] }
  func systemProperty(_ name: String) -> String? { system[name] }

  func body() -> JSONValue? {
    asked.body += 1
    return bodyValue
  }

  func twin() -> JSONValue? {
    asked.twin += 1
    return twinValue
  }

  /// Application properties, a JSON body and a twin of several shapes.
  static func sample() -> Message {
    Message(
      application: [
        "level": "5", "alert": "true", "name": "Pump-7", "empty": "", "a-b": "hyphen",
        "$contentType": "mine", "TRUE": "shout", "5g": "radio", "é": "accent", "blank": " 12.5 ",
        "word": "high",
      ],
      system: [
        "contentType": "application/json; charset=utf-8", "contentEncoding": "UTF-8",
        "connectionDeviceId": "dev1", "messageId": "m-1",
      ],
      bodyValue: [
        "t": 21.5, "n": 7, "big": 9_007_199_254_740_993, "s": "warm", "yes": true, "no": false,
        "z": nil, "a": [1, [2, 3], ["c": "deep"]], "o": ["p": ["q": 1]], "odd name": 3,
        "wide": "a😀é",
      ],
      twinValue: [
        "tags": ["site": "north", "a b": 1],
        "properties": ["desired": ["limit": 20], "reported": ["fw": "1.2.10"]],
      ]
    )
  }
}
