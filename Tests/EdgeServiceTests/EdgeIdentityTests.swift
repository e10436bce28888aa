import HubContract
import EdgeService
import HubContract
import Testing

@Suite("The edge's identity")
struct EdgeIdentityTests {
  @Test("a parent is dialled instead of the hub")
  func upstream() {
    let root = EdgeIdentity(hubHostName: "hub", deviceID: "e")
    let child = EdgeIdentity(hubHostName: "hub", deviceID: "e", parentHostName: "p")
    #expect(root.upstreamHostName == "hub")
    #expect(child.upstreamHostName == "p")
    #expect(root.edgeHub.clientID == "e/$edgeHub")
  }
}
