import Foundation
import HTTPTypes
import JSONTree
import Testing

@Suite("The OpenAPI description")
struct RESTDescriptionTests {
  /// The published file.
  static let file = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../docs/openapi/hub.json").standardizedFileURL

  @Test("The hub serves what docs/openapi/hub.json says")
  func isPublished() async throws {
    try await RESTHub.run { hub in
      let reply = try await hub.send(.get, "/openapi.json", as: .none, isVersioned: false)
      #expect(reply.status == 200)
      let text = JSON.prettyText(try reply.json()) + "\n"
      if ProcessInfo.processInfo.environment["WRITE_OPENAPI"] != nil {
        try FileManager.default.createDirectory(
          at: Self.file.deletingLastPathComponent(),
          withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: Self.file)
      }
      let published = try String(contentsOf: Self.file, encoding: .utf8)
      #expect(
        published == text,
        "run the tests once with WRITE_OPENAPI=1, and look at the difference"
      )
    }
  }

  @Test("Every reference leads somewhere, every operation has its own name")
  func isSound() async throws {
    let document = try JSON.parse([UInt8](try Data(contentsOf: Self.file)))
    var names: Set<String> = []
    var count = 0
    for item in document["paths"]?.objectValue?.values ?? [] {
      for operation in item.objectValue?.values ?? [] {
        names.insert(operation["operationId"]?.stringValue ?? "")
        count += 1
        #expect(operation["responses"]?.objectValue?.isEmpty == false)
      }
    }
    #expect(names.count == count)
    #expect(count > 40)
    for reference in Self.references(document) {
      let path = reference.dropFirst(2).split(separator: "/").map(String.init)
      let target = path.reduce(Optional(document)) { $0?[$1] }
      #expect(target != nil, "\(reference)")
    }
  }

  private static func references(_ value: JSONValue) -> [String] {
    switch value {
    case .array(let elements): elements.flatMap(references)
    case .object(let object):
      (object["$ref"]?.stringValue.map { [$0] } ?? []) + object.values.flatMap(references)
    default: []
    }
  }
}

@Suite("Every route answers hostile requests with an exact refusal")
struct RESTHostileTests {
  private static let bodies: [String] = [
    "", " ", "null", "true", "7", "-1e999", "\"\"", "[]", "{}", "[[]]", "[null]", "{\"\":null}",
    "{", "[1,]", "\u{FEFF}{}", #"{"deviceId":7}"#, #"{"deviceId":null,"moduleId":[]}"#,
    #"{"id":{}}"#, #"[{"id":"a","importMode":"none"}]"#, #"{"query":7}"#, #"{"query":"'"}"#,
    #"{"methodName":{},"payload":[]}"#, #"{"tags":[],"properties":7}"#,
    #"{"certificate":[1]}"#, #"{"rights":[null]}"#, #"{"key":{}}"#,
    #"{"authentication":{"type":"none","symmetricKey":"x"}}"#,
    #"{"deviceId":"d1","authentication":{"symmetricKey":{"primaryKey":"AAAA"}}}"#,
    #"{"deviceId":"\u0000"}"#, #"{"deviceId":"\ud800"}"#,
    String(repeating: "[", count: 600), #"{"a":"# + String(repeating: "[", count: 63),
    "{\"tags\":{\"" + String(repeating: "k", count: 2000) + "\":1}}",
  ]

  private static let values = [
    "x", "%00", "%0d%0a", "..", "%2e%2e", "%2F", "$edgeAgent", "%F0%9F%98%80", "a%20b", "*",
    "%27%20OR%201=1", String(repeating: "9", count: 200), String(repeating: "a", count: 5000),
  ]

  private static let headers: [[(String, String)]] = [
    [], [("If-Match", "\"foreign\"")], [("If-Match", "*")], [("If-Match", "\"")],
    [("If-Match", String(repeating: "e", count: 4000))],
    [("x-ms-max-item-count", "-5"), ("x-ms-continuation", "%%%"), ("iothub-ack", "?")],
    [("iothub-app-", "x"), ("iothub-expiry", "9999-99-99"), ("Content-Type", "\u{7F}")],
    [("Content-Length", "-7")], [("Content-Length", "99999999999999999999")],
    [("Expect", "100-continue"), ("Transfer-Encoding", "chunked")],
  ]

  @Test("No combination of path, headers and body is a fault of ours")
  func noServerErrors() async throws {
    let document = try JSON.parse([UInt8](try Data(contentsOf: RESTDescriptionTests.file)))
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      var requests = 0
      for (template, item) in document["paths"]?.objectValue ?? [:] {
        for (name, operation) in item.objectValue ?? [:] {
          let method = try #require(HTTPRequest.Method(name.uppercased()))
          let isDeviceSide = operation["tags"] == ["Device side"]
          let credential: RESTHub.Credential = isDeviceSide ? device : .policy("iothubowner")
          let takesBody = operation["requestBody"] != nil
          let refusal = operation["responses"]?["401"]?["$ref"]?.stringValue ?? ""
          let response = document["components"]?["responses"]?[
            String(refusal.split(separator: "/").last ?? "")
          ]
          let schema = response?["content"]?["application/json"]?["schema"]?["$ref"]
          let isModuleShape = schema == "#/components/schemas/ModuleError"
          func check(_ path: String, _ headers: [(String, String)], _ body: String) async throws {
            let reply = try await hub.send(
              method,
              path,
              as: credential,
              headers: headers,
              json: body
            )
            requests += 1
            let place: Comment =
              "\(method) \(path.prefix(80)) \(headers) \(body.prefix(60)): \(reply)"
            #expect(reply.status < 500, place)
            guard reply.status >= 400, let code = reply.errorCode else {
              #expect(reply.status < 400, place)
              return
            }
            if code == "BulkRegistryOperationFailure" { return }
            let json = try reply.json()
            if isModuleShape, code != "NotFound" {
              #expect(json["errorCode"]?.int64Value.map { $0 / 1000 } == Int64(reply.status), place)
              #expect(json["message"]?.stringValue != nil, place)
            } else {
              #expect(json["Message"]?.stringValue != nil, place)
              #expect(json["ExceptionMessage"]?.stringValue != nil, place)
            }
          }
          var plain = template
          for (parameter, value) in [
            ("deviceId", "d1"), ("moduleId", "m"), ("lockToken", "x"), ("certificateName", "c"),
            ("policyName", "p"), ("configurationId", "c"), ("jobId", "j"), ("componentPath", "c"),
            ("commandName", "m"),
          ] {
            plain = plain.replacing("{\(parameter)}", with: value)
          }
          if takesBody { for body in Self.bodies { try await check(plain, [], body) } }
          for headers in Self.headers { try await check(plain, headers, takesBody ? "{}" : "") }
          if template.contains("{"), !isDeviceSide {
            for value in Self.values {
              let path = template.split(separator: "/").map { segment in
                segment.hasPrefix("{") ? value : String(segment)
              }
              try await check("/" + path.joined(separator: "/"), [], takesBody ? "{}" : "")
            }
          }
          for value in Self.values {
            let query = [
              "top", "keys", "from", "continuation", "timeout", "max", "device", "reject",
              "partition",
            ]
            .map { "\($0)=\(value)" }.joined(separator: "&")
            try await check("\(plain)?\(query)", [], takesBody ? "{}" : "")
          }
        }
      }
      #expect(requests > 1500)
      // Nothing of all that has harmed what was there.
      #expect(try await hub.send(.get, "/devices?top=1").status == 200)
    }
  }
}
