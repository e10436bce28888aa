import EdgeService
import Testing

@Suite("The proxy to the outside (contract §4.7)")
struct ProxyURLTests {
  @Test("host, port, user and password")
  func parts() throws {
    let plain = try #require(ProxyURL("http://proxy.example:3128/"))
    #expect(plain.host == "proxy.example")
    #expect(plain.port == 3_128)
    #expect(plain.credential == nil)
    let secret = try #require(ProxyURL("http://us%40er:p%3Aa@b@10.0.0.1"))
    #expect(secret.host == "10.0.0.1")
    #expect(secret.port == 80)
    #expect(secret.credential?.user == "us@er")
    #expect(secret.credential?.password == "p:a@b")
    #expect(secret.description == "10.0.0.1:80")
    #expect(ProxyURL("[fd00::1]:80")?.host == "[fd00::1]")
  }

  @Test("what is no proxy")
  func refusals() {
    for text in ["", "http://", "http://:80", "http://h:0", "http://h:99999", "http://h/p", "%@h"] {
      #expect(ProxyURL(text) == nil, "\(text)")
    }
  }

  @Test("the variables decide, and no_proxy leaves hosts out")
  func environment() throws {
    let environment = ["HTTPS_PROXY": "http://p:1", "no_proxy": "localhost, .plant,10.0.0.5"]
    #expect(try ProxyURL.from(environment, for: "hub.example")?.port == 1)
    #expect(try ProxyURL.from([:], for: "hub.example") == nil)
    for host in ["localhost", "parent.plant", "10.0.0.5", "LOCALHOST"] {
      #expect(try ProxyURL.from(environment, for: host) == nil, "\(host)")
    }
    #expect(throws: ProxyURLFault.self) {
      try ProxyURL.from(["https_proxy": "http://secret@/x"], for: "h")
    }
  }
}
