import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Failing storage: every write of every command")
struct StorageFaultTests {
  typealias Engine = HubEngine<SimHubStorage>
  typealias Command = (inout Engine) throws(HubError) -> Void

  private static let now = Timestamp(seconds: 1_800_000_000)

  /// Commands that all succeed in this order.
  private static func commands() throws -> [(String, Command)] {
    let patch = try json(#"{"a":1}"#)
    let key = IdentityKey(deviceID: "e")
    let element = ExportImportDevice(deviceID: "bulk", importMode: .create)
    let thumbprint = try #require(Thumbprint(hex: String(repeating: "a", count: 40)))
    let facts = CertificateFacts(
      subject: "CN=x",
      thumbprint: thumbprint,
      certificate: [],
      expiryTime: .latest,
      isAuthority: true
    )
    let request = CloudToDeviceRequest(
      recipient: key,
      messageID: "m",
      acknowledgement: .full,
      body: []
    )
    let take: (inout Engine) throws(HubError) -> [CloudToDeviceMessage] = {
      engine throws(HubError) in
      try engine.takeCloudToDevice(
        of: "e",
        limit: 1,
        holder: ConnectionID(1),
        hold: .connection,
        now: now
      )
    }
    return [
      ("policies", { engine throws(HubError) in try engine.createDefaultPolicies() }),
      (
        "create",
        { engine throws(HubError) in
          _ = try engine.putDevice(
            DeviceIdentityRequest(deviceID: "e", isEdge: true),
            ifMatch: .absent,
            now: now
          )
        }
      ),
      (
        "replace",
        { engine throws(HubError) in
          _ = try engine.putDevice(
            DeviceIdentityRequest(deviceID: "e"),
            ifMatch: .any,
            now: now
          )
        }
      ),
      (
        "module",
        { engine throws(HubError) in
          _ = try engine.putModule(
            ModuleIdentityRequest(deviceID: "e", moduleID: "m"),
            ifMatch: .absent,
            now: now
          )
        }
      ),
      (
        "twin",
        { engine throws(HubError) in
          _ = try engine.updateTwin(
            key,
            TwinUpdate(tags: .set(["t": 1]), desired: .set(["d": 1])),
            replacing: false,
            ifMatch: .any,
            now: now
          )
        }
      ),
      (
        "reported",
        { engine throws(HubError) in _ = try engine.patchReported(key, patch, now: now) }
      ),
      ("connected", { engine throws(HubError) in try engine.connected(key, now: now) }),
      (
        "session",
        { engine throws(HubError) in
          try engine.setSubscriptions([SessionSubscription(filter: "f", quality: 1)], of: key)
        }
      ),
      ("enqueue", { engine throws(HubError) in _ = try engine.enqueue(request, now: now) }),
      (
        "take and complete",
        { engine throws(HubError) in
          guard let token = try take(&engine).first?.lock?.token else { return }
          try engine.completeCloudToDevice(of: "e", token: token, now: now)
        }
      ),
      ("enqueue", { engine throws(HubError) in _ = try engine.enqueue(request, now: now) }),
      (
        "purge",
        { engine throws(HubError) in _ = try engine.purgeCloudToDevice(of: "e", now: now) }
      ),
      (
        "feedback",
        { engine throws(HubError) in
          guard let batch = try engine.takeFeedback(now: now) else { return }
          try engine.completeFeedback(batch.token, now: now)
        }
      ),
      (
        "bulk",
        { engine throws(HubError) in _ = try engine.bulk([.success(element)], now: now) }
      ),
      (
        "authority",
        { engine throws(HubError) in
          _ = try engine.putCertificateAuthority("ca", facts, ifMatch: .absent, now: now)
        }
      ),
      (
        "delete",
        { engine throws(HubError) in try engine.deleteDevice("e", ifMatch: .any, now: now) }
      ),
    ]
  }

  @Test("the command is refused with 500, the fault is there, and undoing leaves nothing")
  func everyWrite() throws {
    var hub = TestHub()
    var faults = 0
    for (name, command) in try Self.commands() {
      var write = 0
      while true {
        hub.engine.storage.begin()
        let before = hub.engine.storage.tables
        hub.engine.storage.accessesUntilFault = write
        let refusal = code { () throws(HubError) in try command(&hub.engine) }
        guard hub.engine.fault != nil else {
          #expect(refusal == nil, "\(name)")
          #expect(write > 0, "\(name) writes nothing")
          hub.engine.storage.accessesUntilFault = nil
          try hub.engine.storage.commit()
          _ = hub.engine.takeEffects()
          break
        }
        #expect(refusal == .serverError, "\(name) at write \(write)")
        hub.engine.storage.rollback()
        hub.engine.transactionUndone()
        #expect(hub.engine.storage.tables == before)
        #expect(hub.engine.takeEffects().isEmpty)
        faults += 1
        write += 1
      }
    }
    #expect(faults > 50)
    #expect(hub.engine.storage.durable.devices.keys.sorted() == ["bulk"])
  }

  @Test("a commit that failed shows after a power cut at the earliest")
  func unconfirmed() throws {
    var storage = SimHubStorage()
    let device = DeviceIdentity(
      deviceID: "d",
      generationID: "1",
      etagCounter: 1,
      authentication: .certificateAuthority
    )
    for (failure, isThere) in [(SimHubStorage.CommitFailure.lost, false), (.unconfirmed, true)] {
      storage.begin()
      try storage.put(device)
      storage.nextCommitFailure = failure
      #expect(throws: StorageFault.self) { try storage.commit() }
      storage.begin()
      #expect(try storage.device("d") == nil)
      storage.cutPower()
      #expect((try storage.device("d") != nil) == isThere)
    }
  }
}
