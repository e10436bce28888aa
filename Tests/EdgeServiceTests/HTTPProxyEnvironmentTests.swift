import Endpoints
import Testing

@Suite("The proxy to the outside (edge contract 4.7)")
struct HTTPProxyEnvironmentTests {
  @Test("the variables decide, and no_proxy leaves hosts out")
  func environment() throws {
    let environment = ["HTTPS_PROXY": "http://p:1", "no_proxy": "localhost, .plant,10.0.0.5"]
    #expect(try HTTPProxy.from(environment, for: "hub.example")?.port == 1)
    #expect(try HTTPProxy.from([:], for: "hub.example") == nil)
    #expect(try HTTPProxy.from(["https_proxy": "p:3128"], for: "h")?.host == "p")
    for host in ["localhost", "parent.plant", "10.0.0.5", "LOCALHOST"] {
      #expect(try HTTPProxy.from(environment, for: host) == nil, "\(host)")
    }
    for text in ["http://secret@/x", "https://p:1", "http://p:x"] {
      #expect(throws: HTTPProxyFault.self) { try HTTPProxy.from(["https_proxy": text], for: "h") }
    }
  }
}
