import HubContract
import Testing

@Suite("Where a webhook is")
struct WebhookEndpointTests {
  @Test(
    "the host of a URI, and whether it is this machine",
    arguments: [
      ("https://h.example/in?code=1", "h.example", false),
      ("https://h.example:8443", "h.example", false), ("http://h_1-x?a:b@c", "h_1-x", false),
      ("http://localhost:8080/", "localhost", true), ("http://127.0.0.1", "127.0.0.1", true),
      ("http://127.9.8.7:1/", "127.9.8.7", true), ("http://[::1]:80/", "::1", true),
      ("https://[2001:db8::1]/", "2001:db8::1", false),
      // Names that only look like loopback.
      ("http://127.0.0.1.example/", "127.0.0.1.example", false),
      ("http://127.example/", "127.example", false), ("http://127.0.0.256/", "127.0.0.256", false),
      ("http://128.0.0.1/", "128.0.0.1", false),
      ("http://localhost.example", "localhost.example", false),
      // None of a webhook.
      ("ftp://h/", nil, false), ("https://", nil, false), ("https:///x", nil, false),
      ("HTTPS://h/", nil, false), ("http://me@localhost/", nil, false),
      ("http://me:word@localhost/", nil, false), ("http://localhost\\@h/", nil, false),
      ("http://h:/", nil, false), ("http://h:0/", nil, false), ("http://h:65536/", nil, false),
      ("http://h:x/", nil, false), ("http://[::1", nil, false), ("http://[]/", nil, false),
      ("http://[::1]x/", nil, false), ("http://[h-1]/", nil, false), ("http://::1/", nil, false),
    ] as [(String, String?, Bool)]
  )
  func host(_ uri: String, _ host: String?, _ isLoopback: Bool) {
    let endpoint = WebhookEndpoint(uri: uri)
    #expect(endpoint.host == host && endpoint.isLoopback == isLoopback)
    #expect(endpoint.isEncrypted == uri.hasPrefix("https://"))
  }
}
