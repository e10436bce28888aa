import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine
import Testing

@Suite("Assignment and re-registration (contract §6.7)")
struct RegistrationTests {
  private static let attestation =
    #""attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"R"}}}}"#

  private func service(
    _ extra: String = "",
    hubs: [LinkedHub] = TestService.hubs
  ) throws -> TestService {
    var rules = ProvisioningRules(scope: "0ne", hubs: hubs)
    rules.issuers = ["ca"]
    var service = TestService(rules)
    try service.put(.group("g"), "{\(extra)\(Self.attestation)}")
    return service
  }

  private func proof(_ letter: Character = "d") throws -> PresentedCredential {
    try leaf(letter, "d", signers: [("R", 1)])
  }

  @Test("policies choose among the named hubs")
  func policies() throws {
    let far = [
      LinkedHub(host: "a", latencyMilliseconds: 30), LinkedHub(host: "b", latencyMilliseconds: 5),
      LinkedHub(host: "c"),
    ]
    let rows: [(String, [LinkedHub], String?)] = [
      (#""allocationPolicy":"static","iotHubs":["B"],"#, TestService.hubs, "b"),
      (#""allocationPolicy":"static","iotHubHostName":"c","#, TestService.hubs, "c"),
      (#""allocationPolicy":"geoLatency","#, far, "b"),
      (#""allocationPolicy":"geoLatency","iotHubs":["a","c"],"#, far, "a"),
      (#""iotHubs":["c"],"#, TestService.hubs, "c"),
    ]
    for (policy, hubs, expected) in rows {
      var service = try service(policy, hubs: hubs)
      let state = try service.run(try service.register("d", try proof())) { _ in .done }
      #expect(state.assignedHub == expected, "\(policy)")
      #expect(state.status == .assigned && state.substatus == .initialAssignment)
      #expect(state.deviceID == "d")
    }
  }

  @Test("an operation whose payload is nested as deep as may be is read back from its text")
  func deepPayload() throws {
    var service = try service()
    let depth = JSONLimits.default.maxDepth - 1
    let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    let request = try RegistrationRequest([UInt8](#"{"payload":\#(text)}"#.utf8))
    let operation = try service.register("d", try proof(), request)
    let stored = try JSON.parse(JSON.bytes(operation.stored), limits: .stored)
    #expect(OperationRecord(stored: stored, id: operation.id, registrationID: "d") == operation)
  }

  @Test("the hash spreads evenly by weight, and a hub that goes moves only its own devices")
  func hash() throws {
    func spread(_ hubs: [LinkedHub]) throws -> [String: String] {
      var service = try service(hubs: hubs)
      var chosen: [String: String] = [:]
      for index in 0..<600 {
        let id = "device-\(index)"
        let credential = try leaf("d", id, signers: [("R", 1)])
        chosen[id] = try service.run(try service.register(id, credential)) { _ in .done }
          .assignedHub
      }
      return chosen
    }
    let all = try spread(TestService.hubs)
    for hub in ["a", "b", "c"] { #expect((150...250).contains(all.values.count { $0 == hub })) }
    let fewer = try spread(Array(TestService.hubs.dropLast()))
    for (id, hub) in all where hub != "c" { #expect(fewer[id] == hub) }
    let weighted = try spread([LinkedHub(host: "a", weight: 3), LinkedHub(host: "b")])
    #expect((400...500).contains(weighted.values.count { $0 == "a" }))
  }

  @Test("a webhook decides, and its failures have codes of their own")
  func webhook() throws {
    let custom =
      #""allocationPolicy":"custom","iotHubs":["a","b"],"customAllocationDefinition":{"webhookUrl":"https://w/","apiVersion":"1"},"#
    let rows: [(ProvisioningResult, String?, Int?)] = [
      (.allocated(hub: "B", initialTwin: InitialTwin(tags: ["t": 1]), payload: 7), "b", nil),
      (.allocated(hub: "c", initialTwin: nil, payload: nil), nil, 400_208),
      (.allocated(hub: nil, initialTwin: nil, payload: nil), nil, 400_208),
      (.refused(HubError(.customAllocationUnauthorized, "")), nil, 400_209),
      (.unavailable, nil, 400_207), (.done, nil, 400_207),
    ]
    for (result, hub, failure) in rows {
      var service = try service(custom)
      var request = RegistrationRequest()
      request.payload = ["model": "x"]
      let operation = try service.register("d", try proof(), request)
      var twin: InitialTwin?
      let state = try service.run(operation) { step in
        switch step {
        case .allocate(let hook, let body):
          #expect(hook.webhookURL == "https://w/")
          #expect(body["deviceRuntimeContext"]?["payload"] == ["model": "x"])
          #expect(body["linkedHubs"] == ["a", "b"])
          #expect(body["enrollmentGroup"]?["enrollmentGroupId"] == "g")
          return result
        case .install(_, let assignment):
          twin = assignment.twin
          return .done
        default: return .done
        }
      }
      #expect(state.assignedHub == hub)
      #expect(state.failure?.code.rawValue == failure)
      #expect(state.payload == (hub == nil ? nil : 7))
      if hub != nil { #expect(twin?.tags == ["t": 1]) }
    }
  }

  @Test("re-registration keeps, migrates or resets")
  func reprovisioning() throws {
    let old = InitialTwin(tags: ["old": 1])
    let rows: [(policy: String, hub: String, substatus: RegistrationSubstatus, tags: JSONObject?)] =
      [
        (#"{"updateHubAssignment":false}"#, "a", .initialAssignment, nil),
        ("{}", "b", .deviceDataMigrated, ["old": 1]),
        (#"{"migrateDeviceData":false}"#, "b", .deviceDataReset, ["new": 1]),
      ]
    for row in rows {
      func body(_ hub: String) -> String {
        #"{"reprovisionPolicy":\#(row.policy),"initialTwin":{"tags":{"new":1}},"allocationPolicy":"static","iotHubs":["\#(hub)"],\#(Self.attestation)}"#
      }
      var service = TestService()
      try service.put(.group("g"), body("a"))
      _ = try service.run(try service.register("d", try proof())) { _ in .done }
      try service.put(.group("g"), body("b"), ifMatch: "*")
      var steps: [String] = []
      var tags: JSONObject?
      let state = try service.run(try service.register("d", try proof())) { step in
        switch step {
        case .detach(let hub, _): steps.append("detach \(hub)")
        case .install(let hub, let assignment):
          steps.append("install \(hub)")
          tags = assignment.keepsTwin ? nil : assignment.twin?.tags
        case .remove(let hub, _): steps.append("remove \(hub)")
        case .inspect(let hub, _): steps.append("inspect \(hub)")
        case .allocate, .issue, .withdraw, .reattach: steps.append("?")
        }
        if case .detach = step { return .detached(DetachedIdentity(twin: old)) }
        return .done
      }
      #expect(state.assignedHub == row.hub)
      #expect(state.substatus == row.substatus)
      #expect(tags == row.tags)
      #expect(
        steps
          == (row.hub == "a"
            ? ["install a"] : ["inspect b", "detach a", "install b", "remove a"])
      )
    }
  }

  @Test("a move that fails gives the device back to its old hub")
  func failedMove() throws {
    func body(_ hub: String) -> String {
      #"{"allocationPolicy":"static","iotHubs":["\#(hub)"],\#(Self.attestation)}"#
    }
    for result in [ProvisioningResult.unavailable, .refused(HubError(.tooManyDevices, ""))] {
      var service = TestService()
      try service.put(.group("g"), body("a"))
      _ = try service.run(try service.register("d", try proof())) { _ in .done }
      try service.put(.group("g"), body("b"), ifMatch: "*")
      var steps: [String] = []
      let state = try service.run(try service.register("d", try proof())) { step in
        switch step {
        case .inspect: return .inspected(nil)
        case .detach: return .detached(nil)
        case .install: return result
        case .withdraw(let hub, _, let prior):
          steps.append("withdraw \(hub)")
          #expect(prior == nil)
        case .reattach(let hub, _): steps.append("reattach \(hub)")
        case .allocate, .issue, .remove: steps.append("?")
        }
        return .done
      }
      #expect(steps == ["withdraw b", "reattach a"])
      #expect(state.status == .failed && state.assignedHub == "a")
      #expect(state.failure != nil)
    }
  }

  @Test(
    "an identity that was there before is not the assignment's to delete",
    arguments: [false, true]
  )
  func handMade(isInspectedNow: Bool) throws {
    let prior = PriorIdentity(
      generationID: "7",
      status: .disabled,
      statusReason: "in stock",
      authentication: .certificateAuthority,
      isEdge: true
    )
    for found in [prior, nil] {
      var service = TestService { hub, deviceID in
        #expect(hub == "a" && deviceID == "d")
        return isInspectedNow ? .inspected(found) : nil
      }
      try service.put(
        .group("g"),
        #"{"allocationPolicy":"static","iotHubs":["a"],\#(Self.attestation)}"#
      )
      var withdrawn: [PriorIdentity?] = []
      let state = try service.run(try service.register("d", try proof())) { step in
        switch step {
        case .inspect:
          #expect(!isInspectedNow)
          return .inspected(found)
        case .install: return .refused(HubError(.tooManyDevices, ""))
        case .withdraw(_, _, let prior): withdrawn.append(prior)
        case .allocate, .issue, .detach, .remove, .reattach: Issue.record("\(step)")
        }
        return .done
      }
      #expect(withdrawn == [found])
      #expect(state.status == .failed && state.assignedHub == nil)
    }
    // What cannot be asked is not touched.
    var service = try service()
    let state = try service.run(try service.register("d", try proof())) { step in
      if case .inspect = step { return .unavailable }
      Issue.record("\(step)")
      return .done
    }
    #expect(state.failure?.code == .serviceUnavailable)
  }

  @Test("a device that an operator disabled stays disabled where it moves")
  func disabledMove() throws {
    func body(_ hub: String) -> String {
      #"{"allocationPolicy":"static","iotHubs":["\#(hub)"],\#(Self.attestation)}"#
    }
    var service = TestService()
    try service.put(.group("g"), body("a"))
    _ = try service.run(try service.register("d", try proof())) { _ in .done }
    try service.put(.group("g"), body("b"), ifMatch: "*")
    var installed: HubAssignment?
    _ = try service.run(try service.register("d", try proof())) { step in
      switch step {
      case .detach:
        return .detached(
          DetachedIdentity(twin: InitialTwin(), status: .disabled, statusReason: "stolen")
        )
      case .install(_, let assignment): installed = assignment
      default: break
      }
      return .done
    }
    #expect(installed?.status == .disabled && installed?.statusReason == "stolen")
  }

  @Test("a new leaf every day needs no operator, and at most two are kept (D-1)")
  func dailyLeaf() throws {
    var service = try service()
    let letters: [Character] = ["d", "e", "f", "g"]
    for (day, letter) in letters.enumerated() {
      service.now = service.now.adding(seconds: 86_400)
      var credential: Authentication?
      let state = try service.run(try service.register("d", try proof(letter))) { step in
        if case .install(_, let assignment) = step { credential = assignment.authentication }
        return .done
      }
      #expect(state.status == .assigned && state.substatus == .initialAssignment)
      let last = day == 0 ? nil : certificate(letters[day - 1].asciiValue ?? 0)?.sha256
      #expect(
        credential
          == .selfSigned(primary: certificate(letter.asciiValue ?? 0)?.sha256, secondary: last)
      )
    }
  }

  @Test("a hub that has the authority takes any certificate of it")
  func sharedAuthority() throws {
    let hubs = [LinkedHub(host: "a", sharesAuthorities: true)]
    var service = TestService(ProvisioningRules(scope: "0ne", hubs: hubs))
    try service.put(
      .group("g"),
      #"{"attestation":{"type":"x509","x509":{"caReferences":{"primary":"plant"}}}}"#
    )
    let credential = try leaf("d", "d", signers: [("R", 1)], authority: "plant")
    var used: Authentication?
    _ = try service.run(try service.register("d", credential)) { step in
      if case .install(_, let assignment) = step { used = assignment.authentication }
      return .done
    }
    #expect(used == .certificateAuthority)
  }

  @Test("a certificate is issued where the enrollment names an authority")
  func issuance() throws {
    var request = RegistrationRequest()
    request.certificateSigningRequest = [1, 2]
    for (extra, isIssued) in [
      (#""clientCertificateIssuancePolicy":{"certificateAuthorityName":"ca"},"#, true), ("", false),
    ] {
      var service = try service(extra)
      let operation = try service.register("d", try proof(), request)
      let issued = try Self.issued(0x6E)
      var used: Authentication?
      let state = try service.run(operation) { step in
        switch step {
        case .issue(let request, let authority, let name):
          #expect(request == [1, 2] && authority == "ca" && name == "d")
          return .issued(issued)
        case .install(_, let assignment):
          used = assignment.authentication
          return .done
        default: return .done
        }
      }
      #expect(state.status == (isIssued ? .assigned : .failed))
      #expect(state.issued == (isIssued ? issued : nil))
      #expect(state.deviceJSON["issuedCertificateChain"] == (isIssued ? ["bg==", "UA=="] : nil))
      #expect(state.json["issuedCertificateChain"] == nil)
      #expect(used == (isIssued ? .selfSigned(primary: issued.thumbprint, secondary: nil) : nil))
    }
  }

  private static func issued(_ byte: UInt8) throws -> IssuedCertificate {
    let leaf = try #require(certificate(byte))
    return IssuedCertificate(chain: [leaf.der, [0x50]], thumbprint: leaf.sha256)
  }

  private static let issuing =
    #""clientCertificateIssuancePolicy":{"certificateAuthorityName":"ca"},"#

  @Test("an issued certificate every day: the hub takes it and the last one, never the factory's")
  func dailyIssuance() throws {
    var service = try service(Self.issuing)
    var last: IssuedCertificate?
    for day in 0..<4 as Range<UInt8> {
      service.now = service.now.adding(seconds: 86_400)
      var request = RegistrationRequest()
      request.certificateSigningRequest = [day]
      let today = try Self.issued(0x68 + day)
      var used: Authentication?
      let state = try service.run(try service.register("d", try proof(), request)) { step in
        if case .issue = step { return .issued(today) }
        if case .install(_, let assignment) = step { used = assignment.authentication }
        return .done
      }
      #expect(state.status == .assigned && state.substatus == .initialAssignment)
      #expect(used == .selfSigned(primary: today.thumbprint, secondary: last?.thumbprint))
      last = today
    }
  }

  @Test("a device that asks again with another key gets the certificate of that")
  func anotherRequest() throws {
    func body(_ hub: String) -> String {
      #"{\#(Self.issuing)"allocationPolicy":"static","iotHubs":["\#(hub)"],\#(Self.attestation)}"#
    }
    // The second request comes at each step of a move in turn.
    for moment in 0..<5 {
      var rules = ProvisioningRules(scope: "0ne", hubs: TestService.hubs)
      rules.issuers = ["ca"]
      var service = TestService(rules)
      try service.put(.group("g"), body("a"))
      _ = try service.run(try service.register("d", try proof())) { _ in .done }
      try service.put(.group("g"), body("b"), ifMatch: "*")
      var request = RegistrationRequest()
      request.certificateSigningRequest = [1]
      let operation = try service.register("d", try proof(), request)
      let old = InitialTwin(tags: ["old": 1])
      let first = try Self.issued(0x68)
      let steps: [(ProvisioningAction.Step) -> ProvisioningResult] = [
        { _ in .issued(first) }, { _ in .inspected(nil) },
        { _ in .detached(DetachedIdentity(twin: old)) }, { _ in .done },
      ]
      for step in steps.prefix(moment) {
        let action = try #require(try service.engine.nextAction(operation.id))
        _ = try service.engine.record(
          step(action.step),
          for: operation.id,
          attempt: action.attempt,
          now: service.now
        )
      }
      request.certificateSigningRequest = [2]
      #expect(try service.register("d", try proof(), request).id == operation.id)
      var installed: HubAssignment?
      var inspectionCount = 0
      let second = try Self.issued(0x69)
      let state = try service.run(operation) { step in
        switch step {
        case .issue(let request, _, _):
          #expect(request == [2])
          return .issued(second)
        case .inspect: inspectionCount += 1
        case .detach: return .detached(moment < 3 ? DetachedIdentity(twin: old) : nil)
        case .install(_, let assignment): installed = assignment
        default: break
        }
        return .done
      }
      #expect(state.status == .assigned && state.issued == second)
      #expect(installed?.authentication == .selfSigned(primary: second.thumbprint, secondary: nil))
      #expect(installed?.twin == old)
      #expect(inspectionCount == (moment < 2 ? 1 : 0), "the new hub has our own identity by then")
    }
  }

  @Test("one key used twice at once gets one operation, and a new credential is not lost")
  func race() throws {
    var service = try service()
    let first = try service.register("d", try proof())
    let again = try service.register("d", try proof())
    #expect(first.id == again.id)
    let old = try #require(try service.engine.nextAction(first.id))
    let other = try service.register("d", try proof("e"))
    #expect(other.id == first.id)
    #expect(
      try !service.engine.record(.done, for: first.id, attempt: old.attempt, now: service.now)
    )
    var used: Authentication?
    _ = try service.run(first) { step in
      if case .install(_, let assignment) = step { used = assignment.authentication }
      return .done
    }
    // The first one is remembered as the leaf before: both may still be in use.
    #expect(
      used == .selfSigned(primary: certificate(0x65)?.sha256, secondary: certificate(0x64)?.sha256)
    )
  }

  @Test("operations: answers stay, belong to one device, and go in the end")
  func operations() throws {
    var service = try service()
    let operation = try service.register("d", try proof())
    #expect(operation.json == ["operationId": .string(operation.id), "status": "assigning"])
    #expect(code { _ = try service.engine.view.operation(operation.id, of: "e") } == 404_203)
    _ = try service.run(operation) { _ in .done }
    let answer = try service.engine.view.operation(operation.id, of: "d").json
    service.now = service.now.adding(seconds: 900)
    _ = try service.run(try service.register("d", try proof("e"))) { _ in .done }
    #expect(try service.engine.sweepOperations(now: service.now))
    #expect(try service.engine.view.operation(operation.id, of: "d").json == answer)
    service.now = service.now.adding(seconds: 3600)
    #expect(try service.engine.sweepOperations(now: service.now))
    #expect(code { _ = try service.engine.view.operation(operation.id, of: "d") } == 404_203)
    #expect(code { try service.engine.deleteRegistration("e", ifMatch: .any) } == 404_202)
    #expect(
      code { try service.engine.deleteRegistration("d", ifMatch: .exactly("x")) } == 412_000
    )
    try service.engine.deleteRegistration("d", ifMatch: .absent)
    #expect(code { _ = try service.engine.view.registration("d") } == 404_202)
  }

  @Test("another ID in the body is refused")
  func otherID() throws {
    var service = try service()
    var request = RegistrationRequest()
    request.registrationID = "e"
    #expect(code { _ = try service.register("d", try proof(), request) } == 400_202)
  }
}
