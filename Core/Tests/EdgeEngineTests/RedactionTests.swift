import EdgeEngine
import Testing

@Suite("Secrets are taken out of what is handed to others")
struct RedactionTests {
  private func redact(_ text: String) -> String {
    String(decoding: Redaction.redact(Array(text.utf8)), as: UTF8.self)
  }

  @Test("what stands behind the name of a secret goes, everything else stays")
  func names() {
    let rows: [(String, String)] = [
      (
        "HostName=h;DeviceId=d;SharedAccessKey=abc/+=;GatewayHostName=g",
        "HostName=h;DeviceId=d;SharedAccessKey=***;GatewayHostName=g"
      ),
      ("https://h/c?sv=1&sig=ab%2B&se=9 next", "https://h/c?sv=1&sig=***&se=9 next"),
      (#"{"password":"p w","user":"u"}"#, #"{"password":"***","user":"u"}"#),
      (#"{"a":"{\"token\": \"x\", \"b\": 1}"}"#, #"{"a":"{\"token\": \"***\", \"b\": 1}"}"#),
      ("Authorization: Bearer abc.def\r\nHost: h", "Authorization: ***\r\nHost: h"),
      ("Authorization: SharedAccessSignature sr=h&sig=x&se=1\nnext", "Authorization: ***\nnext"),
      ("client_secret = 'x'; PRIMARY_KEY=y", "client_secret = '***'; PRIMARY_KEY=***"),
      (
        "no secret here: keys=3 tokens: many design=x",
        "no secret here: keys=3 tokens: many design=x"
      ),
      ("password", "password"), ("password=", "password="), ("", ""), ("sig==x", "sig=***"),
      (
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nafter",
        "-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----\nafter"
      ),
      ("-----BEGIN EC PRIVATE KEY-----\nMIGH", "-----BEGIN EC PRIVATE KEY-----\n***\n"),
    ]
    for (text, expected) in rows { #expect(redact(text) == expected, "\(text)") }
  }

  @Test("no cut of a text makes it fail")
  func cuts() {
    let text = Array("SharedAccessKey = \"a\"; -----BEGIN PRIVATE KEY-----\nx\n-----END".utf8)
    for count in 0...text.count { _ = Redaction.redact(Array(text.prefix(count))) }
  }
}
