import HubContract
import Testing

@Suite("Identifiers (contract §1.3)")
struct IdentifierTests {
  @Test(
    "every documented character is legal, hostile-looking IDs included",
    arguments: [
      "d", "#", "+", "d?x", "$", "a/b".replacing("/", with: "%2F"), "-.+%_#*?!(),:=@$'", "AZaz09",
    ]
  )
  func legalDevices(id: String) {
    #expect(DeviceID.isValid(id))
  }

  @Test(
    "anything else is refused",
    arguments: ["", "a/b", "a b", "a\"b", "a\\b", "ü", "a;b", "a&b", "a<b", "a\0", "a~b", "a|b"]
  )
  func illegalDevices(id: String) {
    #expect(!DeviceID.isValid(id))
    #expect(!ModuleID.isValid(id))
  }

  @Test("at most 128 characters")
  func length() {
    #expect(DeviceID.isValid(String(repeating: "x", count: 128)))
    #expect(!DeviceID.isValid(String(repeating: "x", count: 129)))
  }

  @Test("module IDs that begin with $ are the hub's own two")
  func reserved() {
    #expect(ModuleID.isValid("$edgeAgent") && ModuleID.isValid("$edgeHub"))
    #expect(!ModuleID.isValidForUsers("$edgeAgent") && !ModuleID.isValidForUsers("$x"))
    #expect(!ModuleID.isValid("$x") && !ModuleID.isValid("$edgehub"))
    #expect(ModuleID.isValidForUsers("x$") && ModuleID.isValidForUsers("#"))
  }

  @Test("configuration and job IDs are lower case")
  func others() {
    #expect(ConfigurationID.isValid("a0-+%_*!'") && !ConfigurationID.isValid("A"))
    #expect(!ConfigurationID.isValid("") && !ConfigurationID.isValid("a.b"))
    #expect(!ConfigurationID.isValid(String(repeating: "a", count: 129)))
    #expect(JobID.isValid("a0-'") && !JobID.isValid("A") && !JobID.isValid("a_b"))
    #expect(JobID.isValid(String(repeating: "a", count: 64)))
    #expect(!JobID.isValid(String(repeating: "a", count: 65)))
  }

  @Test("a client ID names a device or a module of it")
  func clientIDs() {
    #expect(IdentityKey(clientID: "d1") == IdentityKey(deviceID: "d1"))
    #expect(
      IdentityKey(clientID: "d?#/$edgeHub") == IdentityKey(deviceID: "d?#", moduleID: "$edgeHub")
    )
    for text in ["", "/", "d/", "/m", "d/m/x", "d/$other", "d m"] {
      #expect(IdentityKey(clientID: text) == nil, "\(text)")
    }
    let module = IdentityKey(deviceID: "d", moduleID: "m")
    #expect(module.clientID == "d/m" && "\(module)" == "d/m")
    #expect(module.device == IdentityKey(deviceID: "d"))
    #expect(module.device.clientID == "d")
  }

  @Test("identities order by device, then the device before its modules")
  func order() {
    let sorted = [
      IdentityKey(deviceID: "B"), IdentityKey(deviceID: "B", moduleID: "a"),
      IdentityKey(deviceID: "B", moduleID: "b"), IdentityKey(deviceID: "a"),
    ]
    #expect(sorted.reversed().sorted() == sorted)
  }
}
