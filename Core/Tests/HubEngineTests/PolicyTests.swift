import HubContract
import HubEngine
import Testing

@Suite("Policies (contract §2.1)")
struct PolicyTests {
  @Test("the five defaults with their rights and two keys each, made once")
  func defaults() throws {
    var hub = TestHub()
    try hub.engine.createDefaultPolicies()
    let first = try hub.engine.view.policies()
    try hub.engine.createDefaultPolicies()
    #expect(try hub.engine.view.policies() == first)
    #expect(
      first.map { "\($0.name): \($0.rights.names.joined(separator: " "))" } == [
        "device: DeviceConnect",
        "iothubowner: RegistryRead RegistryWrite ServiceConnect DeviceConnect",
        "registryRead: RegistryRead",
        "registryReadWrite: RegistryRead RegistryWrite",
        "service: ServiceConnect",
      ]
    )
    #expect(first.allSatisfy { $0.primaryKey != $0.secondaryKey })
  }

  @Test("who lacks a right gets 401002")
  func authorize() throws {
    var hub = TestHub()
    try hub.engine.createDefaultPolicies()
    for (name, needed, passes) in [
      ("iothubowner", AccessRights.all, true), ("service", .serviceConnect, true),
      ("service", .registryRead, false), ("registryReadWrite", .serviceConnect, false),
      ("registryRead", [.registryRead, .registryWrite], false), ("device", .deviceConnect, true),
    ] as [(String, AccessRights, Bool)] {
      let policy = try #require(try hub.engine.view.policy(name))
      let answer = code { () throws(HubError) in try policy.authorize(needed) }
      #expect(answer == (passes ? nil : .iotHubUnauthorizedAccess))
    }
  }

  @Test("the refusal says what is missing, and of several rights that all are needed")
  func refusalText() throws {
    var hub = TestHub()
    try hub.engine.createDefaultPolicies()
    for (name, needed, text) in [
      ("service", .registryRead, "Policy service lacks the right RegistryRead."),
      (
        "registryRead", .all,
        "Policy registryRead lacks rights of which all are needed: RegistryWrite, ServiceConnect, "
          + "DeviceConnect."
      ),
    ] as [(String, AccessRights, String)] {
      let policy = try #require(try hub.engine.view.policy(name))
      let error = #expect(throws: HubError.self) { try policy.authorize(needed) }
      #expect(error?.message == text)
    }
  }

  @Test("keys are kept, given, or renewed one by one, and connections are told")
  func keys() throws {
    var hub = TestHub()
    let first = try hub.engine.putPolicy("p", rights: .serviceConnect)
    let second = try hub.engine.putPolicy("p", rights: .deviceConnect)
    #expect(first.primaryKey == second.primaryKey)
    let third = try hub.engine.regenerateKeys(ofPolicy: "p", primary: true, secondary: false)
    #expect(third.primaryKey != first.primaryKey)
    #expect(third.secondaryKey == first.secondaryKey)
    try hub.engine.deletePolicy("p")
    #expect(hub.effects() == [HubEffect](repeating: .policyChanged(name: "p"), count: 4))
    #expect(try hub.engine.view.policies().isEmpty)
  }

  @Test("refused: bad names, no rights, policies that are not there")
  func refusals() {
    var hub = TestHub()
    for (name, rights) in [
      ("", AccessRights.all), ("a b", .all), (String(repeating: "x", count: 65), .all), ("p", []),
    ] as [(String, AccessRights)] {
      #expect(
        code { () throws(HubError) in _ = try hub.engine.putPolicy(name, rights: rights) }
          == .argumentInvalid
      )
    }
    #expect(
      code { () throws(HubError) in try hub.engine.deletePolicy("p") } == .argumentInvalid
    )
  }
}
