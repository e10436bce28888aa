import HubContract
import Testing

@Suite("Connection strings (contract §2.3)")
struct ConnectionStringTests {
  private static let key = SASVectors.key

  @Test(
    "every form is read, and printed as it was",
    arguments: [
      "HostName=hub.example;DeviceId=d#1;SharedAccessKey=\(key)",
      "HostName=hub.example;DeviceId=d1;ModuleId=$edgeHub;SharedAccessKey=\(key)",
      "HostName=hub.example;DeviceId=d1;x509=true",
      "HostName=hub.example;DeviceId=d1;SharedAccessKey=\(key);GatewayHostName=edge.local",
      "HostName=hub.example:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=\(key)",
      "Endpoint=sb://hub.example/;SharedAccessKeyName=service;SharedAccessKey=\(key);EntityPath=events",
      "Endpoint=sb://hub.example/;SharedAccessKeyName=service;SharedAccessKey=\(key)",
    ]
  )
  func roundTrip(text: String) throws {
    let value = try ConnectionString(text)
    #expect(value.text == text)
    #expect(!"\(value)".contains(Self.key))
  }

  @Test("the order of the parts does not matter, a device ID may hold an equals sign")
  func order() throws {
    let text = "SharedAccessKey=\(Self.key);DeviceId=a=b;HostName=h"
    guard case .identity(let host, let identity, .key(let key), nil) = try ConnectionString(text)
    else {
      Issue.record("not an identity")
      return
    }
    #expect(host == "h" && identity == IdentityKey(deviceID: "a=b") && key.base64 == Self.key)
  }

  static let refused: [(String, ConnectionStringFault)] = [
    ("", .empty), ("HostName=h;", .trailingSemicolon), ("HostName", .notAPair(index: 0)),
    ("HostName=h;;DeviceId=d", .notAPair(index: 1)),
    ("HostName=h;deviceid=d", .unknownKey("deviceid", index: 1)),
    ("HostName=h;\(String(repeating: "k", count: 33))=", .unknownKey("...", index: 1)),
    ("HostName=h;HostName=h", .duplicateKey("HostName")),
    ("DeviceId=d;SharedAccessKey=\(key)", .missing(key: "HostName")),
    ("HostName=;DeviceId=d;x509=true", .missing(key: "HostName")),
    ("HostName=h;DeviceId=d", .missing(key: "SharedAccessKey")),
    ("HostName=h;SharedAccessKey=\(key)", .missing(key: "DeviceId")),
    ("HostName=h;SharedAccessKeyName=p", .missing(key: "SharedAccessKey")),
    ("HostName=h;DeviceId=a b;x509=true", .malformed(key: "DeviceId")),
    ("HostName=h;DeviceId=d;ModuleId=a/b;x509=true", .malformed(key: "ModuleId")),
    ("HostName=h;DeviceId=d;x509=yes", .malformed(key: "x509")),
    ("HostName=h;DeviceId=d;SharedAccessKey=short", .malformed(key: "SharedAccessKey")),
    (
      "HostName=h;DeviceId=d;x509=true;SharedAccessKey=\(key)",
      .conflict("x509", "SharedAccessKey")
    ),
    (
      "HostName=h;DeviceId=d;SharedAccessKeyName=p;SharedAccessKey=\(key)",
      .conflict("DeviceId", "SharedAccessKeyName")
    ),
    (
      "Endpoint=https://h/;SharedAccessKeyName=p;SharedAccessKey=\(key)",
      .malformed(key: "Endpoint")
    ),
    ("Endpoint=sb://h/;SharedAccessKey=\(key)", .missing(key: "SharedAccessKeyName")),
    ("Endpoint=sb://h/;HostName=h", .conflict("Endpoint", "HostName")),
  ]

  @Test("what is refused says which part, and never shows a key", arguments: refused)
  func refusals(text: String, expected: ConnectionStringFault) {
    #expect(throws: expected) { _ = try ConnectionString(text) }
    #expect(!"\(expected)".contains(Self.key) && "\(expected)".contains("connection string"))
  }
}
