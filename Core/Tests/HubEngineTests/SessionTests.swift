import HubContract
import HubEngine
import Testing

@Suite("Lasting sessions (contract §11)")
struct SessionTests {
  @Test("subscriptions stay until clean session 1 or deletion")
  func subscriptions() throws {
    var hub = TestHub()
    let key = try hub.device("d").key
    #expect(try hub.engine.view.subscriptions(of: key) == nil)
    let filters = [SessionSubscription(filter: "$iothub/twin/res/#", quality: 1)]
    try hub.engine.setSubscriptions(filters, of: key)
    #expect(try hub.engine.view.subscriptions(of: key) == filters)
    try hub.engine.setSubscriptions(nil, of: key)
    #expect(try hub.engine.view.subscriptions(of: key) == nil)
    try hub.engine.setSubscriptions(filters, of: key)
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    _ = try hub.device("d")
    #expect(try hub.engine.view.subscriptions(of: key) == nil)
  }

  @Test("an identity that is gone keeps none")
  func gone() {
    var hub = TestHub()
    #expect(
      code { () throws(HubError) in
        try hub.engine.setSubscriptions([], of: IdentityKey(deviceID: "d"))
      } == .deviceNotFound
    )
  }
}
